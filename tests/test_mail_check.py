"""`afterhello doctor --mail`: a real mail over a real connection, and what is said of it."""

import asyncio
import json
import os
import sys

import asyncpg
import pytest
import trustme
from pydantic import SecretStr

from services.finding import Finding
from services.mail_check import send_one
from services.name_server import Names
from shared.settings import Settings
from tests.factories import at
from tests.notifier.mail_channel import certificate
from tests.notifier.test_dkim import PEM, key
from tests.servers.dns import NameServer
from tests.servers.smtp import Mailbox, Scripted, scripted_server

NOW = at("2026-11-11 15:30")
KEY = "a key that only these tests know of"


def settings(url: str, **given: object) -> Settings:
    fields: dict[str, object] = {
        "smtp_url": SecretStr(url),
        "mail_from": "Afterhello <hello@school.example>",
        "public_url": "https://hello.school.example",
        "secret_key": (SecretStr(KEY),),
    }
    return Settings(**fields | given)  # type: ignore[arg-type]


async def checked(config: Settings, server: NameServer, address: str = "ada@school.example") -> dict[str, Finding]:
    return {one.check: one for one in await send_one(config, address, Names(server.resolver), now=NOW)}


async def test_one_mail_goes_out_as_nudges_do_and_is_judged(mailbox: Mailbox, name_server: NameServer) -> None:
    name_server.say("autumn._domainkey.school.example", "TXT", key().record)
    name_server.say("_dmarc.school.example", "TXT", "v=DMARC1; p=reject")
    name_server.say("in.school.example", "TXT", "v=spf1 include:relay.example ~all")
    name_server.say("relay.example", "TXT", "v=spf1 ip4:93.184.216.34 -all")
    config = settings(
        mailbox.url, inbound_address="reply@in.school.example", dkim_key=SecretStr(PEM), dkim_selector="autumn"
    )
    told = await checked(config, name_server)

    [mail] = mailbox.received
    assert mail.recipient == "ada@school.example" and mail.sender.startswith("bounce+")
    assert mail.message["Auto-Submitted"] == "auto-generated" and mail.message["List-Unsubscribe-Post"]
    assert "afterhello doctor --mail" in mail.part("plain") and "afterhello doctor --mail" in mail.part("html")
    assert {check: one.ok for check, one in told.items()} == {
        "mail": True,
        "bounces": True,
        "unsubscribe": True,
        "DKIM": True,
        "SPF": None,  # 127.0.0.1 is nobody's public address
        "DMARC": True,
    }
    assert "in clear text, as ?starttls=0 demands: 250 2.0.0 taken" in told["mail"].says
    assert "bounce+...@in.school.example" in told["bounces"].says
    token = mail.sender.partition("+")[2].partition("@")[0]
    assert not any(token in one.says for one in told.values())


async def test_how_the_connection_was_encrypted_is_said(name_server: NameServer, tmp_path: object) -> None:
    authority = trustme.CA()
    name_server.silent = True
    async with scripted_server(tls=certificate(authority)) as smtp:
        with authority.cert_pem.tempfile() as trusted, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", trusted)
            told = await checked(settings(f"smtp://127.0.0.1:{smtp.port}"), name_server)
    assert told["mail"].ok is True and f"127.0.0.1:{smtp.port} took it over TLSv1." in told["mail"].says
    assert told["bounces"].do and "INBOUND_ADDRESS" in told["bounces"].do
    assert told["SPF"].ok is None and told["DMARC"].ok is None


async def test_a_server_that_refuses_is_quoted_and_nothing_is_guessed(smtp: Scripted, name_server: NameServer) -> None:
    smtp.answer("dot", "550 5.7.26 this mail is unauthenticated")
    told = await checked(settings(smtp.url), name_server)
    assert list(told) == ["mail"] and told["mail"].ok is False
    assert "550 5.7.26 this mail is unauthenticated" in told["mail"].says and "SPF" in (told["mail"].do or "")
    assert name_server.asked == []


async def test_what_it_needs_is_named(smtp: Scripted, name_server: NameServer) -> None:
    for given, words in (
        ({"smtp_url": None}, "not set: SMTP_URL"),
        ({"dkim_key": SecretStr("x")}, "DKIM_SELECTOR is not set"),
        ({"dkim_key": SecretStr("x"), "dkim_selector": "s"}, "DKIM_KEY: must be a private key"),
    ):
        told = await checked(settings(smtp.url, **given), name_server)
        assert told["mail"].ok is False and words in told["mail"].says and told["mail"].do
    told = await checked(settings(smtp.url), name_server, "nobody")
    assert told["mail"].ok is False and "nobody" in told["mail"].says
    assert smtp.connections == 0


async def test_who_wants_no_mail_gets_none_of_these_either(
    smtp: Scripted, name_server: NameServer, database_url: str
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "INSERT INTO notifier.suppressions VALUES ('ada@school.example', 'email', 'unsubscribed', now())"
    )
    await conn.close()
    told = await checked(settings(smtp.url, database_url=SecretStr(database_url)), name_server, "Ada@school.example")
    assert told["mail"].ok is False and "suppressed" in told["mail"].says
    assert smtp.connections == 0


async def test_the_command_prints_the_findings_as_json(mailbox: Mailbox) -> None:
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = inherited | {
        "SMTP_URL": mailbox.url,
        "MAIL_FROM": "hello@school.example",
        "PUBLIC_URL": "http://hello.school.example",
        "SECRET_KEY": KEY,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.cli", "doctor", "--mail", "ada@school.example", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    told = {one["check"]: one for one in json.loads(out)}
    assert process.returncode == 1  # the links are not encrypted, so there is no one-click unsubscribe
    assert told["unsubscribe"]["ok"] is False and told["mail"]["ok"] is True
    assert told.keys() == {"mail", "bounces", "unsubscribe", "DKIM", "SPF", "DMARC"}
    assert told["DMARC"]["ok"] is not True and told["SPF"]["ok"] is not True  # .example is nobody's, or DNS is away
    [mail] = mailbox.received
    assert mail.recipient == "ada@school.example"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "doctor", "--received", "-"),
        env=inherited,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(mail.raw)
    assert process.returncode == 1
    assert b"WRONG  DKIM         it came without any signature" in out and b"?      receiver" in out
