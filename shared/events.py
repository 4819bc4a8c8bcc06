"""The events between the services, and their envelope: the contract.

An event is a CloudEvents 1.0 JSON document in structured mode (https://github.com/cloudevents/spec, v1.0.2). Its `data`
carries the facts, so that no service has to ask another. Order is not promised: facts about an entity carry a
`revision`, and a projection ignores one that is not newer than what it has. Fields are added, never renamed.
"""

import secrets
import time as clock
from collections.abc import Sequence
from datetime import date, time
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime

CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"

Channel = Literal["email", "sms", "apprise"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EventKind = Literal["conference", "edcamp", "meetup", "chat", "sig", "webinar", "visit", "other"]
MeetingState = Literal["active", "paused", "stopped", "cancelled"]
FollowUpState = Literal["waiting", "nudged", "done", "stopped", "skipped", "expired"]
NudgeState = Literal["queued", "sent", "skipped", "failed", "delivered", "bounced"]
Act = Literal["done", "later", "stop"]
Addressee = Literal["owner", "contact"]
Touch = Literal["done", "replied", "logged"]
# delivered: it arrived. bounced: refused for good. failed: it did not arrive, which says nothing of the address.
# delayed: it has not arrived yet. complained, unsubscribed: it arrived, and they want no more of it.
Report = Literal["delivered", "bounced", "failed", "delayed", "complained", "unsubscribed"]


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562, section 5.7): sortable by the millisecond it was made in."""
    value = (clock.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


class Facts(BaseModel):
    """A value inside an event. A field that a newer version added is ignored by an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Break(Facts):
    """Days on which nothing is sent, both ends included."""

    first: date
    last: date


class Person(Facts):
    """An owner: the educator who gets the nudges, with the wishes that planning and sending need."""

    id: UUID
    revision: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    apprise_url: str | None = None  # of a service that the apprise library speaks to: who has it can write to them
    channel: Channel = "email"
    confirmed: bool = True  # their channel's address was given, or confirmed, by themselves
    locale: str = "en"
    time_zone: str = "UTC"  # an IANA name
    zone_is_known: bool = True  # they, their form or the operator said so; else it is a guess
    send_at: time = time(15, 30)
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    quiet_from: time = time(21, 0)
    quiet_to: time = time(7, 0)
    holidays: str | None = None  # a region of the `holidays` library, such as US-MA
    breaks: tuple[Break, ...] = ()
    daily_limit: int = 5
    paused_until: date | None = None

    @property
    def address(self) -> str | None:
        """Where this person's channel writes to; None when they never gave one."""
        return self.address_on(self.channel)

    def address_on(self, channel: Channel) -> str | None:
        """Return where this channel writes to this person; None when they never gave one."""
        return {"email": self.email, "sms": self.phone, "apprise": self.apprise_url}[channel]


class Contact(Facts):
    """The person the owner met."""

    name: str
    email: str | None = None
    phone: str | None = None
    links: tuple[str, ...] = ()
    consent: bool = False


class Gathering(Facts):
    """The event at which they met: `event` on the wire."""

    name: str | None = None
    kind: EventKind = "other"
    hashtag: str | None = None
    place: str | None = None


class Meeting(Facts):
    """One encounter, as logged."""

    id: UUID
    revision: int
    connection: UUID
    state: MeetingState = "active"
    state_reason: Literal["cancelled", "no-show"] | None = None  # of a cancelled one
    plan: str
    logged_at: AwareDatetime
    met_at: AwareDatetime
    goal_at: AwareDatetime | None = None
    contact: Contact
    event: Gathering = Gathering()
    notes: str | None = None
    topics: tuple[str, ...] = ()
    promise: str | None = None
    promise_kept_at: AwareDatetime | None = None
    document: str | None = None


class FollowUp(Facts):
    """One step of one meeting at one concrete instant, as the scheduler has it."""

    id: UUID
    revision: int
    meeting: UUID
    connection: UUID
    person: UUID
    step: int
    occurrence: int
    playbook: str
    state: FollowUpState
    reason: str | None = None
    local: NaiveDatetime  # the recipient's wall clock
    zone: str
    due_at: AwareDatetime
    nudge: UUID | None = None
    to: Addressee = "owner"


class Recipient(Facts):
    """To whom a nudge goes: an owner, or a contact, whose id is made of their address."""

    id: UUID
    name: str | None = None
    address: str
    locale: str = "en"
    time_zone: str = "UTC"


class Sender(Facts):
    """The owner on whose behalf a contact is written to."""

    id: UUID
    name: str | None = None
    email: str | None = None


