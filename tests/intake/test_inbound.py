"""Letters that people send to the address of a source, from the vendor's request to the meeting."""

import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from pydantic import SecretStr

from services.intake import letter, proofs, sources
from shared.db import Pool
from tests.intake import postmen
from tests.intake.command_line import Run, in_thread
from tests.intake.postmen import INBOUND_KEY, SIGNING_KEY, VENDORS, WRITTEN_AT, Mail, Request, mailgun, mailgun_proof
from tests.intake.serving import Intake, serving

LETTERS = Path(__file__).parent / "letters"
GIVEN: dict[str, Any] = {"inbound_key": SecretStr(INBOUND_KEY), "mailgun_signing_key": SecretStr(SIGNING_KEY)}
vendors = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys, **GIVEN) as served:
        yield served


async def address(intake: Intake, name: str = "Letters", **given: Any) -> str:
    """The address of a new source of Ada's."""
    token = letter.new_token()
    fields: dict[str, Any] = {"mapping": {}, "fixed": {}, "owner": "ada@school.example"} | given
    async with intake.pool.acquire() as conn:
        await sources.add_source(conn, intake.box, provider="mail", name=name, path=token, secret="", **fields)
    return f"log+{token}@in.school.example"


async def send(intake: Intake, vendor: str, mail: Mail) -> dict[str, Any]:
    answer = await postmen.post(intake, vendor, VENDORS[vendor](mail))
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def sent(intake: Intake) -> list[dict[str, Any]]:
    """The meetings in the API's words, oldest first."""
    return [row["sent"] for row in await intake.pool.fetch("SELECT sent FROM meetings ORDER BY submission, ordinal")]


@vendors
async def test_whoever_was_written_to_becomes_the_contact_and_the_letter_the_notes(intake: Intake, vendor: str) -> None:
    to = await address(intake, fixed={"event.name": "MassCUE 2026"}, plan="conference", zone="America/New_York")

    answer = await send(intake, vendor, Mail(recipient=to, subject="Café, robots", text="Good to meet you, Erin ✓"))

    assert len(answer["meetings"]) == 1
    [meeting] = await sent(intake)
    assert (meeting["owner"]["email"], meeting["owner"]["name"]) == ("ada@school.example", "Ada Lovelace")
    assert (meeting["contact"]["name"], meeting["contact"]["email"]) == ("Erin Gardner", "erin@district.example")
    assert meeting["notes"] == "Café, robots\n\nGood to meet you, Erin ✓"
    assert (meeting["event"]["name"], meeting["plan"]) == ("MassCUE 2026", "conference")
    assert meeting["met_at"] == WRITTEN_AT.isoformat()
    assert [one["type"] for one in await intake.events()] == ["afterhello.meeting.logged.v1"]


