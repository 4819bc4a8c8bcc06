"""What must be tried (reliability: hostile input): each answered 4xx at once, nothing left but rejected submissions."""

import asyncio
import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.intake.serving import Intake, Sender, submission

Case = tuple[str, bytes, Mapping[str, str]]
SOON_SECONDS = 1.0
ANSWER_BYTES = 4096


def text(**given: Any) -> bytes:
    return json.dumps(submission(**given)).encode()


def owner(**given: Any) -> bytes:
    return text(owner={"email": "ada@school.example"} | given)


def contact(**given: Any) -> bytes:
    return text(contact={"name": "Erin"} | given)


def raw(field: str, value: str) -> bytes:
    """A submission in which one value is put in as it is, whatever JSON makes of it."""
    return text(notes="MARK").replace(b'"notes": "MARK"', f'"{field}": {value}'.encode("utf-8", "surrogatepass"))


DEEP = b'{"notes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

BODIES: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("blank", b"  \n"),
    ("an array", b"[]"),
    ("null", b"null"),
    ("text", b'"x"'),
    ("a number", b"7"),
    ("cut off", text()[:-9]),
    ("two documents", text() + text()),
    ("trailing comma", b'{"notes": "x",}'),
    ("single quotes", b"{'notes': 'x'}"),
    ("comment", b'{"notes": "x" /* y */}'),
    ("deep arrays", DEEP),
    ("deep objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    ("deep and never closed", b'{"a":' * 40_000),
    ("33 deep", b'{"notes": ' + b"[" * 33 + b"]" * 33 + b"}"),
    ("duplicate names", b'{"plan": "demo", "plan": "default"}'),
    ("duplicate names within", b'{"contact": {"name": "a", "n\\u0061me": "b"}}'),
    ("NaN", raw("notes", "NaN")),
    ("Infinity", raw("notes", "-Infinity")),
    ("1e999", raw("notes", "1e999")),
    ("a 5,000-digit number", raw("notes", "9" * 5000)),
    ("a large integer", raw("notes", str(2**64))),
    ("NUL, escaped", raw("notes", '"a\\u0000b"')),
    ("NUL, raw", text().replace(b"robotics", b"\0")),
    ("a control character, raw", text().replace(b"robotics", b"\x01")),
    ("half a surrogate pair", raw("notes", '"\\ud800"')),
    ("half a surrogate pair in a name", b'{"\\udfff": 1}'),
    ("half a surrogate pair, encoded", raw("notes", '"\ud800"')),
    ("invalid UTF-8", text().replace(b"robotics", b"\xff\xfe")),
    ("overlong UTF-8", text().replace(b"robotics", b"\xc0\xaf")),
    ("UTF-16", text().decode().encode("utf-16")),
    ("UTF-32", text().decode().encode("utf-32-le")),
    ("byte order mark", b"\xef\xbb\xbf" + text()),
    ("18,000 unknown fields", json.dumps({f"f{n}": n for n in range(18_000)}).encode()),
    ("prototype", text(__proto__={"admin": True})),
    ("id of one's own", text(id="00000000-0000-0000-0000-000000000000")),
    ("an operator", contact(email={"$ne": None})),
    ("a list for text", text(notes=["x"])),
    ("a number for text", text(notes=7)),
    ("a list for an object", text(owner=["ada@school.example"])),
    ("1 for true", contact(consent=1)),
    ("text for true", contact(consent="true")),
    ("a long name", contact(name="x" * 201)),
    ("a very long name", contact(name="x" * 250_000)),
    ("a name of blanks", contact(name=" \t ")),
    ("line break in a name", contact(name="Erin\r\nBcc: all@district.example")),
    ("line break in an event", text(event={"name": "x\nSubject: y"})),
    ("line separator in a name", contact(name="a\u2028b")),
    ("bidi override in a name", contact(name="Erin \u202egnp.exe")),
    ("bidi isolate in a name", contact(name="Erin \u2066x")),
    ("escape sequence in a name", contact(name="\x1b]0;x\x07Erin")),
    ("long notes", text(notes="x" * 4001)),
    ("long promise", text(promise="x" * 501)),
    ("21 topics", text(topics=["x"] * 21)),
    ("a long topic", text(topics=["x" * 61])),
    ("11 links", contact(links=["https://x.example"] * 11)),
    ("a long link", contact(links=["https://x.example/" + "x" * 2000])),
    ("javascript link", contact(links=["javascript:alert(1)"])),
    ("data document", text(document="data:text/html,<script>alert(1)</script>")),
    ("link with a password", text(document="https://bank.example@evil.example/")),
    ("link with a line break", text(document="https://x.example/\r\nSet-Cookie: a=b")),
    ("broken IPv6 link", text(document="http://[::1")),
    ("51 contacts", text(contact=None, contacts=[{"name": f"E{n}"} for n in range(51)])),
    ("10,000 contacts", json.dumps({"contacts": [{"name": f"E{n}"} for n in range(10_000)]}).encode()),
    ("no owner", text(owner={})),
    ("no contact", text(contact=None)),
    ("address with a name", owner(email="Ada <ada@school.example>")),
    ("two addresses", owner(email="a@b.example, c@d.example")),
    ("group address", owner(email="g: a@b.example;")),
    ("address with a comment", owner(email="ada(hi)@school.example")),
    ("quoted local part", owner(email='"ada lovelace"@school.example')),
    ("65-octet local part", owner(email="x" * 65 + "@school.example")),
    ("255-octet address", owner(email="a@" + ".".join(["b" * 62] * 4) + ".example")),
    ("address literal", owner(email="ada@[192.0.2.1]")),
    ("homograph", owner(email="ada@sсhool.example")),
    ("header in an address", owner(email="ada@school.example\nBcc: x@y.example")),
    ("encoded word for an address", owner(email="=?utf-8?q?ada=40school.example?=")),
    ("letters outside ASCII before the @", owner(email="ädä@school.example")),
    ("national number", owner(phone="508-555-0123")),
    ("number with extension", owner(phone="+15085550123;ext=1")),
    ("short code", owner(phone="+1911")),
    ("number that is SQL", owner(phone="+1508'; DROP TABLE people; --")),
    ("unknown zone", owner(time_zone="Mars/Olympus_Mons")),
    ("POSIX zone", owner(time_zone="FOO12BAR")),
    ("zone that is a folder", owner(time_zone="America")),
    ("zone that is a path", owner(time_zone="../../etc/passwd")),
    ("long zone", owner(time_zone="x" * 5000)),
    ("channel not served", owner(channel="sms")),
    ("unknown channel", owner(channel="fax")),
    ("nights of 25 hours", owner(quiet_from="25:00")),
    ("a limit of a million", owner(daily_limit=1_000_000)),
    ("year 0", text(met_at="0000-01-01T00:00:00Z")),
    ("year 1", text(met_at="0001-01-01T00:00:00+14:00")),
    ("year 9999", text(met_at="9999-12-31T23:59:59-12:00")),
    ("year 10000", text(met_at="10000-01-01T00:00:00Z")),
    ("leap second", text(met_at="2026-06-30T23:59:60Z")),
    ("24:00", text(met_at="2026-10-21T24:00:00Z")),
    ("epoch seconds", text(met_at=1795446000)),
    ("epoch seconds as text", text(met_at="1795446000")),
    ("offset of 23:59", text(met_at="2026-10-21T14:10:00+23:59")),
    ("the day after tomorrow", text(met_at=(datetime.now(UTC) + timedelta(days=2)).isoformat())),
    ("eleven years ago", text(met_at=(datetime.now(UTC) - timedelta(days=4018)).isoformat())),
    ("a goal in year 9999", text(goal_at="9999-12-31T23:59:59-14:00")),
    ("plan that is a path", text(plan="../../etc/passwd")),
    ("plan that is a template", text(plan="{{7*7}}")),
    ("unknown kind", text(event={"kind": "<script>alert(1)</script>"})),
    ("markup as the name of a field", json.dumps({"<script>alert(1)</script>": 1}).encode()),
]

