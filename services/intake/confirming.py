"""Confirming: an owner whose address others gave is asked once whether it is theirs, and nothing else goes to them."""

from datetime import datetime
from typing import Final
from uuid import uuid5

import structlog

from services.intake import store_consents
from shared import db, outbox, stops
from shared.db import Connection, Pool
from shared.events import Gathering, Person, PersonChanged, PersonData, PromptData, PromptWanted
from shared.links import Leaving, Links

log = structlog.get_logger()

PLAYBOOK: Final = "confirm-address"
AT_ONCE: Final = 200


async def ask(pool: Pool, links: Links, *, limit: int = AT_ONCE) -> int:
    """Have up to `limit` owners asked who were not asked before, and return how many: a step for `poll`.

    The scheduler does it at their next send time.
    """
    return await db.in_transaction(pool, lambda conn: _ask(conn, links, limit))


async def confirm(conn: Connection, asked: Leaving) -> bool:
    """Keep that the holder of this address stands behind it, and tell the others; False when that is nothing new."""
    at = await db.now(conn)
    person = await store_consents.confirm(conn, asked.person, asked.channel, asked.address, at=at)
    if person is None:
        return False
    await outbox.add(conn, [PersonChanged(time=at, subject=str(person.id), data=PersonData(person=person))])
    return True


async def standing(conn: Connection, asked: Leaving) -> bool | None:
    """Return whether this address is confirmed; None when it is nobody's here any more."""
    return await store_consents.is_confirmed(conn, asked.person, asked.channel, asked.address)


async def is_stopped(conn: Connection, asked: Leaving) -> bool:
    """Return whether it was said that nothing is to go there: confirmed or not, nothing does."""
    stopped = await stops.known(conn, people=[asked.person], connections=[])
    return any(stop.kind == "person" and stop.channel in {"", asked.channel} for stop in stopped)


async def _ask(conn: Connection, links: Links, limit: int) -> int:
    people = await store_consents.to_be_asked(conn, limit=limit)
    if not people:
        return 0
    at = await db.now(conn)
    await store_consents.asked(conn, [person.id for person in people], at)
    await outbox.add(conn, [_question(person, links, at) for person in people if person.address])
    log.info("people.asked", people=len(people))
    return len(people)


def _question(person: Person, links: Links, at: datetime) -> PromptWanted:
    about = Leaving(person=person.id, channel=person.channel, address=person.address or "")
    data = PromptData(
        prompt=uuid5(person.id, f"confirm {about.channel} {about.address.lower()}"),
        playbook=PLAYBOOK,
        owner=person,
        event=Gathering(),
        ended_at=at,
        form_url=links.confirm(about),
    )
    return PromptWanted(time=at, subject=str(data.prompt), data=data)
