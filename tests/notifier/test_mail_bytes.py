"""A mail as bytes: what stands on the wire."""

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from typing import Any
from uuid import UUID

import pytest

from services.notifier.channels.mail_bytes import Unwritable, mailbox, sender, written
from services.notifier.message import mail
from shared.events import Contact, Gathering
from shared.links import Links
from shared.mail_tokens import MailTokens
from tests.notifier.nudges import HOSTILE, NOW, follow_up, nudge
from tests.notifier.sending import KEYS

FROM = sender("Afterhello <hello@school.example>")
NUDGE = UUID("01a20e03-3484-740c-a337-f672995244b1")
ID = "<01a20e03-3484-740c-a337-f672995244b1@school.example>"


TOKENS = MailTokens("reply@in.school.example", KEYS)


def raw(
    *,
    url: str = "https://hello.school.example",
    name: str = "Ada",
    inbound: bool = False,
    at: datetime = NOW,
    began_with: str | None = None,
    **given: Any,
) -> bytes:
    words = mail(nudge(follow_up(**given)), Links(url, KEYS), now=NOW)
    return written(
        words,
        sender=FROM,
        recipient=mailbox("ada@school.example", name),
        message_id=ID,
        at=at,
        began_with=began_with,
        reply_to=TOKENS.address("reply", NUDGE) if inbound else None,
        unsubscribe=TOKENS.address("unsub", NUDGE) if inbound else None,
    )


def header_lines(raw: bytes) -> list[str]:
    return raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def test_the_headers_are_all_there_once_in_ascii_and_unfolded() -> None:
    lines = header_lines(raw())
    names = [line.partition(":")[0] for line in lines]
    assert len(names) == len(set(names))
    assert lines[:5] == [
        "From: Afterhello <hello@school.example>",
        "To: Ada <ada@school.example>",
        "Subject: Say hello to Erin Okafor again",
        "Date: Wed, 11 Nov 2026 15:30:00 -0500",
        f"Message-ID: {ID}",
    ]
    assert "Auto-Submitted: auto-generated" in lines
    assert "X-Auto-Response-Suppress: OOF, AutoReply" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert "Reply-To: erin@district.example" in lines


def test_the_unsubscribe_address_is_on_one_line_however_long() -> None:
    long = "https://" + "hello." * 40 + "school.example"
    [line] = [line for line in header_lines(raw(url=long)) if line.startswith("List-Unsubscribe:")]
    assert line.startswith(f"List-Unsubscribe: <{long}/u/") and line.endswith(">")
    assert "=?" not in line and len(line) < 998


def header(raw: bytes, name: str) -> str:
    [line] = [line for line in header_lines(raw) if line.startswith(f"{name}: ")]
    return line.partition(": ")[2]