HEADERS: list[Case] = [
    ("no type", text(), {"Content-Type": ""}),
    ("text", text(), {"Content-Type": "text/plain"}),
    ("form", text(), {"Content-Type": "application/x-www-form-urlencoded"}),
    ("multipart without boundary", text(), {"Content-Type": "multipart/form-data"}),
    ("unknown charset", text(), {"Content-Type": "application/json; charset=utf-7"}),
    ("gzip garbage", b"\x1f\x8bgarbage", {"Content-Encoding": "gzip"}),
    ("not gzip", text(), {"Content-Encoding": "gzip"}),
    ("truncated gzip", gzip.compress(text())[:-9], {"Content-Encoding": "gzip"}),
    ("gzip bomb", gzip.compress(b"0" * 100_000_000), {"Content-Encoding": "gzip"}),
    ("unknown encoding", text(), {"Content-Encoding": "br"}),
    ("encoded twice", text(), {"Content-Encoding": "gzip, gzip"}),
    ("too large", text(notes="x" * 300_000), {}),
]


@dataclass(frozen=True, slots=True)
class Tried:
    name: str
    status: int
    seconds: float
    body: bytes

    @property
    def is_right(self) -> bool:
        is_inert = b"<" not in self.body and len(self.body) <= ANSWER_BYTES
        return 400 <= self.status < 500 and self.seconds < SOON_SECONDS and is_inert


