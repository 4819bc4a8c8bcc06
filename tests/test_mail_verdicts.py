"""What receivers find of a mail of ours: DKIM, SPF and DMARC, looked up at a real name server."""

from collections.abc import Callable

import pytest

from services import domain_policy, mail_check, mail_seen, mail_verdicts
from services.finding import Finding
from services.name_server import Names
from tests.notifier.test_dkim import key
from tests.notifier.test_mail_bytes import raw
from tests.servers.dns import NameServer

BOUNCES = "bounce+abc@in.school.example"
SIGNED = key().signed(raw(inbound=True))
UNSIGNED = raw(inbound=True)
RECORD = key().record
OTHER = RECORD[:150] + ("A" if RECORD[150] != "A" else "B") + RECORD[151:]  # of another key


@pytest.fixture
def published(name_server: NameServer) -> NameServer:
    """All that a school with a good mail server has in DNS."""
    name_server.say("relay.example", "A", "93.184.216.34")
    name_server.say("in.school.example", "TXT", "v=spf1 ip4:93.184.216.34 -all")
    name_server.say("autumn._domainkey.school.example", "TXT", RECORD)
    name_server.say("_dmarc.school.example", "TXT", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@school.example")
    return name_server


async def found(server: NameServer, mail: bytes = SIGNED, sender: str = BOUNCES) -> dict[str, Finding]:
    findings = await mail_verdicts.of(
        mail, sender=sender, host="relay.example", names=Names(server.resolver), record=RECORD
    )
    assert all(finding.do for finding in findings if finding.ok is not True), "what is wrong comes with what to do"
    return {finding.check: finding for finding in findings}


async def test_with_everything_published_all_is_well(published: NameServer) -> None:
    told = await found(published)
    assert {check: finding.ok for check, finding in told.items()} == {"DKIM": True, "SPF": True, "DMARC": True}
    assert told["DKIM"].says == (
        "signed for school.example (selector autumn), over both unsubscribe headers, and verified with the key in DNS"
    )
    assert told["DMARC"].says == (
        "passes by DKIM (school.example) and by SPF (in.school.example); school.example asks for reject of what fails"
    )


@pytest.mark.parametrize(
    ("change", "check", "ok", "words"),
    [
        (
            lambda dns: dns.forget("autumn._domainkey.school.example"),
            "DKIM",
            False,
            "but there is no key at autumn._do",
        ),
        (
            lambda dns: dns.say("autumn._domainkey.school.example", "TXT", OTHER),
            "DKIM",
            False,
            "does not fit the mail and the key",
        ),
        (lambda dns: dns.forget("in.school.example"), "SPF", False, "in.school.example has no SPF record"),
        (lambda dns: dns.say("in.school.example", "TXT", "v=spf1 +all"), "SPF", False, "lets everybody send"),
        (lambda dns: dns.say("in.school.example", "TXT", "v=spf1 -all"), "SPF", None, "says fail for its address"),
        (lambda dns: dns.forget("_dmarc.school.example"), "DMARC", False, "has no policy"),
        (lambda dns: dns.say("_dmarc.school.example", "TXT", "v=DMARC1; p=none"), "DMARC", True, "asks for none"),
        (lambda dns: dns.say("relay.example", "A", "10.0.0.7"), "SPF", None, "its address is not public"),
        (
            lambda dns: dns.say("_dmarc.school.example", "TXT", "v=DMARC1; p=none; aspf=s"),
            "DMARC",
            True,
            "passes by DKIM (school.example); ",
        ),
    ],
)
async def test_what_is_missing_or_wrong_is_said(
    published: NameServer, change: Callable[[NameServer], None], check: str, ok: bool | None, words: str
) -> None:
    change(published)
    told = await found(published)
    assert told[check].ok is ok and words in told[check].says
    if check == "DKIM":
        assert told[check].do == f"publish autumn._domainkey.school.example TXT {RECORD}"


async def test_the_policy_of_a_domain_above_counts(published: NameServer) -> None:
    published.forget("_dmarc.school.example")
    published.say("_dmarc.example", "TXT", "v=DMARC1; p=none; sp=quarantine")
    told = await found(published)
    assert told["DMARC"].ok is True and "asks for quarantine" in told["DMARC"].says


async def test_a_domain_that_is_not_ours_proves_nothing(published: NameServer) -> None:
    published.say("vendor.example", "TXT", "v=spf1 ip4:93.184.216.34 -all")
    told = await found(published, UNSIGNED, sender="bounce@vendor.example")
    assert told["SPF"].ok is True
    assert told["DMARC"].ok is None and told["DMARC"].says.startswith("passes if DKIM (the mail server) does")
    assert told["DKIM"].ok is None and "not signed by us" in told["DKIM"].says

    published.forget("autumn._domainkey.school.example")
    assert (await found(published, SIGNED, sender="bounce@vendor.example"))["DMARC"].ok is False


async def test_siblings_belong_together_when_the_domain_above_says_so(published: NameServer) -> None:
    published.say("in.school.example", "TXT", "v=spf1 ip4:93.184.216.34 -all")
    mail = UNSIGNED.replace(b"hello@school.example", b"hello@mail.school.example", 1)
    told = await found(published, mail)
    assert told["DMARC"].ok is True and "asks for quarantine" in told["DMARC"].says  # sp=
    published.say("_dmarc.school.example", "TXT", "v=DMARC1; p=none; psd=y")
    assert (await found(published, mail))["DMARC"].ok is None  # two owners under one roof


async def test_where_dns_is_silent_it_says_so_and_what_is_known_all_the_same(published: NameServer) -> None:
    published.silent = True
    told = await found(published)
    assert {finding.ok for finding in told.values()} == {None}
    assert all("DNS cannot be asked from here" in finding.says for finding in told.values())
    assert "over both unsubscribe headers" in told["DKIM"].says
    assert "The domain of DKIM, school.example, belongs to that of From." in told["DMARC"].says
    assert "The domain of SPF, in.school.example, belongs to that of From." in told["DMARC"].says
    assert len(set(published.asked)) == 1  # once it was silent it is left alone


async def test_a_name_server_that_knows_nothing_at_all_is_not_believed(name_server: NameServer) -> None:
    name_server.forget(".")
    told = await found(name_server)
    assert {finding.ok for finding in told.values()} == {None}
    assert "who answers knows nothing" in told["DKIM"].says


async def test_a_signature_must_cover_both_unsubscribe_headers(published: NameServer) -> None:
    partly = SIGNED.replace(b"list-unsubscribe-post", b"x-other")
    told = await found(published, partly)
    assert told["DKIM"].ok is False and "receivers will offer no one-click" in told["DKIM"].says


AT_THE_RECEIVER = b"""Return-Path: <bounce+abc@in.school.example>\r
Authentication-Results: mx.there.example;\r
       dkim=pass header.i=@school.example header.s=autumn;\r
       spf=softfail (mx.there.example: does not designate; dmarc=fail) smtp.mailfrom=x@y.example;\r
       dmarc=pass (p=REJECT sp=NONE dis=NONE) header.from=school.example\r
"""


async def test_a_mail_as_it_arrived_is_judged_with_the_receivers_own_words(published: NameServer) -> None:
    names = Names(published.resolver)
    told = {one.check: one for one in await mail_check.received(AT_THE_RECEIVER + SIGNED, names)}
    assert {check: one.ok for check, one in told.items()} == {"unsubscribe": True, "DKIM": True, "receiver": True}
    assert "dmarc=pass" in told["receiver"].says and told["receiver"].do  # SPF is worth a look
    saved = (AT_THE_RECEIVER + SIGNED).replace(b"\r\n", b"\n")
    assert all(one.ok for one in await mail_check.received(saved, names))

    failed = AT_THE_RECEIVER.replace(b"dmarc=pass", b"dmarc=fail") + UNSIGNED
    told = {one.check: one for one in await mail_check.received(failed, names)}
    assert (told["DKIM"].ok, told["receiver"].ok) == (False, False)
    assert [one.ok for one in await mail_check.received(SIGNED, names)] == [True, True, None]


def test_both_ways_to_leave_are_found_or_missed() -> None:
    good = mail_seen.leaving(SIGNED)
    assert good.ok is True
    assert good.says == (
        "List-Unsubscribe (https://hello.school.example... and mailto:unsub...) and List-Unsubscribe-Post, once each"
    )
    for wrong, words in (
        (SIGNED.replace(b"List-Unsubscribe-Post: ", b"X-Gone: "), "List-Unsubscribe-Post 0 times"),
        (b"List-Unsubscribe: <https://x.example>\r\n" + SIGNED, "List-Unsubscribe is there 2 times"),
        (SIGNED.replace(b">, <mailto:", b">,\r\n <mailto:"), "folded"),
        (SIGNED.replace(b"=One-Click", b"=Maybe"), "folded, encoded or changed"),
        (SIGNED.replace(b"List-Unsubscribe: <https:", b"List-Unsubscribe: <http:"), "needs an https:// address"),
    ):
        found = mail_seen.leaving(wrong)
        assert found.ok is False and words in found.says and found.do


@pytest.mark.parametrize(
    ("one", "other", "aligned"),
    [
        ("school.example", "school.example", True),
        ("in.school.example", "School.example", True),
        ("school.example", "mail.school.example", True),
        ("a.school.example", "b.school.example", None),
        ("school.example", "vendor.example", False),
        ("school.example", "school.other", False),
        ("notschool.example", "school.example", False),
    ],
)
def test_what_belongs_together_is_mostly_plain(one: str, other: str, aligned: bool | None) -> None:
    assert domain_policy.surely_aligned(one, other) is aligned
