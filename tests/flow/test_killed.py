"""Each service is killed in the middle and started again: every mail arrives, and none twice that need not have."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.mailbox import Mail
from tests.servers import postgres
from tests.servers.installation import STEPS, Installation, in_three_processes, message_id, response, start
from tests.servers.waiting import until


@pytest.fixture(scope="module")
async def installation(
    servers: Path, rabbit_url: str, tmp_path_factory: pytest.TempPathFactory, keys: tuple[SecretStr, ...]
) -> AsyncIterator[Installation]:
    """One for all tests here: each has owners of its own, and leaves every service running."""
    folder, prefix = tmp_path_factory.mktemp("installation"), f"test.{secrets.token_hex(6)}"
    async with (
        postgres.fresh_database(postgres.server(servers), postgres.template(servers)) as database_url,
        in_three_processes(database_url, rabbit_url, folder, keys, BUS_PREFIX=prefix) as installation,
    ):
        await start(installation)
        yield installation


@pytest.mark.parametrize("killed", ["intake", "scheduler", "notifier", "intake scheduler notifier"])
async def test_what_is_killed_in_the_middle_and_started_again_loses_nothing(
    installation: Installation, killed: str
) -> None:
    parts = [installation.parts[name] for name in killed.split()]
    source = await installation.connect()
    owners = _owners(8)
    for owner in owners:
        assert (await installation.submit(source, response(owner)))[0] == 202
    if killed != "intake":  # it has done its part once it has answered
        await until(lambda: len(_mails(installation, owners)) >= 3)

    for part in parts:
        part.kill()
    if "intake" not in killed:  # what comes meanwhile is taken
        late = _owners(4)
        for owner in late:
            assert (await installation.submit(source, response(owner)))[0] == 202
        owners += late
    for part in parts:
        part.start()

    await _account_for_all(installation, owners)
    for part in parts:
        await until(part.is_ready)


async def test_a_notifier_killed_between_two_sends_repeats_none(installation: Installation) -> None:
    source = await installation.connect(plan="pausing")
    (owner,) = owners = _owners(1)
    assert (await installation.submit(source, response(owner)))[0] == 202
    await until(lambda: _are_sent(installation, owner, 1))

    installation.parts["notifier"].kill()
    await until(lambda: _are_nudged(installation, owner, 2))  # the second comes while nobody is there to send it
    installation.parts["notifier"].start()

    await until(lambda: _are_sent(installation, owner, 2))
    await _account_for_all(installation, owners, steps=2)
    assert len(installation.mails(owner)) == 2


async def test_a_submission_answered_just_before_the_kill_is_known_when_it_comes_again(
    installation: Installation,
) -> None:
    source = await installation.connect()
    (owner,) = owners = _owners(1)
    body = response(owner)
    status, answer = await installation.submit(source, body)
    assert status == 202

    installation.parts["intake"].kill()
    installation.parts["intake"].start()
    await until(installation.parts["intake"].is_ready)

    assert await installation.submit(source, body) == (200, answer)
    await _account_for_all(installation, owners)


NUMBERS = count(1)


def _owners(how_many: int) -> list[str]:
    return [f"owner{next(NUMBERS)}@school.example" for _ in range(how_many)]


def _mails(installation: Installation, owners: Sequence[str]) -> list[Mail]:
    return [mail for mail in installation.mails() if mail.to in owners]


async def _account_for_all(installation: Installation, owners: Sequence[str], *, steps: int = STEPS) -> None:
    """Wait until nothing is left to do, then hold the mails against the record, as an auditor does.

    Every follow-up was nudged, or superseded by a newer one when an outage held both; of each nudge there is one mail,
    or two with one Message-ID when an attempt died of which nobody can know.
    """
    ends: dict[tuple[str, str | None], int] = {}

    async def are_over() -> bool:
        async with installation.database() as conn:
            rows = await conn.fetch(ENDS, list(owners))
        ends.clear()
        ends.update({(row["state"], row["reason"]): row["count"] for row in rows})
        return sum(ends.values()) == len(owners) * steps and ("waiting", None) not in ends

    nudges: dict[str, asyncpg.Record] = {}

    async def have_left() -> bool:
        async with installation.database() as conn:
            rows = await conn.fetch(NUDGES, list(owners))
        nudges.clear()
        nudges.update({row["message_id"]: row for row in rows})
        return len(rows) == ends[("nudged", None)] and all(row["state"] != "queued" for row in rows)

    await until(are_over, seconds=60)
    await until(have_left, seconds=60)
    assert ends.keys() <= {("nudged", None), ("skipped", "superseded")}
    assert {nudge["state"] for nudge in nudges.values()} == {"sent"}
    arrived = Counter(message_id(mail) for mail in _mails(installation, owners))
    assert arrived.keys() == nudges.keys()
    assert max(arrived.values()) <= 2
    repeated = {id for id, times in arrived.items() if times > 1}
    assert repeated <= {id for id, nudge in nudges.items() if nudge["unknowns"]}
    last = {owner: installation.mails(owner)[-1].subject for owner in owners}
    assert last == dict.fromkeys(owners, "Check in with Erin")


async def _are_sent(installation: Installation, owner: str, count: int) -> bool:
    async with installation.database() as conn:
        rows = await conn.fetch(NUDGES, [owner])
    return len([row for row in rows if row["state"] == "sent"]) >= count


async def _are_nudged(installation: Installation, owner: str, count: int) -> bool:
    async with installation.database() as conn:
        rows = await conn.fetch(ENDS, [owner])
    nudged: int = {row["state"]: row["count"] for row in rows}.get("nudged", 0)
    return nudged >= count


ENDS = """
    SELECT f.state, f.reason, count(*)
      FROM scheduler.follow_ups f JOIN intake.people p ON p.id = f.person_id
     WHERE p.email = ANY ($1::text[])
     GROUP BY 1, 2
"""
NUDGES = "SELECT message_id, state, unknowns FROM notifier.deliveries WHERE address = ANY ($1::text[])"