class DueFollowUp(Facts):
    """A follow-up inside a nudge, with what its words need."""

    id: UUID
    playbook: str
    step: int
    occurrence: int
    due_at: AwareDatetime
    meeting: UUID
    connection: UUID
    logged_at: AwareDatetime
    met_at: AwareDatetime
    goal_at: AwareDatetime | None = None
    contact: Contact | None = None  # nobody yet: a prompt asks the owner whom they met
    event: Gathering = Gathering()
    notes: str | None = None
    topics: tuple[str, ...] = ()
    promise: str | None = None
    document: str | None = None
    form_url: str | None = None  # of a prompt: where the meetings are logged, filled in as far as we know
    owner: Sender | None = None  # of a nudge to the contact: who met them
    calendar: bool = False  # whether its plan wants an entry for the calendar


class MissedFollowUp(Facts):
    """A follow-up that expired unsent; the next nudge names it."""

    id: UUID
    playbook: str
    due_at: AwareDatetime
    connection: UUID
    contact: Contact | None = None


class Window(Facts):
    """A stretch of time, its end not included."""

    opens_at: AwareDatetime
    closes_at: AwareDatetime


class MeetingData(Facts):
    meeting: Meeting
    owner: Person


class PersonData(Facts):
    person: Person


class ErasedData(Facts):
    person: UUID
    at: AwareDatetime
    addresses: tuple[str, ...] = ()  # of theirs alone: what else is kept by them is to go too


class ForgottenData(Facts):
    """Meetings of one owner of which nothing is to be kept, since they are deleted or the contact asked for it."""

    person: UUID  # the owner
    meetings: tuple[UUID, ...]
    follow_ups: tuple[UUID, ...] = ()  # of theirs, as far as intake knows them
    addresses: tuple[str, ...] = ()  # the contact's, when it is they who are forgotten
    at: AwareDatetime


class ActedData(Facts):
    """What somebody did about a follow-up, a connection (no follow-up), or everything of theirs (neither)."""

    act: Act
    person: UUID
    connection: UUID | None = None
    follow_up: UUID | None = None
    channel: Channel | None = None  # a stop of everything on this channel alone
    until: date | None = None  # later: not before this day, or
    span: str | None = None  # this long from `at`, such as "1 week"
    at: AwareDatetime


class SuppressedData(Facts):
    address: str
    channel: Channel
    reason: str
    at: AwareDatetime
    person: UUID | None = None


class RestoredData(Facts):
    """An address that may be written to again: its suppression, and a stop of everything of this person, are over."""

    address: str
    channel: Channel
    at: AwareDatetime
    person: UUID | None = None


class TouchData(Facts):
    """A real contact of an owner with the person they met."""

    person: UUID
    connection: UUID
    at: AwareDatetime
    how: Touch


class PromptData(Facts):
    """Something to ask an owner: whom they met at a gathering, or whether an address that others gave may be used."""

    prompt: UUID  # the same for the same question, however often it is asked
    playbook: str = "who-did-you-meet"  # or confirm-address: the one thing that goes to who has not confirmed
    owner: Person
    event: Gathering
    ended_at: AwareDatetime
    form_url: str  # the form, or the page that confirms


class BreaksData(Facts):
    """All breaks that were imported for one person, or (null) for everybody."""

    person: UUID | None = None
    revision: int
    breaks: tuple[Break, ...] = ()


class FollowUpData(Facts):
    follow_up: FollowUp
    at: AwareDatetime


class NudgeData(Facts):
    nudge: UUID
    to: Addressee = "owner"  # all that it carries is
    recipient: Recipient
    channel: Channel
    due_at: AwareDatetime
    too_late_after: AwareDatetime
    quiet: tuple[Window, ...] = ()  # when it must not go out: nights, unwanted days, breaks
    follow_ups: Annotated[tuple[DueFollowUp, ...], Field(min_length=1)]
    missed: tuple[MissedFollowUp, ...] = ()


class DeliveryData(Facts):
    nudge: UUID
    revision: int
    person: UUID
    channel: Channel
    state: NudgeState
    reason: str | None = None
    at: AwareDatetime
    follow_ups: tuple[UUID, ...] = ()


class ReportData(Facts):
    """What a vendor or a mail server says of a message that had been taken. It may come before we know that it was."""

    what: Report
    channel: Channel
    nudge: UUID | None = None  # when the report names it; else it is found by
    provider_id: str | None = None  # what the vendor calls the message, or
    address: str | None = None  # to whom the last one went
    code: str | None = None  # "5.1.1", "30003"; of a bounce without one the vendor itself says that it is for good
    detail: str | None = None  # in their own words
    at: AwareDatetime