async def attempt(intake: Intake, path: str, case: Case, headers: Mapping[str, str]) -> Tried:
    name, body, changed = case
    began = time.monotonic()
    async with intake.client.post(path, data=body, headers={**headers, **changed}) as answer:
        content = await answer.read()
    return Tried(name, answer.status, time.monotonic() - began, content)


async def stores_nothing_but_rejections(intake: Intake) -> bool:
    stored = await intake.stored()
    return stored.keys() <= {"submissions"} and await intake.count("submissions", "state <> 'rejected'") == 0


async def test_hostile_bodies_of_a_known_sender_are_refused_and_kept(intake: Intake) -> None:
    sender = await intake.source()
    cases: list[Case] = [*((name, body, {}) for name, body in BODIES), *HEADERS]

    tried = [
        await attempt(intake, sender.path, (name, body, changed), sender.signed(body, id=f"msg_{n}"))
        for n, (name, body, changed) in enumerate(cases)
    ]

    assert [one for one in tried if not one.is_right or one.status in {401, 404, 429}] == []
    assert await stores_nothing_but_rejections(intake)
    assert await intake.count("submissions") > 90
    await is_well(sender)


async def test_hostile_bodies_to_the_api_are_refused(intake: Intake) -> None:
    headers = await intake.token() | {"Content-Type": "application/json"}
    cases: list[Case] = [*((name, body, {}) for name, body in BODIES), *HEADERS]

    tried = [await attempt(intake, "/api/v1/meetings", case, headers) for case in cases]

    assert [one for one in tried if not one.is_right or one.status in {401, 404, 429}] == []
    assert await stores_nothing_but_rejections(intake)


async def test_hostile_bodies_of_a_form_are_refused(intake: Intake) -> None:
    """Typeform's body is JSON too: what breaks JSON breaks it, and our own words are not its words."""
    sender = await intake.source("typeform")

    tried = [await attempt(intake, sender.path, (name, body, {}), sender.signed(body)) for name, body in BODIES]

    assert [one for one in tried if not one.is_right or one.status in {401, 404, 429}] == []
    assert await stores_nothing_but_rejections(intake)


async def test_hostile_answers_of_a_form_are_refused_or_inert(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping={"contact.name": "q1", "owner.email": "q2"})
    for n, (_, body) in enumerate(BODIES):
        value = body.decode("utf-8", "replace").replace("\0", "")[:30_000]
        answers = [
            {"type": "text", "text": value, "field": {"id": "q1"}},
            {"type": "email", "email": "ada@school.example", "field": {"id": "q2"}},
            {"type": value[:99], value[:99]: value, "field": {"id": value[:99], "ref": value, "type": value}},
        ]
        form = {"token": f"t{n}", "answers": answers, "hidden": {value[:99]: value}, "definition": {"title": value}}
        response = {"event_id": "e", "event_type": "form_response", "form_response": form}
        answer = await sender.send(response)
        assert answer.status in {202, 422}, (n, await answer.text())


