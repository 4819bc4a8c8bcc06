"""Leaving, and coming back: somebody wants to hear nothing more on a channel, or to hear from us again."""

from collections.abc import Sequence
from typing import get_args
from uuid import UUID

from services.intake import acts, confirming, store_erasing, store_people
from services.intake.acts import Via
from services.intake.store import PERSON
from shared import db, outbox, stops
from shared.db import Connection
from shared.events import ActedData, AddressRestored, AddressSuppressed, Channel, Person, RestoredData, SuppressedData
from shared.links import Leaving
from shared.signing import Fingerprints


async def stop_everything(conn: Connection, *, person: UUID, channel: Channel, address: str, via: Via) -> bool:
    """Let nothing more go to this person on this channel, whatever is logged; return False when that stood before."""
    if await store_erasing.erased(conn, [person]):
        return False  # nothing more goes to them, and nothing is kept of them
    known = await conn.fetchrow("SELECT channel FROM people WHERE id = $1 FOR NO KEY UPDATE", person)
    standing = await stops.standing(conn, person=person, connections=[])
    if any(stop.kind == "person" and stop.channel in {"", channel} for stop in standing):
        return False
    await stops.stop_person(conn, person=person, channel=channel)
    at = await db.now(conn)
    if known and known["channel"] == channel:
        await conn.execute(
            """
            UPDATE meetings SET state = 'stopped', revision = revision + 1
             WHERE person = $1 AND state IN ('active', 'paused')
            """,
            person,
        )
    # The stop first: what waits is stopped by its owner, and only what is planned later is skipped as suppressed.
    data = ActedData(act="stop", person=person, channel=channel, at=at)
    await acts.record(conn, data, via=via, keep=known is not None)
    fact = SuppressedData(address=address, channel=channel, reason="unsubscribed", at=at, person=person)
    told = AddressSuppressed(source="/afterhello/intake", time=at, subject=str(person), data=fact)
    await outbox.add(conn, [told])
    return True


async def start_again(
    conn: Connection, *, person: UUID, channel: Channel, address: str, erased: Fingerprints | None = None
) -> bool:
    """Let this person be written to again; return False when nothing of theirs was stopped.

    What was stopped stays so: only what is logged, or comes due of what was not stopped, goes out. Who was erased
    meanwhile is recognised by the fingerprint of their address. Who asks for messages stands behind the address.
    """
    if await store_erasing.erased(conn, [person]):
        return erased is not None and await store_erasing.take_fingerprints(conn, erased.every(address.lower()))
    await conn.execute("SELECT FROM people WHERE id = $1 FOR NO KEY UPDATE", person)
    await confirming.confirm(conn, Leaving(person=person, channel=channel, address=address))
    standing = await stops.standing(conn, person=person, connections=[])
    theirs = [stop for stop in standing if stop.kind == "person" and stop.channel in {"", channel}]
    if not theirs:
        return False
    for stop in theirs:
        await stops.resume_person(conn, person=person, channel=stop.channel)
    at = await db.now(conn)
    fact = RestoredData(address=address, channel=channel, at=at, person=person)
    told = AddressRestored(source="/afterhello/intake", time=at, subject=str(person), data=fact)
    await outbox.add(conn, [told])
    return True


async def reached_otherwise(conn: Connection, person: UUID, *, but: Channel) -> dict[Channel, str]:
    """Return where this person is reached on other channels than this one."""
    row = await conn.fetchrow(f"SELECT {PERSON} FROM people WHERE id = $1", person)  # noqa: S608 - names of columns
    if row is None:
        return {}
    known = Person.model_validate(dict(row))
    channels: tuple[Channel, ...] = get_args(Channel)
    return {one: address for one in channels if one != but and (address := known.address_on(one))}


async def lift(conn: Connection, restored: Sequence[RestoredData]) -> None:
    """Take back what people stopped before their address was restored, by whomever: they are to be written to."""
    for fact in restored:
        people = [fact.person] if fact.person else await store_people.reached_at(conn, fact.address, fact.channel)
        for person in people:
            await stops.resume_person(conn, person=person, channel=fact.channel, at=fact.at)
