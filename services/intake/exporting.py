"""Everything that intake keeps about somebody, in the API's words, for them to read and to take along."""

from typing import Any

import orjson

from services.intake import store_consents, store_export, timeline, wishes
from shared.db import Connection
from shared.events import Person


async def everything(conn: Connection, person: Person) -> dict[str, Any]:
    """Return all that is kept about an owner, with what happened to it."""
    known = await store_export.about(conn, person.id)
    met = await store_export.meetings(conn, person.id)
    ids = [one["id"] for one in met]
    follow_ups = await timeline.follow_ups(conn, ids)
    meetings: dict[Any, list[dict[str, Any]]] = {}
    for one in met:
        happened = await timeline.timeline(conn, one["id"])
        shown = {**one.pop("sent"), **one, "follow_ups": follow_ups[one["id"]], "timeline": happened}
        meetings.setdefault(shown["connection"], []).append(shown)
    touches = await store_export.touches(conn, person.id)
    consents = [_consent(one) for one in await store_consents.of_person(conn, person.id)]
    return {
        "person": {"id": person.id, "email": person.email, "phone": person.phone, **wishes.shown(person)}
        | {"confirmed": person.confirmed, **known},
        "consents": [one for one in consents if one["connection"] is None],
        "connections": [
            {
                **connection,
                "consents": [one for one in consents if one["connection"] == connection["id"]],
                "touches": [one for one in touches if one["connection"] == connection["id"]],
                "meetings": meetings.get(connection["id"], []),
            }
            for connection in await store_export.connections(conn, person.id)
        ],
        "acts": await store_export.acts(conn, person.id),
        "nudges": await store_export.nudges(conn, person.id),
        "suppressed": await store_export.suppressed(conn, person),
        "submissions": [_submission(one) for one in await store_export.submissions(conn, person.id)],
    }


async def as_contact(conn: Connection, address: str) -> list[dict[str, Any]]:
    """Return what others noted about the contact at this address; who they are is theirs to say."""
    return [{**one.pop("sent"), **one} for one in await store_export.as_contact(conn, address.lower())]


def _consent(one: Any) -> dict[str, Any]:
    names = ("connection", "channel", "address", "at", "source", "wording", "confirmed_at")
    return {name: getattr(one, name) for name in names}


def _submission(row: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as JSON where it is that; one of which nothing is kept has no body."""
    raw: bytes = row.pop("body")
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        body = raw.decode("utf-8", "replace")
    return {**row, "body": body}
