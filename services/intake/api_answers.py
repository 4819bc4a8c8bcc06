"""What the API answers, as its description has it. Pure."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime

from services.intake.fields import ClockTime
from shared.events import Act, Addressee, Break, Channel, EventKind, FollowUpState, MeetingState, NudgeState, Weekday


class Answer(BaseModel):
    """An answer, or a part of one. Fields may be added."""

    model_config = ConfigDict(frozen=True)


class Nudge(Answer):
    """The message that carried a follow-up."""

    id: UUID
    state: NudgeState
    reason: str | None
    at: AwareDatetime | None


class FollowUp(Answer):
    """One step of a plan, at one instant."""

    id: UUID
    step: int
    occurrence: int
    playbook: str
    state: FollowUpState
    reason: str | None
    local: Annotated[NaiveDatetime, Field(json_schema_extra={"format": "local date-time"})]
    zone: str
    due_at: AwareDatetime
    nudge: Nudge | None
    to: Annotated[Addressee, Field(description="Who gets it, when that is the contact; absent: the owner")] = "owner"


class Named(Answer):
    name: str


class Logged(Answer):
    """A meeting just logged, and what is going to follow."""

    id: UUID
    connection: UUID
    contact: Named
    plan: str
    follow_ups: list[FollowUp]


class MeetingsLogged(Answer):
    meetings: list[Logged]


class Contact(Answer):
    """Whom they met."""

    name: str
    email: str | None
    phone: str | None
    links: list[str]
    consent: bool


class Event(Answer):
    """Where they met."""

    name: str | None
    kind: EventKind | None
    hashtag: str | None
    place: str | None


class Line(Answer):
    """Something that happened around a meeting."""

    at: AwareDatetime
    what: str
    detail: str | None


class Meeting(Answer):
    """A meeting as it was sent, with what has become of it."""

    id: UUID
    connection: UUID
    owner: dict[str, Any]
    contact: Contact
    event: Event
    met_at: str
    notes: str | None
    topics: list[str]
    promise: str | None
    document: str | None
    goal_at: str | None
    plan: str
    state: MeetingState
    promise_kept_at: AwareDatetime | None
    follow_ups: list[FollowUp]
    timeline: list[Line]


class Reached(Answer):
    email: str | None = None
    phone: str | None = None


class Connection(Answer):
    """One owner with one contact."""

    id: UUID
    owner: Reached
    contact: Contact
    last_touch_at: AwareDatetime | None
    next_due_at: AwareDatetime | None
    plan: str
    state: MeetingState


class Connections(Answer):
    """A page of connections."""

    connections: list[Connection]
    next: Annotated[str | None, Field(description="The cursor of the next page")]


class Touch(Answer):
    id: UUID
    connection: UUID
    at: AwareDatetime
    note: str | None
    last_touch_at: AwareDatetime


class Acted(Answer):
    """What was done; not new if it had been done before."""

    follow_up: UUID
    act: Act
    new: bool


class Person(Answer):
    """How somebody wants to be written to."""

    name: str | None
    time_zone: str
    locale: str
    channel: Channel
    send_at: ClockTime
    days: list[Weekday]
    quiet_from: ClockTime
    quiet_to: ClockTime
    holidays: str | None
    breaks: list[Break]
    daily_limit: int
    paused_until: date | None


class Wrong(Answer):
    field: str
    problem: str


class Export(Answer):
    """Everything that intake keeps about somebody; what is in each part follows what is kept."""

    person: dict[str, Any] | None = None  # absent: known as a contact of others alone
    consents: list[dict[str, Any]] = []
    connections: list[dict[str, Any]] = []
    acts: list[dict[str, Any]] = []
    nudges: list[dict[str, Any]] = []
    suppressed: list[dict[str, Any]] = []
    submissions: list[dict[str, Any]] = []
    as_contact: list[dict[str, Any]]


class Erased(Answer):
    """What was erased, and when it will be everywhere."""

    person: UUID | None
    erased_at: AwareDatetime
    meetings: int
    connections: int
    submissions: int
    disabled_sources: list[str]
    complete: str


class Problem(Answer):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    errors: list[Wrong]
