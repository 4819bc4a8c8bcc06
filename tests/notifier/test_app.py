"""The notifier as a service: started, asked how it is, stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.notifier import app
from shared import outbox, settings
from shared.bus import LocalBus
from shared.db import Pool
from shared.events import NudgeDue
from shared.settings import SettingsError
from tests.factories import nudge_due
from tests.notifier.sending import receive, state
from tests.servers.smtp import Mailbox, Scripted
from tests.servers.waiting import until


@asynccontextmanager
async def running(
    database_url: str, keys: tuple[SecretStr, ...], smtp_url: str, **given: Any
) -> AsyncIterator[tuple[LocalBus, str]]:
    """A notifier that runs, its bus, and where its web server is."""
    config = settings.read(
        **{
            "database_url": database_url,
            "smtp_url": smtp_url,
            "mail_from": "Afterhello <hello@school.example>",
            "public_url": "https://hello.school.example",
            "secret_key": keys,
        }
        | given
    )
    bus, stop, port = LocalBus(), asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(app.run(config, bus, stop, port=0, started=port.set_result))
    await asyncio.wait([task, port], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    url = f"http://127.0.0.1:{port.result()}"
    try:
        async with aiohttp.ClientSession() as client:

            async def ready() -> bool:
                async with client.get(f"{url}/readyz") as answer:
                    return answer.status == 200

            await until(ready)
        yield bus, url
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def test_a_nudge_travels_from_the_bus_to_the_mailbox_and_is_told(
    database_url: str, keys: tuple[SecretStr, ...], notifier_pool: Pool, scheduler_pool: Pool, mailbox: Mailbox
) -> None:
    due = nudge_due()
    async with running(database_url, keys, mailbox.url) as (bus, _):
        async with scheduler_pool.acquire() as conn, conn.transaction():
            await outbox.add(conn, [due])
        while await outbox.relay(scheduler_pool, bus):
            pass
        await until(lambda: len(mailbox.received) == 1)

        async def sent() -> bool:
            return await state(notifier_pool, due.data) == ("sent", None)

        await until(sent, seconds=5)  # woken at once, not at the next look


async def test_readyz_says_degraded_while_the_channel_is_paused_and_names_why(
    database_url: str, keys: tuple[SecretStr, ...], notifier_pool: Pool, smtp: Scripted
) -> None:
    smtp.always("mail", "550 5.7.1 policy")
    await receive(notifier_pool, [nudge_due()])
    async with running(database_url, keys, smtp.url) as (_, url), aiohttp.ClientSession(url) as client:
        answer: dict[str, Any] = {}

        async def paused() -> bool:
            async with client.get("/readyz") as response:
                assert response.status == 200
                answer.update(await response.json())
            return str(answer["checks"]["channel email"]) != "ok"

        await until(paused)
        assert answer["status"] == "degraded"
        assert answer["checks"]["channel email"].startswith("paused until 2")
        assert answer["checks"]["channel email"].endswith(": policy")

        async def measured() -> bool:
            async with client.get("/metrics") as response:
                text = await response.text()
            return (
                'afterhello_channel_paused{channel="email"} 1.0' in text
                and 'afterhello_deliveries_total{channel="email",outcome="held"}' in text
            )

        await until(measured, seconds=40)


async def test_what_waited_while_the_notifier_was_away_is_sent_when_it_comes(
    database_url: str, keys: tuple[SecretStr, ...], notifier_pool: Pool, mailbox: Mailbox
) -> None:
    batch: list[NudgeDue] = [nudge_due() for _ in range(50)]
    await receive(notifier_pool, batch)
    async with running(database_url, keys, mailbox.url):
        await until(lambda: len(mailbox.received) == 50)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"smtp_url": None}, "SMTP_URL is not set"),
        ({"mail_from": None}, "MAIL_FROM is not set"),
        ({"mail_from": "nobody"}, "MAIL_FROM: "),
        ({"smtp_url": "smtp://h?starttls=perhaps"}, "SMTP_URL: "),
        ({"public_url": None}, "PUBLIC_URL is not set"),
        ({"secret_key": ()}, "SECRET_KEY is not set"),
    ],
)
async def test_a_missing_or_wrong_setting_is_named_before_anything_opens(
    database_url: str, keys: tuple[SecretStr, ...], mailbox: Mailbox, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        async with running(database_url, keys, **{"smtp_url": mailbox.url} | given):
            pass
    assert str(raised.value).startswith(says) and "\n" not in str(raised.value)
