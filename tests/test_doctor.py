"""The doctor: what it says about a healthy installation, and about each thing that may be wrong with one."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.mailbox import Mailbox, smtp_server
from shared import dead_letter, events, outbox
from shared.db import Pool
from shared.settings import Settings
from shared.topology import declare
from tests.factories import meeting_logged
from tests.servers.installation import open_folder

KEY = secrets.token_hex(32)


@pytest.fixture
async def mail_port(tmp_path: Path) -> AsyncIterator[int]:
    async with smtp_server(Mailbox(tmp_path / "mailbox")) as port:
        yield port


@pytest.fixture
async def healthy(database_url: str, rabbit_url: str, bus_prefix: str, mail_port: int) -> dict[str, str]:
    """The settings of three services with which all is well, but that tests do not wait for disks."""
    await declare(rabbit_url, prefix=bus_prefix)
    return {
        "DATABASE_URL": database_url,
        "AMQP_URL": rabbit_url,
        "SMTP_URL": f"smtp://127.0.0.1:{mail_port}?starttls=0",
        "MAIL_FROM": "hello@afterhello.example",
        "PUBLIC_URL": "http://127.0.0.1:8080",
        "SECRET_KEY": KEY,
        "BUS_PREFIX": bus_prefix,
    }


async def _afterhello(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments, env=inherited | environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def _doctor(environment: dict[str, str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status, and the findings by what they are about (the wrong one, of several)."""
    status, out = await _afterhello(environment, "doctor", "--json", *arguments)
    found: dict[str, dict[str, Any]] = {}
    for finding in json.loads(out):
        assert finding.keys() == {"check", "ok", "says", "do"}
        assert finding["ok"] or finding["do"], "what is wrong comes with what to do"
        if finding["check"] not in found or not finding["ok"]:
            found[finding["check"]] = finding
    return status, found


def _wrong(found: dict[str, dict[str, Any]]) -> set[str]:
    return {check for check, finding in found.items() if not finding["ok"]}


async def test_nothing_is_wrong_with_a_healthy_installation() -> None:
    with open_folder() as folder:
        own = {"DATA_DIR": str(folder / "data")}
        await _afterhello(own, "migrate")

        status, found = await _doctor(own)

    assert _wrong(found) == set()
    assert status == 0
    assert found.keys() >= {"settings", "database", "durability", "clock", "stops", "intake", "scheduler", "notifier"}


async def test_three_services_over_a_broker_are_looked_at_wholly(healthy: dict[str, str]) -> None:
    status, found = await _doctor(healthy)

    assert found.keys() >= {"settings", "database", "scheduler", "broker", "mail", "PUBLIC_URL", "plans", "time zones"}
    assert _wrong(found) == {"durability"}
    assert "fsync" in found["durability"]["says"]
    assert status == 1


@pytest.mark.parametrize(
    ("name", "value", "check", "says"),
    [
        ("SECRET_KEY", "", "settings", "SECRET_KEY"),
        ("SMTP_URL", "", "settings", "SMTP_URL"),
        ("SECRET_KEY", "too-short", "SECRET_KEY", "32 random bytes"),
        ("PORT", "eighty", "PORT", "integer"),
        ("SEND_LEASE", "soon", "SEND_LEASE", "30 seconds"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "database", "does not answer"),
        ("AMQP_URL", "amqp://nobody:no@127.0.0.1:1/", "broker", "cannot be reached"),
        ("SMTP_URL", "smtp://127.0.0.1:1?starttls=0", "mail", "127.0.0.1"),
        ("DKIM_KEY", "nonsense", "DKIM", "DKIM_SELECTOR"),
        ("PUBLIC_URL", "http://hello.school.example", "PUBLIC_URL", "not encrypted"),
        ("PLANS_DIR", "/no/such/folder", "plans", "/no/such/folder"),
    ],
)
async def test_what_is_wrong_is_named(healthy: dict[str, str], name: str, value: str, check: str, says: str) -> None:
    status, found = await _doctor(healthy | {name: value})

    assert status == 1
    assert _wrong(found) - {"durability"} == {check}
    assert says in found[check]["says"]


async def test_every_wrong_setting_is_named_at_once(healthy: dict[str, str]) -> None:
    _, found = await _doctor(healthy | {"PORT": "eighty", "RATE_LIMIT": "0", "SECRET_KEY": "short"})

    assert found.keys() == {"PORT", "RATE_LIMIT", "SECRET_KEY"}


async def test_a_service_alone_needs_its_own_settings_only(healthy: dict[str, str]) -> None:
    without = healthy | {"SMTP_URL": "", "SECRET_KEY": "", "MAIL_FROM": "", "PUBLIC_URL": ""}

    assert "settings" not in _wrong((await _doctor(without, "--service", "scheduler"))[1])
    assert "settings" in _wrong((await _doctor(without, "--service", "intake"))[1])


async def test_a_mail_server_without_starttls_is_named_when_it_is_demanded(
    healthy: dict[str, str], mail_port: int
) -> None:
    status, found = await _doctor(healthy | {"SMTP_URL": f"smtp://127.0.0.1:{mail_port}"})

    assert status == 1
    assert "STARTTLS" in found["mail"]["says"]


async def test_a_missing_migration_is_named_with_what_to_run(healthy: dict[str, str]) -> None:
    conn = await asyncpg.connect(healthy["DATABASE_URL"])
    await conn.execute("DELETE FROM scheduler.schema_migrations WHERE name LIKE 'scheduler/%'")
    await conn.close()

    status, found = await _doctor(healthy)

    assert status == 1
    assert "scheduler/0001_follow_ups" in found["scheduler"]["says"]
    assert "afterhello migrate" in found["scheduler"]["do"]
    assert found["intake"]["ok"]


async def test_data_of_a_newer_version_ask_for_that_version_not_for_a_migration(healthy: dict[str, str]) -> None:
    conn = await asyncpg.connect(healthy["DATABASE_URL"])
    await conn.execute("INSERT INTO scheduler.schema_migrations VALUES ('scheduler/9999_later', 'x')")
    await conn.close()

    status, found = await _doctor(healthy)

    assert status == 1
    assert "scheduler/9999_later" in found["scheduler"]["says"]
    assert found["scheduler"]["do"] == "run a newer version of Afterhello"
    assert "migrate" not in found["scheduler"]["says"]


async def test_an_outbox_that_nobody_empties_and_a_dead_letter_are_named(
    healthy: dict[str, str], intake_pool: Pool, notifier_pool: Pool
) -> None:
    async with intake_pool.acquire() as conn:
        await outbox.add(conn, [meeting_logged()])
        await conn.execute("UPDATE outbox SET added_at = now() - interval '5 minutes'")
    async with notifier_pool.acquire() as conn:
        await dead_letter.keep(conn, events.new_id(), b"{}", type=None, reason="no such thing", state="dead")

    status, found = await _doctor(healthy)

    assert status == 1
    assert "1 events wait to leave, the oldest 30" in found["intake"]["says"]
    assert "1 events could not be applied" in found["notifier"]["says"]
    assert "dead-letter list" in found["notifier"]["do"]


async def test_a_stopped_channel_is_named(healthy: dict[str, str], notifier_pool: Pool) -> None:
    await notifier_pool.execute(
        "INSERT INTO channels (name, state, reason, since) VALUES ('email', 'stopped', '535 no', now())"
    )

    status, found = await _doctor(healthy)

    assert status == 1
    assert found["channel"]["says"] == "channel email is stopped: 535 no"
