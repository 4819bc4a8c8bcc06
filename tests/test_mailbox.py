"""The mailbox of `afterhello run`: SMTP in, pages and JSON out."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.mailbox import KEPT, Mailbox, add_pages, smtp_server
from shared.web import application

HTML = '<html><head><title>x</title></head><body><a href="https://school.example/a/token">Done</a></body></html>'


@pytest.fixture
async def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mailbox")


@pytest.fixture
async def client(mailbox: Mailbox) -> AsyncIterator["TestClient[Any, Any]"]:
    app = application()
    add_pages(app, mailbox)
    async with TestClient(TestServer(app)) as client:
        yield client


async def _send(mailbox: Mailbox, *subjects: str, to: str = "ada@school.example", html: str = HTML) -> None:
    async with smtp_server(mailbox) as port:
        for subject in subjects:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "Afterhello <hello@x.example>", to, subject
            mail.set_content("Grüße\n.a line that begins with a dot\n")
            mail.add_alternative(html, subtype="html")
            await aiosmtplib.send(mail, hostname="127.0.0.1", port=port, start_tls=False)


async def test_mails_sent_by_smtp_are_listed_newest_first(mailbox: Mailbox, client: "TestClient[Any, Any]") -> None:
    await _send(mailbox, "Say hello to Erin", "Keep your promise")

    newest, oldest = await (await client.get("/mailbox/messages.json")).json()

    assert newest.keys() == {"id", "to", "subject", "received_at", "text", "html", "raw"}
    assert (newest["subject"], oldest["subject"]) == ("Keep your promise", "Say hello to Erin")
    assert newest["to"] == "ada@school.example"
    assert newest["received_at"].endswith("Z") and newest["received_at"] >= oldest["received_at"]
    assert newest["text"] == "Grüße\n.a line that begins with a dot\n"
    assert "https://school.example/a/token" in newest["html"]
    assert "\r\nSubject: Keep your promise\r\n" in newest["raw"]
    assert [mail["id"] for mail in await (await client.get("/mailbox/messages.json?limit=1")).json()] == [newest["id"]]


async def test_mails_are_still_there_after_a_restart(mailbox: Mailbox, tmp_path: Path) -> None:
    await _send(mailbox, "Say hello to Erin")

    again = Mailbox(tmp_path / "mailbox")

    (mail,) = again.read(again.ids())
    assert mail.subject == "Say hello to Erin"


async def test_the_list_names_each_mail_and_escapes_what_it_brings(
    mailbox: Mailbox, client: "TestClient[Any, Any]"
) -> None:
    await _send(mailbox, "<script>alert(1)</script>")

    answer = await client.get("/mailbox")

    page = await answer.text()
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_a_mail_is_shown_in_a_frame_that_runs_nothing(mailbox: Mailbox, client: "TestClient[Any, Any]") -> None:
    await _send(mailbox, "Say hello", html=HTML.replace("</body>", "<script>alert(1)</script></body>"))
    (mail_id,) = mailbox.ids()

    page = await client.get(f"/mailbox/{mail_id}")
    frame = await client.get(f"/mailbox/{mail_id}/html")

    assert f'src="/mailbox/{mail_id}/html" sandbox="allow-popups' in await page.text()
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-scripts" not in policy and "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy and frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert '<base target="_blank">' in await frame.text()


async def test_the_raw_mail_is_plain_text(mailbox: Mailbox, client: "TestClient[Any, Any]") -> None:
    await _send(mailbox, "Say hello")
    (mail_id,) = mailbox.ids()

    answer = await client.get(f"/mailbox/{mail_id}/raw")

    assert answer.content_type == "text/plain"
    assert (await answer.text()).startswith("Return-Path: <hello@x.example>\r\nDelivered-To: ada@school.example\r\n")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mailbox/0199b1c2-0000-7000-8000-000000000000", 404),
        ("/mailbox/------------------------------------", 404),
        ("/mailbox/..%2fsecret_key", 404),
        ("/mailbox/messages.json?limit=many", 400),
    ],
)
async def test_what_is_not_there_is_a_clear_answer(client: "TestClient[Any, Any]", path: str, status: int) -> None:
    answer = await client.get(path)

    assert answer.status == status
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/mailbox", "/mailbox/messages.json"])
async def test_a_foreign_name_that_points_here_sees_no_mail(client: "TestClient[Any, Any]", path: str) -> None:
    assert (await client.get(path, headers={"Host": "evil.example:8080"})).status == 403
    assert (await client.get(path, headers={"Host": "localhost:8080"})).status == 200


async def test_what_is_no_mail_at_all_is_kept_and_shown_too(mailbox: Mailbox, client: "TestClient[Any, Any]") -> None:
    mailbox.keep(b"\xff\xfe\x00 \r\nno header\r\n\r\nSubject: =?x?q?", sender="", to="ada@school.example")
    mailbox.keep(b"Content-Type: text/plain; charset=klingon\r\n\r\nnuqneH", sender="", to="ada@school.example")

    assert (await client.get("/mailbox")).status == 200
    klingon, _ = await (await client.get("/mailbox/messages.json")).json()
    assert klingon["text"] == "nuqneH"


async def test_a_mail_that_is_asked_for_again_is_not_parsed_again(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _send(mailbox, "Say hello to Erin", "Keep your promise")
    first = mailbox.read(mailbox.ids())

    monkeypatch.setattr("email.message_from_bytes", lambda *_, **__: pytest.fail("parsed once more"))

    assert mailbox.read(mailbox.ids()) == first


async def test_the_oldest_make_room(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEPT >= 1000
    monkeypatch.setattr("services.mailbox.KEPT", 2)
    await _send(mailbox, "1", "2", "3")

    assert [mail.subject for mail in mailbox.read(mailbox.ids())] == ["3", "2"]