@vendors
async def test_a_letter_that_comes_three_times_is_logged_once(intake: Intake, vendor: str) -> None:
    to = await address(intake)

    answers = [await send(intake, vendor, Mail(recipient=to)) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert await intake.stored() == {"submissions": 1, "people": 1, "connections": 1, "meetings": 1, "outbox": 1}


@vendors
async def test_without_the_right_proof_it_is_refused_and_nothing_is_stored(intake: Intake, vendor: str) -> None:
    to = await address(intake)
    right = VENDORS[vendor](Mail(recipient=to))
    forged: list[tuple[Request, str | None]] = [
        (right._replace(headers={"Content-Type": right.headers["Content-Type"]}), None),
        (right._replace(headers={"Content-Type": right.headers["Content-Type"]}), INBOUND_KEY[:-1]),
        (right._replace(headers=right.headers | {"Authorization": "Basic !"}), ""),
        (right._replace(headers=right.headers | {"Authorization": "Basic OnRlc3Q="}), "x"),
    ]
    if vendor == "mailgun":
        proof = mailgun_proof()
        forged = [
            (mailgun(Mail(recipient=to), **mailgun_proof(key="another")), None),
            (mailgun(Mail(recipient=to), **proof | {"token": "0" + proof["token"][1:]}), None),
            (mailgun(Mail(recipient=to), **proof | {"timestamp": "1461261330"}), None),
            (mailgun(Mail(recipient=to), **proof | {"signature": ""}), None),
            (mailgun(Mail(recipient=to), **proof | {"signature": "é"}), None),
            (Request(b"", right.headers), None),
            (Request(b"\xff\xfe&&=%zz", right.headers), None),
            (Request(b"--x", {"Content-Type": "multipart/form-data; boundary=x"}), None),
        ]
    for request, key in forged:
        assert (await postmen.post(intake, vendor, request, key=key)).status == 401
    assert await intake.stored() == {}
    assert await intake.count("proofs") == 0
    assert (await postmen.post(intake, vendor, right)).status == 200


@vendors
async def test_without_a_key_in_the_settings_nobody_is_believed(
    intake_pool: Pool, keys: tuple[SecretStr, ...], vendor: str
) -> None:
    async with serving(intake_pool, keys) as intake:
        request = VENDORS[vendor](Mail(recipient="log+x@in.school.example"))
        for key in (INBOUND_KEY, "", None):
            assert (await postmen.post(intake, vendor, request, key=key)).status == 401
        if vendor == "mailgun":
            request = mailgun(Mail(recipient="log+x@in.school.example"), **mailgun_proof(key=""))
            assert (await postmen.post(intake, vendor, request)).status == 401


@pytest.mark.parametrize(
    ("file", "content_type"),
    [
        ("postmark.json", "application/json"),
        ("mailgun.form", "application/x-www-form-urlencoded"),
        ("sendgrid.multipart", "multipart/form-data; boundary=xYzZY"),
    ],
)
async def test_a_recorded_letter_is_proven_and_being_to_nobody_here_it_is_passed_over(
    intake: Intake, file: str, content_type: str
) -> None:
    """Mailgun's is a known answer: its signature was made with the key that is set here."""
    answer = await intake.client.post(
        f"/inbound/{file.partition('.')[0]}",
        params={"key": INBOUND_KEY},
        data=(LETTERS / file).read_bytes(),
        headers={"Content-Type": content_type},
    )
    assert answer.status == 200, await answer.text()
    assert await answer.json() == {"meetings": [], "why": "a letter to none of our addresses"}
    assert await intake.stored() == {}


async def test_a_token_of_mailgun_counts_once_whatever_comes_with_it(intake: Intake) -> None:
    to, proof = await address(intake), mailgun_proof()
    first = await postmen.post(intake, "mailgun", mailgun(Mail(recipient=to), **proof))
    other = mailgun(Mail(recipient=to, id="<other@x>", to="Eve <eve@x.example>"), **proof)

    again = await postmen.post(intake, "mailgun", other)

    assert (first.status, again.status) == (200, 200)
    assert await again.json() == {"meetings": []}
    assert await intake.count("meetings") == 1
    assert proof["token"] not in str(await intake.pool.fetch("SELECT p::text FROM proofs p"))


async def test_a_token_in_other_hands_is_asked_for_again_and_taken_up_when_they_died(intake: Intake) -> None:
    to, proof = await address(intake), mailgun_proof()
    request = mailgun(Mail(recipient=to), **proof)
    async with intake.pool.acquire() as conn:
        assert await proofs.hold(conn, "mailgun", proof["token"]) == "held"

    busy = await postmen.post(intake, "mailgun", request)
    await intake.pool.execute("UPDATE proofs SET held_until = now() - interval '1 second'")
    taken = await postmen.post(intake, "mailgun", request)

    assert (busy.status, busy.headers["Retry-After"], taken.status) == (503, "30", 200)
    assert await intake.count("meetings") == 1


async def test_a_token_whose_letter_could_not_be_stored_counts_again(intake: Intake) -> None:
    to, proof = await address(intake), mailgun_proof()
    request = mailgun(Mail(recipient=to), **proof)
    await intake.pool.execute("ALTER TABLE meetings RENAME TO gone")
    failed = await postmen.post(intake, "mailgun", request)
    await intake.pool.execute("ALTER TABLE gone RENAME TO meetings")

    assert failed.status >= 500
    assert (await postmen.post(intake, "mailgun", request)).status == 200
    assert await intake.count("meetings") == 1


@vendors
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"headers": {"Auto-Submitted": "auto-replied"}}, "Auto-Submitted"),
        ({"headers": {"Auto-Submitted": "auto-generated; x=y"}}, "Auto-Submitted"),
        ({"headers": {"Precedence": "auto_reply"}}, "Precedence"),
        ({"headers": {"Precedence": "list"}}, "Precedence"),
        ({"headers": {"X-Autoreply": "yes"}}, "X-Autoreply"),
        ({"headers": {"X-Autoreply-From": "ada@school.example"}}, "X-Autoreply-From"),
        ({"headers": {"X-FC-MachineGenerated": "true"}}, "X-Fc-Machinegenerated"),
        ({"subject": "AUTO: Ada is out of the office (returning 12/01)"}, "by its subject"),
        ({"subject": "OOO Re: Erin"}, "by its subject"),
        ({"sender": "Mail Delivery <MAILER-DAEMON@school.example>"}, "machine"),
    ],
)
async def test_what_nobody_wrote_is_passed_over(intake: Intake, vendor: str, given: dict[str, Any], why: str) -> None:
    answer = await send(intake, vendor, Mail(recipient=await address(intake), **given))

    assert answer["meetings"] == []
    assert why in answer["why"]
    assert await intake.stored() == {}


