"""`afterhello channel` and `afterhello suppression`."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from services.notifier import store_channels
from services.notifier.channels.smtp_replies import POLICY
from services.notifier.commands import channel, suppression
from shared import db
from shared.command import Refused
from shared.db import Pool
from tests.notifier.sending import told


@pytest.fixture(autouse=True)
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


async def run(app: Any, *arguments: str) -> str:
    """Return what the command prints; raises what it raises."""
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


async def test_channels_are_listed_open_paused_or_stopped_and_resumed(notifier_pool: Pool) -> None:
    row = json.loads(await run(channel, "list", "--json"))[0]
    assert row == {"name": "email", "state": "open", "reason": None, "paused_until": None, "since": None}

    async with notifier_pool.acquire() as conn:
        await store_channels.pause(conn, "email", POLICY, await db.now(conn))
    row = json.loads(await run(channel, "list", "--json"))[0]
    assert (row["name"], row["state"], row["reason"]) == ("email", "paused", "policy")

    async with notifier_pool.acquire() as conn:
        await store_channels.stop(conn, "email", "login", await db.now(conn))
    assert "stopped" in await run(channel, "list")
    assert json.loads(await run(channel, "resume", "email", "--json")) == {"name": "email", "resumed": True}
    assert json.loads(await run(channel, "resume", "email", "--json")) == {"name": "email", "resumed": False}
    assert "open" in await run(channel, "list")


async def test_channels_that_are_set_up_are_listed_and_can_be_resumed(
    notifier_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "sms" not in [row["name"] for row in json.loads(await run(channel, "list", "--json"))]
    monkeypatch.setenv("SMS_URL", "twilio://AC0:secret@+15085550100")
    assert "sms" in [row["name"] for row in json.loads(await run(channel, "list", "--json"))]
    async with notifier_pool.acquire() as conn:
        await store_channels.stop(conn, "sms", "login", await db.now(conn))
    assert "login" in await run(channel, "list")
    assert json.loads(await run(channel, "resume", "sms", "--json")) == {"name": "sms", "resumed": True}


async def test_a_channel_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="pigeon"):
        await run(channel, "resume", "pigeon")
    with pytest.raises(Refused, match="pigeon"):
        await run(suppression, "add", "ada@school.example", "--channel", "pigeon")


async def test_suppressions_are_added_listed_told_and_removed(notifier_pool: Pool) -> None:
    assert json.loads(await run(suppression, "list", "--json")) == []
    for added in (True, False):
        answer = json.loads(await run(suppression, "add", "Ada@School.example", "--reason", "asked", "--json"))
        assert answer == {"address": "ada@school.example", "channel": "email", "added": added}
    [row] = json.loads(await run(suppression, "list", "--json"))
    assert set(row) == {"address", "channel", "reason", "at"}
    assert (row["address"], row["channel"], row["reason"]) == ("ada@school.example", "email", "asked")
    [said] = await told(notifier_pool, "afterhello.address.suppressed.v1")
    assert said.address.lower() == "ada@school.example" and said.person is None

    await run(suppression, "remove", "ADA@school.example")
    assert "no address" in await run(suppression, "list")
    with pytest.raises(Refused, match="not suppressed"):
        await run(suppression, "remove", "ada@school.example")