async def test_hostile_signatures_are_refused_and_nothing_is_kept(intake: Intake) -> None:
    sender = await intake.source()
    body = text()
    right = sender.signed(body)
    signature = right["webhook-signature"]
    now = datetime.now(UTC)
    wrong: list[tuple[str, Mapping[str, str]]] = [
        ("of another secret", (await intake.source()).signed(body)),
        ("of another body", sender.signed(body + b" ")),
        ("stale", sender.signed(body, at=now - timedelta(minutes=6))),
        ("of the future", sender.signed(body, at=now + timedelta(minutes=6))),
        ("of year 1", {**right, "webhook-timestamp": "-62135596800"}),
        ("of year 30000", {**right, "webhook-timestamp": "884541351600"}),
        ("time with a fraction", {**right, "webhook-timestamp": right["webhook-timestamp"] + ".5"}),
        ("time in other digits", {**right, "webhook-timestamp": "١٧٩٥٤٤٦٠٠٠"}),
        ("time in exponents", {**right, "webhook-timestamp": "1e9"}),
        ("time missing", {**right, "webhook-timestamp": ""}),
        ("id with a dot", sender.signed(body, id="msg.1")),
        ("id with a blank", sender.signed(body, id="msg 1")),
        ("long id", sender.signed(body, id="x" * 5000)),
        ("another id", {**right, "webhook-id": "msg_2"}),
        ("empty", {**right, "webhook-signature": ""}),
        ("no version", {**right, "webhook-signature": signature.removeprefix("v1,")}),
        ("another version", {**right, "webhook-signature": signature.replace("v1,", "v1a,")}),
        ("cut short", {**right, "webhook-signature": signature[:-4]}),
        ("a thousand wrong ones", {**right, "webhook-signature": " ".join(["v1," + "A" * 43 + "="] * 150)}),
        ("in a list with commas", {**right, "webhook-signature": signature + "," + signature}),
        ("not ASCII", {**right, "webhook-signature": "v1,ÀÀÀ"}),
        ("none", {"Content-Type": "application/json"}),
        ("of another provider", {"Content-Type": "application/json", "Typeform-Signature": "sha256=" + "A" * 43 + "="}),
    ]

    tried = [await attempt(intake, sender.path, (name, body, {}), headers) for name, headers in wrong]

    assert [one for one in tried if not one.is_right or one.status != 401] == []
    assert await intake.stored() == {}
    await is_well(sender)


async def test_hostile_requests_are_answered_and_never_with_a_fault_of_ours(intake: Intake) -> None:
    sender = await intake.source()
    start = f"POST {sender.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    requests = [
        start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
        start + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Content-Length: -1\r\n\r\n{}",
        start + "Content-Length: ٣\r\n\r\n{}",
        start + "Content-Length: 99999999999999999999999\r\n\r\n{}",
        start + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        start + "X: " + "y" * 20_000 + "\r\n\r\n",
        start + "X: a\r\n b\r\n\r\n",
        start + "X: a\0b\r\n\r\n",
        start + "".join(f"X{n}: y\r\n" for n in range(500)) + "\r\n",
        f"POST {sender.path}\r\n\r\n",
        f"POST {sender.path} HTTP/9.9\r\nHost: x\r\n\r\n",
        "POST /hooks/" + "x" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /hooks/%00%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /hooks/../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /hooks/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /hooks/%ff%fe%c0%af HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /hooks/'%20OR%201=1%20-- HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "GET /api/v1/meetings/%ff' HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n",
        "GET /api/v1/meetings/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + "x" * 5000 + "\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "{}\r\n\r\n",
    ]

    statuses = [await exchange(intake.port, request.encode("latin-1", "replace")) for request in requests]

    assert [pair for pair in zip(requests, statuses, strict=True) if not 400 <= pair[1] < 500] == []
    assert await intake.stored() == {}
    await is_well(sender)


async def exchange(port: int, request: bytes) -> int:
    """Send these bytes and return the answer's status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_what_is_accepted_is_stored_as_it_is_and_does_nothing(intake: Intake) -> None:
    sender = await intake.source()
    nasty = {
        "name": "Robert'); DROP TABLE people;-- <img src=x onerror=alert(1)> {{7*7}} ${7*7} =1+1 %s {0}",
        "email": "{{7*7}}@district.example",
        "links": ["https://x.example/'\"><script>alert(1)</script>"],
        "consent": False,
    }
    notes = '=HYPERLINK("http://evil.example")\r\n.\r\nQUIT\n\x1b[2J <!--#exec cmd="ls"--> 👩‍🏫 \u202eevil'

    answer = await sender.send(submission(contact=nasty, notes=notes, topics=["<b>", "{% x %}"], promise="'; --"))

    assert answer.status == 202
    sent = await intake.pool.fetchval("SELECT sent FROM meetings")
    assert sent["contact"] == nasty | {"phone": None}
    assert sent["notes"] == '=HYPERLINK("http://evil.example")\n.\nQUIT\n[2J <!--#exec cmd="ls"--> 👩‍🏫 evil'
    assert await intake.count("people") == 1


async def is_well(sender: Sender) -> None:
    """Fail unless a right submission is still taken."""
    assert (await sender.send(submission(), id="right")).status == 202
