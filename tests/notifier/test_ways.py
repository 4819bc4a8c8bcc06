"""The ways to reach a person: each leads where its label says, with the draft in it."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from services.notifier.profiles import profile
from services.notifier.story import story
from services.notifier.ways import URL_LIMIT, Way, Ways, mailto, number, ways
from shared.events import Contact, Gathering
from tests.notifier.nudges import ERIN, NOW, follow_up, nudge


def found(playbook: str = "say-hello", locale: str = "en", **given: Any) -> Ways:
    one = follow_up(playbook=playbook, **given)
    return ways(story(one, nudge(one, locale=locale), now=NOW))


def way(ways: Ways, label: str) -> Way:
    return next(way for way in ways.reach if way.label == label)


@pytest.mark.parametrize(
    ("given", "label", "url", "handle"),
    [
        ("https://bsky.app/profile/erin.example", "Bluesky", "https://bsky.app/profile/erin.example", "@erin.example"),
        ("https://bsky.app/profile/did:plc:abc", "Bluesky", "https://bsky.app/profile/did:plc:abc", ""),
        ("@erin.bsky.social", "Bluesky", "https://bsky.app/profile/erin.bsky.social", "@erin.bsky.social"),
        ("https://x.com/erin", "X", "https://x.com/erin", "@erin"),
        ("https://mobile.twitter.com/erin/", "X", "https://mobile.twitter.com/erin/", "@erin"),
        ("https://twitter.com/erin/status/1", "X", "https://twitter.com/erin/status/1", ""),
        ("https://mastodon.example/@erin", "Mastodon", "https://mastodon.example/@erin", "@erin@mastodon.example"),
        ("@erin@mastodon.example", "Mastodon", "https://mastodon.example/@erin", "@erin@mastodon.example"),
        ("https://medium.com/@erin", "Blog", "https://medium.com/@erin", ""),
        ("https://www.youtube.com/@erin", "YouTube", "https://www.youtube.com/@erin", ""),
        ("https://www.linkedin.com/in/erin", "LinkedIn", "https://www.linkedin.com/in/erin", ""),
        ("https://web.voxer.com/u/erin", "Voxer", "https://web.voxer.com/u/erin", ""),
        ("https://erin.wordpress.com/", "Blog", "https://erin.wordpress.com/", ""),
        ("https://blog.erin.example/", "Blog", "https://blog.erin.example/", ""),
        ("https://erin.example/blog/", "Blog", "https://erin.example/blog/", ""),
        ("https://erin.example/", "erin.example", "https://erin.example/", ""),
        ("https://us02web.zoom.us/j/123", "Zoom", "https://us02web.zoom.us/j/123", ""),
        ("https://meet.google.com/abc-defg-hij", "Google Meet", "https://meet.google.com/abc-defg-hij", ""),
        ("https://teams.live.com/meet/1", "Teams", "https://teams.live.com/meet/1", ""),
        ("https://notbsky.app/profile/erin", "notbsky.app", "https://notbsky.app/profile/erin", ""),
        ("https://bsky.app.evil.example/profile/erin", "bsky.app.evil.example",
         "https://bsky.app.evil.example/profile/erin", ""),
        ("javascript:alert(1)", "", None, ""),
        ("just a word", "", None, ""),
    ],
)  # fmt: skip
def test_a_link_is_known_by_its_host(given: str, label: str, url: str | None, handle: str) -> None:
    one = profile(given)
    assert (one.label, one.url, one.handle) == (label, url, handle)


@pytest.mark.parametrize("link", ["skype:erin?call", "https://join.skype.com/invite/abc", "https://skype.com/erin"])
def test_a_skype_link_leads_to_teams(link: str) -> None:
    known = found(contact=Contact(name="Erin", email="erin@district.example", links=(link,)))
    assert way(known, "Teams").url == "https://teams.microsoft.com/l/chat/0/0?users=erin@district.example"
    unknown = found(contact=Contact(name="Erin", links=(link,)))
    assert way(unknown, "Teams").url == "https://teams.live.com/"
    assert not any("skype" in (one.url or "") for one in (*known.reach, *unknown.reach))


def test_a_mail_opens_with_the_draft_in_it() -> None:
    known = found()
    assert known.draft is not None
    url = way(known, "Email").url or ""
    assert url.startswith(
        "mailto:erin@district.example?subject=Good%20to%20meet%20you%20at%20MassCUE%202026&body=Hi%20Erin"
    )
    assert "+" not in url and "%0D%0A%0D%0A" in url and "%0A%0A" not in url
    body = dict(parse_qsl(urlsplit(url).query))["body"]
    assert body == known.draft.body.replace("\n", "\r\n")
    assert body.endswith("\r\n\r\nAda")


def test_a_mail_stays_short_enough_to_be_handed_on() -> None:
    for text in ("word " * 2000, "ñandú " * 2000, "字" * 5000, "🤖" * 3000, "x" * 9000):
        url = mailto("erin@district.example", text, text)
        assert url is not None and len(url) <= URL_LIMIT + 20
        body = unquote(url.partition("&body=")[2], errors="strict")
        assert body.endswith("…") and len(body) > 100


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("erin+work@district.example", "erin%2Bwork@district.example"),
        ("o'erin@district.example", "o%27erin@district.example"),
        ("erin?x&y=z@district.example", "erin%3Fx%26y%3Dz@district.example"),
        ("50%@district.example", "50%25@district.example"),
    ],
)
def test_an_address_is_written_as_rfc_6068_wants_it(address: str, path: str) -> None:
    assert (mailto(address, "a", "b") or "").startswith(f"mailto:{path}?subject=a&body=b")


def test_what_is_no_address_gets_no_link_but_can_be_read() -> None:
    one = way(found(contact=Contact(name="Erin", email="erin at school")), "Email")
    assert one.url is None and one.shown == "erin at school"


@pytest.mark.parametrize(
    ("phone", "digits"),
    [("+15085550123", "+15085550123"), ("+1 (508) 555-0123", "+15085550123"), ("508.555.0123", "5085550123"),
     ("*21*123#", None), ("+1508555;phone-context=x", None), ("call me", None), ("12", None)],
)  # fmt: skip
def test_a_number_is_dialled_only_when_it_is_one(phone: str, digits: str | None) -> None:
    assert number(phone) == digits


def test_a_number_can_be_texted_and_called() -> None:
    known = found()
    assert way(known, "Call").url == "tel:+15085550123"
    text = way(known, "Text").url or ""
    assert text.startswith("sms:+15085550123?&body=Hi%20Erin%2C%20this%20is%20Ada.")
    assert "rubric" not in unquote(text)


def test_for_a_call_their_number_comes_first_and_a_room_is_one_tap_away() -> None:
    known = found("call")
    assert [one.label for one in known.reach][:3] == ["Call", "Text", "Email"]
    (video,) = known.choices
    assert [one.label for one in video.ways] == ["Zoom", "Google Meet", "Teams"]
    assert found("call", contact=Contact(name="Bo")).choices[0].title == "Start a video call"


def test_a_document_is_the_meetings_own_or_a_new_one() -> None:
    own = found("write-together", document="https://docs.google.com/document/d/1")
    assert way(own, "Shared document").url == "https://docs.google.com/document/d/1"
    assert way(found("write-together"), "New shared document").url == "https://docs.new"
    assert not any("docs.new" in (one.url or "") for one in found("say-hello").reach)


def test_past_posts_are_shown_of_a_chat_alone() -> None:
    known = found(event=Gathering(kind="chat", hashtag="#MassCUE"), locale="es")
    (past,) = known.choices
    assert past.title == "Publicaciones con #MassCUE"
    assert [one.url for one in past.ways] == [
        "https://bsky.app/hashtag/MassCUE",
        "https://mastodon.social/tags/MassCUE",
        "https://x.com/hashtag/MassCUE",
    ]
    assert found(event=Gathering(kind="conference", hashtag="masscue")).choices == []
    assert found(event=Gathering(kind="chat", hashtag="../evil?x")).choices == []


def test_praise_is_ready_to_post_where_the_person_is_and_names_them_as_they_are_called_there() -> None:
    links = ("https://x.com/erin", "https://bsky.app/profile/erin.example")
    known = found("shout-out", contact=ERIN.model_copy(update={"links": links}))
    assert known.draft is not None and known.is_for_posting
    posts = {one.label: dict(parse_qsl(urlsplit(one.url or "").query))["text"] for one in known.choices[0].ways}
    assert "Thank you, @erin.example:" in posts["Bluesky"] and "Thank you, @erin:" in posts["X"]
    assert all(len(post) <= 280 for post in posts.values())
    unknown = found("shout-out", contact=Contact(name="Erin Okafor"))
    assert unknown.draft is not None and "Thank you, Erin Okafor:" in unknown.draft.body
    assert [one.label for one in unknown.choices[0].ways] == ["Bluesky", "X"]


def test_whom_no_mail_reaches_gets_the_short_draft() -> None:
    only_phone = found(contact=Contact(name="Erin Okafor", phone="+15085550123")).draft
    assert only_phone is not None and only_phone.subject == ""
    assert only_phone.body.startswith("Hi Erin, this is Ada. It was good to meet you")
    by_mail = found(contact=Contact(name="Erin Okafor", email="erin@district.example")).draft
    assert by_mail is not None and by_mail.subject == "Good to meet you at MassCUE 2026"


def test_a_draft_is_in_the_language_of_whoever_sends_it() -> None:
    draft = found(locale="es-MX", promise="mandar la rúbrica").draft
    assert draft is not None
    assert draft.body.startswith("Hola, Erin:\n\nFue un gusto conocerte en MassCUE 2026.")
    assert "No he olvidado lo que te prometí (mandar la rúbrica)." in draft.body
