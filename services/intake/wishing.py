"""A person's wishes are changed, and the others told, in one transaction."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from services.intake import consent, store_consents, store_people, wishes
from services.intake.consent import Origin
from services.intake.guard import NOTHING, Guard
from services.intake.reaching import Served
from shared import db, outbox
from shared.db import Connection
from shared.events import Person, PersonChanged, PersonData


async def wish(
    conn: Connection,
    reached: str,
    document: Mapping[str, Any],
    *,
    owner: str | None,
    default_zone: str,
    served: Served,
    guard: Guard = NOTHING,
    traceparent: str | None = None,
) -> Person | None:
    """Return the person with the wishes of this document; None when there is no such person, or not `owner`.

    Raises `Invalid` naming every field that is wrong. What they stopped stays stopped: that is no wish.
    """
    person = await store_people.find(conn, reached, owner=owner, lock=True)
    if person is None:
        return None
    now = await db.now(conn)
    wished = wishes.read(
        document,
        person,
        default_zone=default_zone,
        today=now.astimezone(ZoneInfo(person.time_zone)).date(),
        served=served,
        guard=guard,
    )
    after = await store_people.change(conn, person, wished, zone_is_theirs=bool(document.get("time_zone")))
    if after is None:
        return person
    if after.address != person.address:
        if after.apprise_url and after.apprise_url != person.apprise_url:
            given = after.model_copy(update={"email": None, "phone": None})
            await store_consents.keep(conn, consent.of_owner(given, Origin(name="their wishes"), at=now))
        after = after.model_copy(update={"confirmed": await store_consents.settle(conn, after)})
    told = PersonChanged(time=now, subject=str(after.id), traceparent=traceparent, data=PersonData(person=after))
    await outbox.add(conn, [told])
    return after