class Event(BaseModel):
    """The CloudEvents envelope; each kind of event is a subclass with its own `data`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]

    source: str  # who says so: /afterhello/<service>
    id: UUID = Field(default_factory=new_id)
    time: AwareDatetime
    subject: str  # the entity's id
    traceparent: str | None = None  # W3C Trace Context, carried from the request that began it

    def to_json(self) -> bytes:
        """Return the structured-mode document, without a line break."""
        document: dict[str, Any] = {"specversion": "1.0", "type": self.type}
        document |= self.model_dump(mode="json", exclude_none=True)
        document["data"] = self.model_dump(mode="json", include={"data"})["data"]
        return orjson.dumps(document | {"datacontenttype": "application/json"})


class MeetingLogged(Event):
    type = "afterhello.meeting.logged.v1"
    source: str = "/afterhello/intake"
    data: MeetingData


class MeetingChanged(Event):
    type = "afterhello.meeting.changed.v1"
    source: str = "/afterhello/intake"
    data: MeetingData


class PersonChanged(Event):
    type = "afterhello.person.changed.v1"
    source: str = "/afterhello/intake"
    data: PersonData


class PersonErased(Event):
    type = "afterhello.person.erased.v1"
    source: str = "/afterhello/intake"
    data: ErasedData


class MeetingsForgotten(Event):
    type = "afterhello.meeting.forgotten.v1"
    source: str = "/afterhello/intake"
    data: ForgottenData


class FollowUpActed(Event):
    type = "afterhello.follow_up.acted.v1"
    source: str = "/afterhello/intake"
    data: ActedData


class AddressSuppressed(Event):
    type = "afterhello.address.suppressed.v1"
    source: str = "/afterhello/notifier"  # intake emits it too, when somebody unsubscribes
    data: SuppressedData


class AddressRestored(Event):
    type = "afterhello.address.restored.v1"
    source: str = "/afterhello/notifier"  # intake emits it too, when somebody wants to hear from us again
    data: RestoredData


class ConnectionTouched(Event):
    type = "afterhello.connection.touched.v1"
    source: str = "/afterhello/intake"
    data: TouchData


class PromptWanted(Event):
    type = "afterhello.prompt.wanted.v1"
    source: str = "/afterhello/intake"
    data: PromptData


class DeliveryReported(Event):
    type = "afterhello.delivery.reported.v1"
    source: str = "/afterhello/intake"
    data: ReportData


class BreaksChanged(Event):
    type = "afterhello.breaks.changed.v1"
    source: str = "/afterhello/scheduler"
    data: BreaksData


class FollowUpChanged(Event):
    type = "afterhello.follow_up.changed.v1"
    source: str = "/afterhello/scheduler"
    data: FollowUpData


class NudgeDue(Event):
    type = "afterhello.nudge.due.v1"
    source: str = "/afterhello/scheduler"
    data: NudgeData


class DeliveryChanged(Event):
    type = "afterhello.delivery.changed.v1"
    source: str = "/afterhello/notifier"
    data: DeliveryData


EVENTS: Final[dict[str, type[Event]]] = {
    event.type: event
    for event in (
        MeetingLogged,
        MeetingChanged,
        PersonChanged,
        PersonErased,
        MeetingsForgotten,
        FollowUpActed,
        AddressSuppressed,
        AddressRestored,
        ConnectionTouched,
        PromptWanted,
        DeliveryReported,
        BreaksChanged,
        FollowUpChanged,
        NudgeDue,
        DeliveryChanged,
    )
}


class Unreadable(ValueError):
    """A message that is no event we know: why, in words, and the document it was found in."""


def read(document: bytes) -> Event:
    """Return the event in one structured-mode document.

    Raises `Unreadable` for what is not JSON, not CloudEvents 1.0, of an unknown type, or whose data does not fit.
    """
    try:
        fields = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from error
    if not isinstance(fields, dict) or fields.get("specversion") != "1.0":
        raise Unreadable("not a CloudEvents 1.0 document")
    kind = EVENTS.get(str(fields.get("type")))
    if kind is None:
        raise Unreadable(f"unknown event type {str(fields.get('type'))[:80]!r}")
    try:
        return kind.model_validate_json(document)
    except ValueError as error:
        raise Unreadable(f"{kind.type}: {error}") from error


def split(body: bytes) -> list[bytes]:
    """Return the documents of a message: several when it is a JSON batch, else the body itself."""
    if not body.lstrip().startswith(b"["):
        return [body]
    try:
        return [orjson.dumps(document) for document in orjson.loads(body)]
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from error


def batch(documents: Sequence[bytes]) -> tuple[str, bytes]:
    """Return content type and body of one message that carries these documents."""
    if len(documents) == 1:
        return CONTENT_TYPE, documents[0]
    return BATCH_CONTENT_TYPE, b"[" + b",".join(documents) + b"]"
