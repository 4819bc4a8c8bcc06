from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from pydantic import SecretStr

from shared.links import ACTS_EXPIRE_AFTER, Acting, Leaving, Links
from shared.signing import BadToken, Signer

BASE = "https://hello.school.example"


def acting() -> Acting:
    return Acting(person=uuid4(), connection=uuid4(), follow_up=uuid4(), nudge=uuid4())


def token(url: str) -> str:
    return url.rpartition("/")[2]


def test_what_the_notifier_writes_intake_reads(keys: tuple[SecretStr, ...]) -> None:
    wrote, reads = Links(BASE, keys), Links("https://elsewhere.example", keys)
    about, leaving = acting(), Leaving(person=uuid4(), channel="email", address="ada+x@school.example")

    assert wrote.act(about).startswith(f"{BASE}/a/")
    assert reads.read_act(token(wrote.act(about))) == about
    assert wrote.leave(leaving).startswith(f"{BASE}/u/")
    assert reads.read_leave(token(wrote.leave(leaving))) == leaving


def test_a_link_is_short_enough_for_a_mail(keys: tuple[SecretStr, ...]) -> None:
    assert len(Links(BASE, keys).act(acting())) <= 175
    leaving = Leaving(person=uuid4(), channel="email", address="ada.lovelace@district.school.example")
    assert len(Links(BASE, keys).leave(leaving)) <= 170


def test_links_in_mails_that_are_out_already_go_on_working(keys: tuple[SecretStr, ...]) -> None:
    links, about = Links(BASE, keys), acting()
    ids = (about.person, about.connection, about.follow_up, about.nudge)
    assert links.read_act(Signer(keys, purpose="act").sign([id.hex for id in ids])) == about

    leaving = Leaving(person=uuid4(), channel="sms", address="+15085550123")
    old = Signer(keys, purpose="leave").sign([leaving.person.hex, leaving.channel, leaving.address])
    assert links.read_leave(old) == leaving
    assert links.read_leave(token(links.leave(leaving))) == leaving


def test_one_kind_of_link_is_not_the_other(keys: tuple[SecretStr, ...]) -> None:
    links = Links(BASE, keys)
    with pytest.raises(BadToken):
        links.read_leave(token(links.act(acting())))
    with pytest.raises(BadToken):
        links.read_act(token(links.leave(Leaving(person=uuid4(), channel="email", address="a@b.example"))))


@pytest.mark.parametrize(
    "claims",
    [None, 7, "x", [], ["x"] * 4, [1, 2, 3, 4], [uuid4().hex] * 2, {"a": 1}, b"", b"y", b"z" * 63, b"\xff" * 80],
)
def test_our_signature_over_something_else_is_refused(claims: object, keys: tuple[SecretStr, ...]) -> None:
    links = Links(BASE, keys)
    with pytest.raises(BadToken, match="not one of ours"):
        links.read_act(Signer(keys, purpose="act").sign(claims))
    with pytest.raises(BadToken, match="not one of ours"):
        links.read_leave(Signer(keys, purpose="leave").sign(claims))


def test_acting_expires_and_leaving_never_does(keys: tuple[SecretStr, ...]) -> None:
    links = Links(BASE, keys)
    with time_machine.travel("2026-01-01", tick=False):
        act = token(links.act(acting()))
        leave = token(links.leave(Leaving(person=uuid4(), channel="email", address="a@b.example")))
    with time_machine.travel("2036-01-01", tick=False):
        with pytest.raises(BadToken, match="expired"):
            links.read_act(act, max_age=ACTS_EXPIRE_AFTER)
        assert links.read_leave(leave).channel == "email"
        assert links.read_act(act, max_age=timedelta(days=4000))


def test_a_short_link_is_found_under_each_key_until_it_goes(keys: tuple[SecretStr, ...]) -> None:
    newer = SecretStr("a newer key, which signs from today on")
    nudge, other = uuid4(), uuid4()
    wrote, reads = Links(BASE, keys), Links(BASE, (newer, *keys))
    code = token(wrote.short(nudge))

    assert wrote.short(nudge) == f"{BASE}/s/{code}"
    assert len(code) == 10 and code.replace("-", "").replace("_", "").isalnum()
    assert reads.short_codes(nudge) == [token(reads.short(nudge)), code] and token(reads.short(nudge)) != code
    assert code not in wrote.short_codes(other) and code not in Links(BASE, (newer,)).short_codes(nudge)


def test_a_link_to_confirm_is_of_its_own_kind(keys: tuple[SecretStr, ...]) -> None:
    links = Links(BASE, keys)
    asked = Leaving(person=uuid4(), channel="sms", address="+15085550123")
    assert links.confirm(asked).startswith(f"{BASE}/c/")
    assert links.read_confirm(token(links.confirm(asked))) == asked
    for read in (links.read_leave, links.read_act):
        with pytest.raises(BadToken):
            read(token(links.confirm(asked)))
    with pytest.raises(BadToken):
        links.read_confirm(token(links.leave(asked)))