def test_where_mail_is_taken_in_both_ways_to_unsubscribe_stand_on_one_line() -> None:
    content = raw(inbound=True)
    by_web, by_mail = header(content, "List-Unsubscribe").split(", ")
    assert by_web.startswith("<https://hello.school.example/u/") and by_web.endswith(">")
    assert by_mail == f"<mailto:{TOKENS.address('unsub', NUDGE)}>"
    assert header(content, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"


def test_a_reply_goes_to_the_person_and_to_us_where_mail_is_taken_in() -> None:
    ours = TOKENS.address("reply", NUDGE)
    assert header(raw(inbound=True), "Reply-To") == f"erin@district.example, {ours}"
    assert header(raw(inbound=True, contact=Contact(name="Erin")), "Reply-To") == ours
    assert header(raw(inbound=True, contact=Contact(name="Erin", email="no address")), "Reply-To") == ours
    assert not any(line.startswith("Reply-To") for line in header_lines(raw(contact=Contact(name="Erin"))))


def test_what_is_about_one_connection_stays_one_conversation() -> None:
    first, later = raw(), raw(at=NOW + timedelta(days=30), playbook="check-in", began_with=ID)
    root = header(first, "References")
    assert header(first, "In-Reply-To") == root and root.endswith("@school.example>")
    assert (header(later, "In-Reply-To"), header(later, "References")) == (ID, f"{root} {ID}")
    assert header(first, "Date") != header(later, "Date")  # when it was sent, not when it was planned


def test_no_line_is_longer_than_mail_allows_and_all_end_alike() -> None:
    content = raw(notes="word " * 700 + "x" * 1500)
    assert b"\n" not in content.replace(b"\r\n", b"") and b"\r" not in content.replace(b"\r\n", b"")
    body = content.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 78
    content.decode("ascii")


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_add_no_header(words: str) -> None:
    usual = [line.partition(":")[0] for line in header_lines(raw())]
    content = raw(
        name=words, contact=Contact(name=words, email=words), event=Gathering(name=words), playbook="who-did-you-meet"
    )
    lines = header_lines(content)
    names = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert names == [name for name in usual if name != "Reply-To"]
    parsed = message_from_bytes(content, policy=default)
    assert parsed["Bcc"] is None and parsed["To"].addresses[0].addr_spec == "ada@school.example"
    assert len(parsed["To"].addresses) == 1
    assert not set(str(parsed["To"]) + str(parsed["Subject"])) & set("\0\x1b\u202e\u2066\r\n")


def test_names_in_any_script_come_back_whole() -> None:
    parsed = message_from_bytes(raw(name="Żółć Ångström, 李"), policy=default)
    assert parsed["To"].addresses[0].display_name == "Żółć Ångström, 李"


def shown(raw: bytes) -> str:
    """Return To as mail programs show it. (The newer parser of the library puts blanks between encoded words.)"""
    return str(make_header(decode_header(message_from_bytes(raw)["To"])))


@pytest.mark.parametrize("name", ["李" * 60, "Żółć Ångström " * 14, "ñ", "🦉" * 40, "a" * 150 + "é", "¿Qué tal, Inés?"])
def test_no_encoded_word_is_longer_than_mail_programs_read(name: str) -> None:
    content = raw(name=name, contact=Contact(name=name, email="erin@district.example"))
    lines = [line for line in header_lines(content) if "=?" in line]
    assert lines
    words = [word for line in lines for word in re.findall(r"=\?[^?]+\?[bq]\?[^?]*\?=", line)]
    assert max(map(len, words)) <= 75 and max(map(len, lines)) <= 76
    parsed = message_from_bytes(content, policy=default)
    assert shown(content) == f"{name.strip()} <ada@school.example>"
    assert parsed["To"].addresses[0].addr_spec == "ada@school.example"
    assert parsed["Subject"].startswith("Say hello to") and name[:1] in parsed["Subject"]


def test_an_address_as_long_as_may_be_stays_whole_beside_any_name() -> None:
    address = "a" * 64 + "@" + ".".join(["b" * 60, "c" * 60, "d" * 50]) + ".example"
    words = mail(nudge(follow_up()), Links("https://hello.school.example", KEYS), now=NOW)
    for name in ("李" * 30, "x" * 180, ""):
        content = written(words, sender=FROM, recipient=mailbox(address, name), message_id=ID, at=NOW)
        [one] = message_from_bytes(content, policy=default)["To"].addresses
        assert one.addr_spec == address
        assert shown(content) == (f"{name} <{address}>" if name else address)


def test_a_domain_in_any_script_becomes_a_labels() -> None:
    assert mailbox("ada@schüle.example").address == "ada@xn--schle-mva.example"
    assert mailbox("ada@faß.example").address == "ada@xn--fa-hia.example"  # IDNA 2008, not 2003
    assert mailbox("ada@intranet.test").address == "ada@intranet.test"
    assert mailbox('"ada lovelace"@school.example').address == '"ada lovelace"@school.example'


@pytest.mark.parametrize(
    "address",
    ["", "ada", "@school.example", "a" * 65 + "@school.example", "äda@school.example", "a@b@c", "a@b\r\nRCPT TO:<x@y>"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Unwritable):
        mailbox(address)


def test_mail_from_is_one_address() -> None:
    assert sender("hello@school.example").header().addr_spec == "hello@school.example"
    assert sender('"Hello, you" <hello@school.example>').name == "Hello, you"
    for wrong in ("", "Afterhello", "a@b.example, c@d.example"):
        with pytest.raises(Unwritable):
            sender(wrong)


def test_text_comes_first_and_both_parts_decode_to_what_was_written() -> None:
    words = mail(nudge(), Links("https://hello.school.example", KEYS), now=NOW)
    content = written(words, sender=FROM, recipient=mailbox("ada@school.example"), message_id=ID, at=NOW)
    parsed = message_from_bytes(content, policy=default)
    assert parsed.get_content_type() == "multipart/alternative"
    text, html = parsed.iter_parts()
    assert text.get_content_type() == "text/plain" and text.get_content().replace("\r\n", "\n") == words.text
    assert html.get_content_type() == "text/html" and html.get_content().split() == words.html.split()
    assert parsed.defects == [] and text.defects == []
