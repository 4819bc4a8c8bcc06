"""A submission in the API's words becomes one meeting per contact, or says which field is wrong. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from services.intake import fields, reaching
from services.intake.body import CONTACTS, Body, FieldError, Invalid, Met, Owner, Where, check
from services.intake.consent import Origin
from services.intake.guard import NOTHING, Guard
from services.intake.reaching import Served
from shared.events import Contact, FollowUp, Gathering, Meeting, Person
from shared.signing import Fingerprints

OLDEST: Final = timedelta(days=3653)
AHEAD: Final = timedelta(days=1)
BOOKED_AHEAD: Final = timedelta(days=731)
GOAL_AHEAD: Final = timedelta(days=3653)
FAR: Final = {AHEAD: "a day", BOOKED_AHEAD: "two years", GOAL_AHEAD: "ten years"}
# A booking may lie two years ahead; of a gathering nobody is known but its host.
About = Literal["meeting", "booking", "gathering"]
ZoneFrom = Literal["default", "source", "person"]
ZONES_BY: Final[tuple[ZoneFrom, ...]] = ("default", "source", "person")  # the later one counts for more


class Planner(Protocol):
    """The plans there are, and what one would make of a meeting; the scheduler's own arithmetic, lent to intake."""

    @property
    def names(self) -> Collection[str]: ...

    async def step(self) -> int: ...

    def preview(
        self,
        meeting: Meeting,
        owner: Person,
        now: datetime,
        *,
        others: Sequence[Meeting] = (),
        touched_at: datetime | None = None,
        ended: Collection[tuple[int, int]] | None = None,
        suppressed: Collection[tuple[str, str]] = (),
    ) -> list[FollowUp]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What counts when a submission does not say it: of its source, and of this installation."""

    time_zone: str = "UTC"
    zone_is_set: bool = False  # the operator's word on where everybody is
    phone_region: str | None = None
    served: Served = field(default_factory=Served)
    zone: str | None = None
    owner: str | None = None
    plan: str | None = None
    origin: Origin = field(default_factory=Origin)
    guard: Guard = NOTHING
    erased: Fingerprints | None = None  # who comes back after they were erased is recognised by these

    def of_source(
        self, *, plan: str | None, zone: str | None, owner: str | None, origin: Origin | None = None
    ) -> "Defaults":
        """Return them with what a source adds."""
        return replace(self, plan=plan, zone=zone, owner=owner, origin=origin or self.origin)

    def asking(self, questions: Mapping[str, str]) -> "Defaults":
        """Return them for a submission that answers these questions of a form, by the fields they were taken for."""
        return replace(self, origin=self.origin.asking(questions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A submission whose fields are right each for itself; `settle` places it in time."""

    owner: Owner
    contacts: tuple[Met, ...]
    plan: str
    body: Body
    about: About = "meeting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One meeting, not yet stored: `facts` are the API's words for it, and become `meetings.sent`."""

    contact: Met
    plan: str
    met_at: datetime
    goal_at: datetime | None
    facts: dict[str, Any]


def read(
    document: Mapping[str, Any], *, plans: Collection[str], defaults: Defaults, about: About = "meeting"
) -> Submitted:
    """Return what was submitted; raises `Invalid` naming every field that is missing or wrong."""
    body, refused = defaults.guard.passed(check(document, phone_region=defaults.phone_region))
    owner = body.owner if body.owner.email else body.owner.model_copy(update={"email": defaults.owner})
    contacts: dict[str, Met] = {}
    for met in ((body.contact,) if body.contact else ()) + (body.contacts or ()):
        contacts.setdefault(met.key, met)  # the same contact twice is one
    plan = body.plan or defaults.plan or (body.event and body.event.kind in plans and body.event.kind) or "default"
    errors = [*refused]
    errors += reaching.problems(owner, defaults.served)
    if not contacts and about != "gathering":
        errors.append({"field": "contact.name", "problem": "is required"})
    if len(contacts) > CONTACTS:
        errors.append({"field": "contacts", "problem": f"must be at most {CONTACTS}"})
    if plan not in plans:
        errors.append({"field": "plan", "problem": f"must be one of {', '.join(sorted(plans))}"})
    if errors:
        raise Invalid(errors)
    return Submitted(owner=owner, contacts=tuple(contacts.values()), plan=plan, body=body, about=about)


