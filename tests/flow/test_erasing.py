"""Somebody is erased in a running installation: no table, no queue and no log knows them any more."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aio_pika
import pytest
from pydantic import SecretStr

from services.first_steps import Connected
from shared.topology import Topology
from tests.intake.serving import submission
from tests.servers import postgres
from tests.servers.dump import where
from tests.servers.installation import Installation, in_three_processes, start
from tests.servers.waiting import until

OWNER, CONTACT = "zz-owner-canary@school.example", "zz-contact-canary@district.example"
CANARIES: Final = ("zz-owner-canary", "zz-contact-canary", "zz-canary", "5550198")


@pytest.fixture
async def installation(
    servers: Path, keys: tuple[SecretStr, ...], tmp_path: Path, rabbit_url: str
) -> AsyncIterator[Installation]:
    """Each service in a process of its own, over RabbitMQ."""
    prefix = f"test.{secrets.token_hex(6)}"
    async with (
        postgres.fresh_database(postgres.server(servers), postgres.template(servers)) as database_url,
        in_three_processes(database_url, rabbit_url, tmp_path, keys, BUS_PREFIX=prefix, LOG_LEVEL="debug") as three,
    ):
        three.config = three.config.model_copy(update={"bus_prefix": prefix})
        await start(three)
        yield three


async def ask(
    installation: Installation, source: Connected, method: str, path: str, body: Any = None, *, fails: bool = False
) -> Any:
    headers = {"Authorization": f"Bearer {source.token}"}
    url = f"{installation.config.public_url}/api/v1{path}"
    async with installation.client.request(method, url, json=body, headers=headers) as answer:
        assert (answer.status >= 400) == fails, await answer.text()
        return await answer.json() if answer.content_type.endswith("json") else None


def meeting(**given: Any) -> dict[str, Any]:
    owner = {"email": OWNER, "name": "zz-canary", "phone": "+15085550198", "time_zone": "America/New_York"}
    contact = {"name": "zz-canary", "email": CONTACT, "links": ["https://zz-canary.example/"], "consent": True}
    words = {"notes": "zz-canary", "topics": ["zz-canary"], "promise": "zz-canary", "document": None}
    return {**submission(owner=owner, contact=contact, plan="pausing", **words), **given}


async def found(installation: Installation) -> dict[str, list[str]]:
    async with installation.database() as conn:
        return await where(conn, *CANARIES)


async def is_erased(installation: Installation) -> bool:
    """Whether the erasure has arrived everywhere, and nothing is under way any more."""
    async with installation.database() as conn:
        return bool(
            await conn.fetchval(
                """
                SELECT EXISTS (SELECT FROM scheduler.erased) AND EXISTS (SELECT FROM notifier.erased)
                   AND NOT EXISTS (SELECT FROM intake.outbox) AND NOT EXISTS (SELECT FROM scheduler.outbox)
                   AND NOT EXISTS (SELECT FROM notifier.outbox)
                """
            )
        )


async def queued(installation: Installation) -> dict[str, int]:
    """How many messages wait in each queue of the installation."""
    assert installation.config.amqp_url is not None
    connection = await aio_pika.connect(installation.config.amqp_url.get_secret_value())
    try:
        channel = await connection.channel()
        counts = {}
        for name in Topology(installation.config.bus_prefix).queues():
            queue = await channel.declare_queue(name, passive=True)
            counts[name] = queue.declaration_result.message_count or 0
        return counts
    finally:
        await connection.close()


async def test_of_who_is_erased_no_table_no_queue_and_no_log_knows(installation: Installation) -> None:
    source = await installation.connect(plan="pausing")
    await ask(installation, source, "POST", "/meetings", meeting())
    await ask(installation, source, "POST", "/meetings", meeting(contact={"name": ""}), fails=True)
    # They are somebody else's contact too, and that owner's nudge carries both.
    other = {"email": "stays@school.example", "time_zone": "America/New_York"}
    theirs = [{"name": "zz-canary", "email": OWNER}, {"name": "Stays"}]
    logged = await ask(
        installation,
        source,
        "POST",
        "/meetings",
        meeting(owner=other, contact=None, contacts=theirs, notes="zz-canary"),
    )
    await installation.mails_arrive(1, OWNER)
    await installation.mails_arrive(1, "stays@school.example")
    assert set(await found(installation)) == set(CANARIES)

    answer = await ask(installation, source, "DELETE", f"/people/{OWNER}")
    assert answer["connections"] == 1
    await until(lambda: is_erased(installation), seconds=20)

    left = await found(installation)
    # What was said about the other contact in the same submission stays: it is not about them.
    assert set(left) == {"zz-canary"}, left
    await ask(installation, source, "DELETE", f"/meetings/{logged['meetings'][1]['id']}")
    await until(lambda: is_settled(installation), seconds=20)
    assert await found(installation) == {}
    assert set((await queued(installation)).values()) == {0}
    for part in installation.parts.values():
        said = part.log.read_text().lower()
        assert len(said) > 500 and not [one for one in CANARIES if one in said], part.name


async def is_settled(installation: Installation) -> bool:
    return not await found(installation) and set((await queued(installation)).values()) == {0}