@pytest.mark.parametrize("vendor", ["mailgun", "sendgrid"])
async def test_a_bounce_has_no_return_path(intake: Intake, vendor: str) -> None:
    answer = await send(intake, vendor, Mail(recipient=await address(intake), return_path=""))
    assert (answer["meetings"], "return path" in answer["why"]) == ([], True)


@vendors
async def test_a_letter_of_somebody_else_is_refused_in_words_and_not_asked_for_again(
    intake: Intake, vendor: str, run: Run
) -> None:
    """An answer to all, when Ada put the address into To or Cc; or somebody who guesses."""
    to = await address(intake)

    text = f"> Ada wrote to {to} and me"
    mail = Mail(recipient=to, sender="Erin <erin@district.example>", to=f"Ada <{to}>", cc=to, subject=to, text=text)
    answer = await send(intake, vendor, mail)

    assert answer == {"meetings": [], "why": "is not from the owner, ada@school.example"}
    [listed] = (await in_thread(run, "source", "list", "--json")).json
    assert (listed["accepted"], listed["rejected"]) == (0, 1)
    assert "is not from the owner" in listed["last_reason"]
    token = to.partition("+")[2].partition("@")[0]
    assert token not in str(await intake.pool.fetch("SELECT s::text, encode(s.body, 'escape') FROM submissions s"))


@vendors
async def test_a_letter_to_several_people_logs_each_and_neither_us_nor_the_owner(intake: Intake, vendor: str) -> None:
    to = await address(intake)
    people = f"bob.of-boston@x.example, {to}, ADA@school.example, Erin <erin@district.example>, erin@DISTRICT.example"

    await send(intake, vendor, Mail(recipient=to, to=people, cc="carol@x.example"))

    found = {meeting["contact"]["email"]: meeting["contact"]["name"] for meeting in await sent(intake)}
    assert found == {"bob.of-boston@x.example": "bob.of-boston@x.example", "erin@district.example": "Erin"}


async def test_a_letter_goes_to_the_source_whose_address_it_was_sent_to(intake: Intake) -> None:
    to = await address(intake)
    unknown = f"log+{letter.new_token()}@in.school.example"
    hook = letter.new_token()
    async with intake.pool.acquire() as conn:
        code: dict[str, Any] = {"name": "Code", "secret": "", "mapping": {}, "fixed": {}, "owner": "ada@school.example"}
        await sources.add_source(conn, intake.box, provider="standard", path=hook, **code)

    for recipient in (unknown, f"log+{hook}@in.school.example", "log+@x", "ada@school.example"):
        assert (await send(intake, "postmark", Mail(recipient=recipient)))["meetings"] == []
    assert await intake.stored() == {}
    # Mail programs do as they like with capital letters.
    assert len((await send(intake, "postmark", Mail(recipient=to.upper())))["meetings"]) == 1
    await intake.pool.execute("UPDATE sources SET disabled_at = now()")
    assert (await send(intake, "postmark", Mail(recipient=to, id="<2@x>")))["meetings"] == []


