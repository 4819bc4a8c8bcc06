"""Who was erased comes back by an old form, or by a new one: nothing goes to them until they say so.

The keyed hash that was kept of their address becomes a suppression as any other: START, the page behind an unsubscribe
link, and `afterhello suppression remove` end it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.intake import consent, store_erasing
from shared import stops
from shared.db import Connection
from shared.events import AddressSuppressed, Channel, Contact, Person, SuppressedData
from shared.signing import Fingerprints


async def of_owner(
    conn: Connection, person: Person, erased: Fingerprints | None, *, now: datetime
) -> list[AddressSuppressed]:
    """Let nothing go to this owner's addresses that were erased; return the events that tell the others.

    The stop holds at once, whatever arrives first elsewhere.
    """
    known = consent.addresses(person.email, person.phone, person.apprise_url)
    told = await _suppressed(conn, known, erased, person=person.id, now=now)
    for event in told:
        await stops.stop_person(conn, person=person.id, channel=event.data.channel)
    return told


async def of_contacts(
    conn: Connection, contacts: Sequence[Contact], erased: Fingerprints | None, *, now: datetime
) -> list[AddressSuppressed]:
    """Return the events that suppress addresses which their contacts had erased, and others say to have consent for."""
    return [
        event
        for one in contacts
        if one.consent
        for event in await _suppressed(conn, consent.addresses(one.email, one.phone), erased, person=None, now=now)
    ]


async def _suppressed(
    conn: Connection,
    known: Sequence[tuple[Channel, str]],
    erased: Fingerprints | None,
    *,
    person: UUID | None,
    now: datetime,
) -> list[AddressSuppressed]:
    if erased is None:
        return []
    told = []
    for channel, address in known:
        if await store_erasing.take_fingerprints(conn, erased.every(address.lower())):
            data = SuppressedData(address=address, channel=channel, reason="erased", at=now, person=person)
            told.append(
                AddressSuppressed(source="/afterhello/intake", time=now, subject=str(person or channel), data=data)
            )
    return told
