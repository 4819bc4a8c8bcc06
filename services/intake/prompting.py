"""A gathering is over, and its tool names no people: the host is asked whom they met, once."""

from urllib.parse import urlencode
from uuid import uuid5

from services.intake import logbook, meeting, store
from services.intake.answers import Gathered
from services.intake.body import FieldError
from services.intake.meeting import Defaults, Submitted
from services.intake.store import Accepted, Received
from shared import outbox
from shared.db import Connection
from shared.events import Gathering, PromptData, PromptWanted

NO_HOST = "is required: the tool does not say who the host is; set it for this source with --owner EMAIL"


async def ask(
    conn: Connection,
    received: Received,
    gathered: Gathered,
    submitted: Submitted,
    *,
    defaults: Defaults,
    public_url: str,
    traceparent: str | None,
) -> Accepted | None:
    """Ask for the host to be asked; None when the same was accepted before. Raises `Invalid` for a time out of reach.

    The prompt's id is the gathering's own, so that however often its end is told the host is asked once.
    """
    assert received.source is not None
    submission = await store.accept(conn, received)
    if submission is None:
        return None
    owner, zone, events = await logbook.owner_of(conn, submitted, defaults, received.at)
    ended_at, _ = meeting.moments(submitted, zone=zone, now=received.at)
    where = submitted.body.event
    event = Gathering.model_validate(where.model_dump(exclude_none=True)) if where else Gathering()
    prompt = uuid5(received.source, gathered.id)
    data = PromptData(
        prompt=prompt,
        owner=owner,
        event=event,
        ended_at=ended_at,
        form_url=_form(public_url, event, ended_at.isoformat(timespec="seconds")),
    )
    wanted = PromptWanted(time=received.at, subject=str(prompt), traceparent=traceparent, data=data)
    await outbox.add(conn, [*events, wanted])
    return Accepted(submission=submission, meetings=())


def hostless(errors: tuple[FieldError, ...]) -> list[FieldError]:
    """Return the errors; who is to be asked is said by the source, and not by a question of a form."""
    return [
        FieldError(field=error["field"], problem=NO_HOST) if error["field"] == "owner.email" else error
        for error in errors
    ]


def _form(public_url: str, event: Gathering, met_at: str) -> str:
    """The form, filled in as far as we know."""
    known = {"event.name": event.name, "event.kind": event.kind, "met_at": met_at}
    return f"{public_url}/log?{urlencode({name: value for name, value in known.items() if value})}"