def zone_of(submitted: Submitted, *, stored: str | None, defaults: Defaults) -> tuple[str, ZoneFrom]:
    """Return the owner's zone and who chose it: their own, else the submission's, else the source's, else ours."""
    if chosen := stored or submitted.owner.time_zone:
        return chosen, "person"
    return (defaults.zone, "source") if defaults.zone else (defaults.time_zone, "default")


def settle(submitted: Submitted, *, zone: str, now: datetime) -> list[Draft]:
    """Return the meetings, times without offset being read in this zone; raises `Invalid` for times out of reach."""
    body = submitted.body
    met_at, goal_at = moments(submitted, zone=zone, now=now)
    common = {
        "owner": submitted.owner.model_dump(mode="json", exclude_unset=True) | _identity(submitted.owner),
        "event": (body.event or Where()).model_dump(mode="json"),
        "met_at": met_at.isoformat(),
        "notes": body.notes,
        "topics": list(dict.fromkeys(body.topics or ())),
        "promise": body.promise,
        "document": body.document,
        "goal_at": goal_at and goal_at.isoformat(),
        "plan": submitted.plan,
    }
    return [
        Draft(
            contact=met,
            plan=submitted.plan,
            met_at=met_at,
            goal_at=goal_at,
            facts=common | {"contact": contact_of(met).model_dump(mode="json")},
        )
        for met in submitted.contacts
    ]


def moments(submitted: Submitted, *, zone: str, now: datetime) -> tuple[datetime, datetime | None]:
    """Return when they met and the goal's date, read in this zone; raises `Invalid` for times out of reach."""
    body = submitted.body
    errors: list[FieldError] = []
    ahead = BOOKED_AHEAD if submitted.about == "booking" else AHEAD
    met_at = _within("met_at", body.met_at or now, zone, now=now, ahead=ahead, errors=errors)
    goal_at = None
    if body.goal_at:
        goal_at = _within("goal_at", body.goal_at, zone, now=now, ahead=GOAL_AHEAD, errors=errors)
    if errors:
        raise Invalid(errors)
    return met_at, goal_at


def contact_of(met: Met) -> Contact:
    """Return the contact as events tell it; not saying whether they agreed is no."""
    links = tuple(dict.fromkeys(met.links or ()))
    return Contact(name=met.name, email=met.email, phone=met.phone, links=links, consent=bool(met.consent))


def gathering_of(facts: Mapping[str, Any]) -> Gathering:
    """Return the event at which they met; without a kind it is `other`."""
    return Gathering.model_validate({key: value for key, value in facts["event"].items() if value is not None})


def wishes(owner: Owner) -> dict[str, Any]:
    """Return the preferences that were given, by the names of a person's fields."""
    given = {name: getattr(owner, name) for name in WISHES}
    return {name: value for name, value in given.items() if value is not None}


WISHES: Final = (
    "locale", "send_at", "days", "quiet_from", "quiet_to", "holidays", "breaks", "daily_limit", "paused_until",
)  # fmt: skip


def _identity(owner: Owner) -> dict[str, str | None]:
    return {
        "email": owner.email,
        "name": owner.name,
        "phone": owner.phone,
        "time_zone": owner.time_zone,
        "channel": reaching.channel_of(owner.channel),  # an address of apprise's is a secret
    }


def _within(
    field: str, value: fields.Moment, zone: str, *, now: datetime, ahead: timedelta, errors: list[FieldError]
) -> datetime:
    try:
        at = fields.instant(value, zone, now=now)
        if at.astimezone(ZoneInfo("UTC")) < now - OLDEST:
            errors.append({"field": field, "problem": "must not be older than ten years"})
        elif at > now + ahead:
            errors.append({"field": field, "problem": f"must not be more than {FAR[ahead]} ahead"})
    except (OverflowError, ValueError):  # the calendar ends within a day of it
        errors.append({"field": field, "problem": "must be a date and time of our days"})
        at = now
    return at
