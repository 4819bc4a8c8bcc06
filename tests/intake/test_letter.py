"""Letters: what headers and pages say, whoever wrote them, and what stands within a thread."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.intake import letter, thread
from services.intake.answers import Ignored, Submission, Unreadable
from services.intake.inbound import VENDORS
from services.intake.letter import Mailbox
from services.intake.providers import mail
from services.intake.thread import Forwarded

ERIN = Mailbox("Erin Gardner", "erin@district.example")
ADA = Mailbox("Ada", "ada@school.example")


@pytest.mark.parametrize(
    ("header", "people"),
    [
        ("", ()),
        ("Erin Gardner <erin@district.example>", (ERIN,)),
        ('"Gardner, Erin" <erin@district.example>', (Mailbox("Gardner, Erin", ERIN.address),)),
        ("=?utf-8?q?Jos=C3=A9?= <j@x.example>", (Mailbox("José", "j@x.example"),)),
        ("=?klingon?q?Jos=E9?= <j@x.example>", (Mailbox("=?klingon?q?Jos=E9?=", "j@x.example"),)),
        ("erin@district.example, ERIN@district.example", (Mailbox("", ERIN.address),)),
        ("undisclosed-recipients:;", ()),
        ("Erin", ()),
        ("<<>>,,;;@", ()),
    ],
)
def test_whom_a_header_names(header: str, people: tuple[Mailbox, ...]) -> None:
    found = letter.mailboxes(letter.decoded(header))
    assert tuple(one for one in found if one.address != "@") == people


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("Hello<br>Erin", "Hello\nErin"),
        ("<html><head><title>x</title><style>p { a < b }</style></head><p>Hi &amp; bye</p><p>Ada</p>", "Hi & bye\nAda"),
        ("<script>if (1 < 2) { x }</script>Hi", "Hi"),
        ("a <!-- <p>b</p> --> c", "a c"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("<b>Hi</b>&nbsp;there\n you", "Hi there you"),
        ("<", "<"),
    ],
)
def test_the_words_of_a_page(page: str, words: str) -> None:
    assert letter.plain(page) == words


def test_no_page_keeps_us_busy() -> None:
    before = datetime.now(UTC)
    for part in ("<!--", "<![", "<script>", "<a ", "<", "&#", "<p>\n", " \n"):
        letter.plain(part * 400_000)
    assert (datetime.now(UTC) - before).total_seconds() < 20


FORWARDS = {
    "gmail": (
        "---------- Forwarded message ---------\nFrom: Erin Gardner <erin@district.example>\n"
        "Date: Wed, Oct 21, 2026 at 2:10\u202fPM\nSubject: Hi\nTo: Ada <ada@school.example>\n\nHello",
        "2026-10-21T14:10:00",
    ),
    "gmail in Spanish": (
        "---------- Forwarded message ---------\nDe: Erin Gardner <erin@district.example>\n"
        "Date: mié, 21 oct 2026 a las 14:10\nSubject: Hola\nTo: Ada <ada@school.example>\n",
        None,
    ),
    "outlook": (
        "________________________________\nFrom: Erin Gardner <erin@district.example>\n"
        "Sent: Wednesday, October 21, 2026 12:10 AM\nTo: Ada <ada@school.example>\nSubject: Hi\n\nHello",
        "2026-10-21T00:10:00",
    ),
    "outlook of old": (
        "-----Original Message-----\nFrom: Erin Gardner [mailto:erin@district.example]\n"
        "Sent: Wednesday, October 21, 2026 2:10 PM\nTo: Ada [mailto:ada@school.example]\nSubject: Hi\n",
        "2026-10-21T14:10:00",
    ),
    "apple": (
        "Begin forwarded message:\n\n> From: Erin Gardner <erin@district.example>\n> Subject: Hi\n"
        "> Date: 21 October 2026 at 14:10:00 BST\n> To: Ada <ada@school.example>\n> \n> Hello",
        "2026-10-21T14:10:00",
    ),
    "thunderbird": (
        "-------- Forwarded Message --------\nSubject: Hi\nDate: Wed, 21 Oct 2026 14:10:00 -0400\n"
        "From: Erin Gardner <erin@district.example>\nTo: Ada <ada@school.example>\n",
        "2026-10-21T14:10:00-04:00",
    ),
    "in bold": (
        "*From:* Erin Gardner <erin@district.example>\n*Sent:* Wednesday, 21 October 2026 14:10\n"
        "*To:* Ada <ada@school.example>\n*Subject:* Hi\n",
        "2026-10-21T14:10:00",
    ),
    "german": (
        "Von: Erin Gardner <erin@district.example>\nGesendet: Mittwoch, 21. Oktober 2026 14:10\n"
        "An: Ada <ada@school.example>\nBetreff: Hallo\n",
        None,
    ),
}


@pytest.mark.parametrize("program", FORWARDS)
def test_the_head_of_a_forwarded_letter_is_found_however_it_is_written(program: str) -> None:
    text, sent_at = FORWARDS[program]
    assert thread.forwarded(f"Look!\n\n{text}") == (Forwarded(sender=(ERIN,), to=(ADA,), sent_at=sent_at),)


def test_a_line_that_only_begins_like_a_header_is_none() -> None:
    assert thread.forwarded("From: what I heard, Erin <erin@district.example> is right\nTo: be continued") == ()


def test_what_is_quoted_is_cut_short_and_a_signature_left_out() -> None:
    quoted = "\n".join(f"> line {number}" for number in range(50))
    text = f"Dear Erin,\n\n\n\nyes!\n\nOn Wed Erin wrote:\n{quoted}\n\nand no.\n-- \nAda Lovelace\nRoom 12"
    assert thread.notes("Re: AW: Fwd: Robots", text).splitlines() == [
        "Robots", "", "Dear Erin,", "", "yes!", "", "On Wed Erin wrote:",
        *(f"> line {number}" for number in range(6)), "> …", "", "and no.",
    ]  # fmt: skip


def test_notes_are_as_long_as_notes_may_be() -> None:
    assert len(thread.notes("Robots", "x" * 5000)) == 4000
    assert thread.notes("", "") == ""


def saved(*headers: str, text: str = "Hello") -> bytes:
    return "\r\n".join((*headers, "", text)).encode()


def logged(body: bytes) -> dict[str, object]:
    read = mail.read({"owner": "ada@school.example"}, body)
    assert isinstance(read, Submission)
    assert read.document is not None
    return dict(read.document)


@pytest.mark.parametrize(
    ("to", "contact"),
    [
        ("Erin Gardner <erin@district.example>", {"name": "Erin Gardner", "email": "erin@district.example"}),
        ("erin.gardner@district.example", {"name": "Erin Gardner", "email": "erin.gardner@district.example"}),
        ("erin7@district.example", {"name": "erin7@district.example", "email": "erin7@district.example"}),
        ("\u202eErin\x07 <erin@district.example>", {"name": "Erin", "email": "erin@district.example"}),
        ("Erin <er in@dis_trict>", {"name": "Erin"}),
    ],
)
def test_a_contact_is_called_as_the_letter_calls_them(to: str, contact: dict[str, str]) -> None:
    one = letter.of_headers([("From", "ada@school.example"), ("To", to)], text="Hi")
    assert logged(letter.as_json(one))["contact"] == contact


def test_cc_counts_when_the_letter_was_to_us_alone() -> None:
    to = f"To: log+{letter.new_token()}@in.school.example"
    document = logged(saved("From: Ada@school.example", to, "Cc: Erin <erin@district.example>"))
    assert document["contact"] == {"name": "Erin", "email": "erin@district.example"}


def test_a_letter_of_ones_own_that_is_forwarded_logs_whom_it_was_written_to() -> None:
    text = "From: Ada <ada@school.example>\nSubject: Hi\nDate: x\nTo: Erin Gardner <erin@district.example>\n"
    to = f"To: log+{letter.new_token()}@in.school.example"
    assert logged(saved("From: ada@school.example", to, text=text))["contact"] == {
        "name": "Erin Gardner", "email": "erin@district.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (("To: erin@district.example",), "is not from the owner, ada@school.example"),
        (("From: eve@x.example", "To: erin@district.example"), "is not from the owner"),
        (("From: ada@school.example",), "names nobody whom the owner met"),
        (("From: ada@school.example", "To: Ada@school.example"), "names nobody whom the owner met"),
    ],
)
def test_a_letter_that_logs_nobody_says_why(headers: tuple[str, ...], says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        mail.read({"owner": "ada@school.example"}, saved(*headers))


def test_a_source_without_an_owner_takes_no_letter() -> None:
    with pytest.raises(Unreadable, match="whom this source does not have"):
        mail.read({}, saved("From: <>", "To: erin@district.example"))


def test_without_an_id_of_its_own_a_letter_is_known_by_all_it_says() -> None:
    one, other = (letter.of_mime(saved("From: ada@school.example", text=text)) for text in ("a", "b"))
    assert one.id.startswith("letter:")
    assert one.id == letter.of_mime(saved("From: ada@school.example", text="a")).id
    assert one.id != other.id


def test_a_kept_letter_is_the_same_but_for_where_it_was_sent() -> None:
    token = letter.new_token()
    raw = saved(
        "From: Ada <ada@school.example>", f"To: Erin <e@x.example>, log+{token}@in.x.example", "Message-ID: <1>"
    )
    one = letter.of_mime(raw, recipients=["other@x.example"])
    kept = letter.as_json(one)
    assert one.tokens() == (token,)
    assert token.encode() not in kept
    assert letter.of_json(kept).to == (Mailbox("Erin", "e@x.example"),)
    assert letter.of_json(kept).id == one.id


HEADER = st.text(alphabet=st.characters(codec="utf-8"), max_size=80) | st.text(
    alphabet='<>@,;:"()[]\\=?\r\n ab.é', max_size=40
)


@given(HEADER, HEADER, HEADER, st.text(max_size=200))
@example("=?utf-8?b?////?= <a@b>", '"', "Thu, 99 Foo 99999 99:99:99 +9999", "From: \nTo:\nDate: Oct 99, 2026 99:99")
@example("a@b" + "(" * 500, "[" * 500, "\ud800", "\0")
def test_whatever_a_stranger_writes_is_read(sender: str, to: str, date: str, text: str) -> None:
    headers = [("From", sender), ("To", to), ("Cc", date), ("Subject", sender), ("Date", date), ("Message-ID", to)]
    for one in (
        letter.of_headers(headers, text=text, page=text),
        letter.of_mime("\n".join(f"{n}: {v}" for n, v in headers).encode("utf-8", "replace") + b"\n\n" + text.encode()),
    ):
        kept = letter.as_json(one)
        if "\\u0000" not in kept.decode():
            assert letter.of_json(kept).id == one.id
        owner = one.sender.address if one.sender else ""
        try:
            read = mail.read({"owner": owner}, kept)
        except (Unreadable, ValueError):
            continue
        assert isinstance(read, Ignored | Submission)


@given(st.binary(max_size=300), st.sampled_from(sorted(VENDORS)))
@example(b"--x\r\nContent-Disposition: form-data; name=from\r\n\r\n\xff\r\n--x--", "sendgrid")
@example(b"from=%ff%00&recipient=%ff&message-headers=[[1,2],[]]", "mailgun")
@example(b'{"From": "x", "FromFull": {"Name": 1}, "ToFull": [1], "Headers": [{}, 1], "Date": 3}', "postmark")
def test_whatever_is_sent_in_a_vendors_name_is_read_or_refused(body: bytes, vendor: str) -> None:
    for content_type in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        try:
            delivered = VENDORS[vendor].read(content_type, body)
        except ValueError:
            continue
        if delivered.letter:
            letter.as_json(delivered.letter)
