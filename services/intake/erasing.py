"""Erasing: somebody wants nothing to be kept of them, neither as an owner nor as a contact of others.

One transaction: when it is answered, intake keeps nothing and no send begins any more. The scheduler and the notifier
hear of it as of everything else. What stays is that they were erased (an id), and a keyed hash of each address, so that
an old form which brings it back does not get them written to again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from services.intake import consent, forgetting, store_erasing, store_people
from services.intake import mentions as mentioned
from shared import db, dead_letter, outbox, stops
from shared.db import Connection
from shared.events import Channel, ErasedData, MeetingsForgotten, Person, PersonErased
from shared.signing import Fingerprints

PURPOSE: Final = "erased addresses"  # of the fingerprints


class Ambiguous(Exception):
    """Several people share this number: whom is meant is said by an e-mail address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased."""

    person: UUID | None  # None: they were only a contact of others, or mentioned
    meetings: int  # of their own
    connections: int  # of others with them
    mentions: int  # submissions that were kept, with their address in them
    sources: tuple[str, ...]  # that were theirs alone, and are disabled now
    at: datetime


async def erase(
    conn: Connection, reached: str, *, owner: str | None, fingerprints: Fingerprints, traceparent: str | None = None
) -> Erased | None:
    """Erase whoever is reached at this address; None when nothing here is about it, or it is not `owner`'s own.

    An `owner` erases themselves; whom others met is for who has all rights. Raises `Ambiguous`.
    """
    person = await store_people.find(conn, reached, owner=owner, lock=True)
    if person is None and owner is not None:
        return None
    if person is None and len(await store_people.reached_at(conn, reached, _channel(reached))) > 1:
        raise Ambiguous
    at = await db.now(conn)
    channels = _addresses(reached, person)
    addresses = set(channels)
    addresses -= await store_erasing.shared_with_others(conn, addresses, but=person.id if person else None)
    await outbox.forget(conn, sorted(addresses), but=(PersonErased, MeetingsForgotten))  # which say that they are to go
    meetings = await _erase_owner(conn, person, at) if person else 0
    connections = 0 if owner else await _erase_contact(conn, addresses, traceparent)
    mentions = await store_erasing.forget_mentions(conn, sorted(_spellings(addresses)))
    reworded = [] if owner else await mentioned.take_out(conn, addresses, now=at, traceparent=traceparent)
    if person is None and not connections and not mentions and not reworded:
        return None
    sources = [name for one in sorted(addresses) for name in await store_erasing.forget_address(conn, one)]
    await dead_letter.forget(conn, [*([str(person.id)] if person else []), *sorted(addresses)])
    prints: list[tuple[str, Channel]] = [(fingerprints.of(one), channels[one]) for one in sorted(addresses)]
    await store_erasing.keep_fingerprints(conn, prints, at)
    await outbox.add(conn, reworded)
    if person is not None:
        data = ErasedData(person=person.id, at=at, addresses=tuple(sorted(addresses)))
        told = PersonErased(time=at, subject=str(person.id), traceparent=traceparent, data=data)
        await outbox.add(conn, [told])
    return Erased(
        person=person.id if person else None,
        meetings=meetings,
        connections=connections,
        mentions=mentions,
        sources=tuple(sources),
        at=at,
    )


def shown(erased: Erased) -> dict[str, object]:
    """Return the answer to who asked for it: what was erased, and when it will be everywhere."""
    return {
        "person": erased.person,
        "erased_at": erased.at,
        "meetings": erased.meetings,
        "connections": erased.connections,
        "submissions": erased.mentions,
        "disabled_sources": list(erased.sources),
        "complete": "here at once; in the scheduler and the notifier when they have taken the event that tells them, "
        "which is within seconds while they and the broker run. Nothing is sent from now on.",
    }


async def _erase_owner(conn: Connection, person: Person, at: datetime) -> int:
    await stops.stop_person(conn, person=person.id)  # whatever is on its way: no send begins any more
    return await store_erasing.delete_person(conn, person.id, at)


async def _erase_contact(conn: Connection, addresses: Collection[str], traceparent: str | None) -> int:
    """Forget every meeting of whomever with who is reached at these addresses; return how many connections that were.

    What an owner noted about somebody is about that somebody: none of it is kept.
    """
    known = await store_erasing.met(conn, addresses)
    for one in known:
        for meeting in one.meetings:
            await forgetting.forget(
                conn, meeting, owner=None, traceparent=traceparent, addresses=tuple(sorted(addresses))
            )
    await store_erasing.delete_connections(conn, [one.connection for one in known])
    return len(known)


def _addresses(reached: str, person: Person | None) -> dict[str, Channel]:
    """Every address of theirs, in small letters, with its channel."""
    known = consent.addresses(person.email, person.phone, person.apprise_url) if person else []
    return {reached.lower(): _channel(reached)} | {address.lower(): channel for channel, address in known}


def _channel(address: str) -> Channel:
    return "email" if "@" in address else "sms"


def _spellings(addresses: Collection[str]) -> set[str]:
    """The addresses as they stand in JSON, in forms, and in JSON that escapes more than it has to."""
    found = set(addresses)
    for one in addresses:
        found |= {quote(one, safe="").lower(), one.replace("@", "\\u0040"), one.replace("+", "\\u002b")}
    return found