@vendors
async def test_a_forwarded_letter_logs_who_wrote_it(intake: Intake, vendor: str) -> None:
    to = await address(intake, zone="America/New_York")
    day = (WRITTEN_AT - timedelta(days=3)).strftime("%a, %b %d, %Y")
    text = (
        "FYI\n\n---------- Forwarded message ---------\nFrom: Erin Gardner <erin@district.example>\n"
        f"Date: {day} at 2:10\u202fPM\nSubject: Re: robots\nTo: Ada <ada@school.example>\n\nSee you in spring!\n"
    )

    await send(intake, vendor, Mail(recipient=to, to=to, subject="Fwd: robots", text=text))

    [meeting] = await sent(intake)
    assert (meeting["contact"]["name"], meeting["contact"]["email"]) == ("Erin Gardner", "erin@district.example")
    assert meeting["met_at"].startswith(f"{(WRITTEN_AT - timedelta(days=3)).date()}T14:10:00-0")
    assert meeting["notes"].startswith("robots\n\nFYI")


@pytest.mark.parametrize("vendor", ["postmark", "sendgrid"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"From": 1}', b"\xff\xfe", b"--xY\r\n\r\nx", b"--xY--"])
async def test_garbage_is_answered_with_what_is_wrong(intake: Intake, vendor: str, body: bytes) -> None:
    request = VENDORS[vendor](Mail(recipient="x@y.example"))
    answer = await postmen.post(intake, vendor, request._replace(body=body))
    assert answer.status == 400, await answer.text()
    assert await intake.stored() == {}


async def test_no_answer_makes_a_vendor_give_up(intake: Intake) -> None:
    async def answers() -> AsyncIterator[ClientResponse]:
        for vendor in (*VENDORS, "twilight"):
            for key in (None, INBOUND_KEY):
                params = {"key": key} if key else {}
                yield await intake.client.post(f"/inbound/{vendor}", params=params)
                yield await intake.client.post(f"/inbound/{vendor}", params=params, json={"RecordType": "Bounce"})

    statuses = {answer.status async for answer in answers()}
    assert not statuses & {403, 404, 406, 410}
    assert max(statuses) < 500


async def test_a_report_that_says_nothing_is_no_letter(intake: Intake) -> None:
    body = json.dumps({"RecordType": "Open", "Recipient": "a@b.example"}).encode()
    request = VENDORS["postmark"](Mail(recipient="x"))._replace(body=body)
    answer = await postmen.post(intake, "postmark", request)
    assert (answer.status, await answer.json()) == (200, {"meetings": []})


async def test_a_letter_as_it_was_written_is_read_too(intake: Intake) -> None:
    to = await address(intake)
    mime = (
        b"From: =?utf-8?q?Ada_L=C3=B8velace?= <ada@school.example>\r\n"
        b"To: =?utf-8?b?RXJpbiDinJM=?= <erin@district.example>\r\n"
        b"Subject: robots\r\nDate: Wed, 21 Oct 2026 14:10:00 -0400\r\nMessage-ID: <m@x>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n'
        b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"caf=E9\r\n--b--\r\n"
    )
    envelope = json.dumps({"to": [to], "from": "ada@school.example"}).encode()
    body = b"".join(
        f'--xY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in (("envelope", envelope), ("email", mime))
    )
    request = Request(body + b"--xY--\r\n", {"Content-Type": "multipart/form-data; boundary=xY"})

    assert (await postmen.post(intake, "sendgrid", request)).status == 200
    proof = "&".join(f"{name}={value}" for name, value in mailgun_proof().items())
    form = f"recipient={to.replace('+', '%2B')}&sender=ada@school.example&{proof}&body-mime=".encode()
    form += "".join(f"%{byte:02x}" for byte in mime.replace(b"<m@x>", b"<n@x>")).encode()
    assert (
        await postmen.post(intake, "mailgun", Request(form, {"Content-Type": "application/x-www-form-urlencoded"}))
    ).status == 200

    first, second = await sent(intake)
    assert first == second
    assert first["met_at"] == "2026-10-21T14:10:00-04:00"
    assert (first["contact"]["name"], first["owner"]["name"]) == ("Erin ✓", "Ada Løvelace")
    assert first["notes"] == "robots\n\ncafé"


async def test_neither_the_key_nor_the_address_is_logged(intake: Intake, capfd: pytest.CaptureFixture[str]) -> None:
    to = await address(intake)
    await send(intake, "sendgrid", Mail(recipient=to))
    printed = "".join(capfd.readouterr())
    assert "/inbound/{vendor}" in printed
    for secret in (INBOUND_KEY, INBOUND_KEY.replace(" ", "+"), to.partition("+")[2][:32], "erin@", "robots"):
        assert secret not in printed


async def test_the_address_is_shown_once_and_a_saved_letter_can_be_rehearsed(
    run: Run, intake_pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = await in_thread(run, "source", "add", "mail", "Ada", "--owner", "ada@school.example")
    assert refused.err.startswith("afterhello: INBOUND_ADDRESS is not set")
    monkeypatch.setenv("INBOUND_ADDRESS", "reply@in.school.example")
    assert "--owner is missing" in (await in_thread(run, "source", "add", "mail", "Ada")).err

    added = (await in_thread(run, "source", "add", "mail", "Ada", "--owner", "ada@school.example", "--json")).json

    assert re.fullmatch(r"log\+[a-z2-7]{32}@in\.school\.example", added["address"])
    assert (added["provider"], added["secret"]) == ("mail", None)
    assert added["address"][4:36] not in str(await intake_pool.fetch("SELECT p::text FROM source_paths p"))
    rotated = (await in_thread(run, "source", "rotate", "Ada", "--json")).json
    assert re.fullmatch(r"log\+[a-z2-7]{32}@in\.school\.example", rotated["address"])
    assert rotated["address"] != added["address"]
    file = tmp_path / "letter.eml"
    file.write_text("From: ada@school.example\nTo: Erin <erin@district.example>\nSubject: robots\n\nHello!\n")
    done = await in_thread(run, "source", "test", "Ada", str(file), "--json")
    assert [one["contact"]["name"] for one in done.json["would_log"]] == ["Erin"]
    words = await in_thread(run, "source", "add", "mail", "Two", "--owner", "bea@school.example")
    assert "log+" in words.out


async def test_what_was_refused_is_logged_when_the_owner_is_mended(intake: Intake, run: Run) -> None:
    to = await address(intake, owner="bea@school.example")
    assert (await send(intake, "postmark", Mail(recipient=to)))["meetings"] == []
    await in_thread(run, "source", "map", "Letters", "--owner", "ada@school.example")

    done = await in_thread(run, "source", "replay", "Letters", "--json")

    assert [one["outcome"] for one in done.json] == ["logged"]
    assert await intake.count("meetings") == 1


async def test_a_large_letter_is_read_and_one_that_is_too_large_is_not(intake: Intake) -> None:
    to = await address(intake)
    mail = Mail(recipient=to, text="x" * 3_000_000)
    small = VENDORS["postmark"](mail)
    answer = await intake.client.post("/inbound/postmark", data=io.BytesIO(small.body), headers=small.headers)
    assert len((await answer.json())["meetings"]) == 1
    [meeting] = await sent(intake)
    assert len(meeting["notes"]) == 4000
    large = VENDORS["postmark"](replace(mail, text="x" * 17_000_000))
    answer = await intake.client.post("/inbound/postmark", data=io.BytesIO(large.body), headers=large.headers)
    assert answer.status == 413
