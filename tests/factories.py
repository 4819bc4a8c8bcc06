"""Values that are valid by default; a test says only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from shared import events
from shared.events import (
    ActedData,
    AddressRestored,
    ConnectionTouched,
    Contact,
    DeliveryReported,
    DueFollowUp,
    FollowUpActed,
    Gathering,
    Meeting,
    MeetingData,
    MeetingLogged,
    NudgeData,
    NudgeDue,
    Person,
    PromptData,
    PromptWanted,
    Recipient,
    Report,
    ReportData,
    RestoredData,
    Touch,
    TouchData,
)


def at(text: str, zone: str = "UTC") -> datetime:
    """Return the instant of this wall-clock time in a zone: `at("2026-10-21 14:10", "America/New_York")`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


LOGGED_AT = at("2026-10-21 14:12", "America/New_York")


def person(**given: Any) -> Person:
    """Return an owner, Ada of New York."""
    fields: dict[str, Any] = {
        "id": events.new_id(),
        "revision": 1,
        "name": "Ada",
        "email": "ada@school.example",
        "time_zone": "America/New_York",
    }
    return Person(**fields | given)


def contact(**given: Any) -> Contact:
    """Return the person Ada met, Erin."""
    return Contact(**{"name": "Erin", "email": "erin@district.example"} | given)


def gathering(**given: Any) -> Gathering:
    """Return the conference at which they met."""
    return Gathering(**{"name": "MassCUE 2026", "kind": "conference", "hashtag": "masscue"} | given)


def meeting(**given: Any) -> Meeting:
    """Return a meeting as logged, at a conference, just now."""
    fields: dict[str, Any] = {
        "id": events.new_id(),
        "revision": 1,
        "connection": events.new_id(),
        "plan": "default",
        "logged_at": LOGGED_AT,
        "met_at": LOGGED_AT,
        "contact": contact(),
        "event": gathering(),
        "notes": "robotics club swap",
        "topics": ("robotics",),
        "promise": "send the rubric",
    }
    return Meeting(**fields | given)


def meeting_logged(*, owner: Person | None = None, **given: Any) -> MeetingLogged:
    """Return the event of a meeting with these fields."""
    what = meeting(**given)
    return MeetingLogged(
        time=what.logged_at, subject=str(what.id), data=MeetingData(meeting=what, owner=owner or person())
    )


def due_follow_up(**given: Any) -> DueFollowUp:
    """Return a follow-up as a nudge carries it."""
    fields: dict[str, Any] = {
        "id": events.new_id(),
        "playbook": "say-hello",
        "step": 1,
        "occurrence": 1,
        "due_at": datetime.now(UTC),
        "meeting": events.new_id(),
        "connection": events.new_id(),
        "logged_at": LOGGED_AT,
        "met_at": LOGGED_AT,
        "contact": contact(),
        "event": gathering(),
        "notes": "robotics club swap",
        "promise": "send the rubric",
    }
    return DueFollowUp(**fields | given)


def recipient(**given: Any) -> Recipient:
    """Return the one a nudge goes to: Ada."""
    fields: dict[str, Any] = {
        "id": events.new_id(),
        "name": "Ada",
        "address": "ada@school.example",
        "time_zone": "America/New_York",
    }
    return Recipient(**fields | given)


def nudge_due(**given: Any) -> NudgeDue:
    """Return the event of a nudge that is due now, with one follow-up."""
    due_at = given.get("due_at", datetime.now(UTC))
    fields: dict[str, Any] = {
        "nudge": events.new_id(),
        "recipient": recipient(),
        "channel": "email",
        "due_at": due_at,
        "too_late_after": due_at + timedelta(hours=24),
        "follow_ups": (due_follow_up(due_at=due_at),),
    }
    data = NudgeData(**fields | given)
    return NudgeDue(time=due_at, subject=str(data.nudge), data=data)


def acted(act: events.Act = "done", **given: Any) -> FollowUpActed:
    """Return the event of somebody acting."""
    fields: dict[str, Any] = {"act": act, "person": events.new_id(), "at": datetime.now(UTC)}
    data = ActedData(**fields | given)
    return FollowUpActed(time=data.at, subject=str(data.follow_up or data.connection or data.person), data=data)


def touched(connection: UUID, how: Touch = "replied", **given: Any) -> ConnectionTouched:
    """Return the event of a real contact."""
    fields: dict[str, Any] = {"person": events.new_id(), "at": datetime.now(UTC)}
    data = TouchData(connection=connection, how=how, **fields | given)
    return ConnectionTouched(time=data.at, subject=str(connection), data=data)


def restored(address: str, **given: Any) -> AddressRestored:
    """Return the event of an address that may be written to again."""
    data = RestoredData(**{"address": address, "channel": "email", "at": datetime.now(UTC)} | given)
    return AddressRestored(time=data.at, subject=str(data.person or data.channel), data=data)


def prompt_wanted(**given: Any) -> PromptWanted:
    """Return the event of a video call that is over."""
    fields: dict[str, Any] = {
        "prompt": events.new_id(),
        "owner": person(),
        "event": gathering(name="Robotics SIG", kind="sig", hashtag=None),
        "ended_at": LOGGED_AT,
        "form_url": "https://hello.school.example/log?event.name=Robotics+SIG",
    }
    data = PromptData(**fields | given)
    return PromptWanted(time=data.ended_at, subject=str(data.prompt), data=data)


def reported(what: Report = "delivered", **given: Any) -> DeliveryReported:
    """Return the event of a vendor's report about a mail."""
    data = ReportData(**{"what": what, "channel": "email", "at": datetime.now(UTC)} | given)
    return DeliveryReported(time=data.at, subject=str(data.nudge or data.channel), data=data)
