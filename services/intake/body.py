"""The body of a submission in the API's words, each field checked for itself. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypedDict, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from services.intake import fields
from services.intake.fields import ClockTime, Day, Email, Hashtag, Link, Name, Notes, Phone, Promise, Topic, When, Zone
from services.intake.profile_links import ProfileLink
from shared.events import Break, EventKind, Weekday

P = TypeVar("P", bound="Part")

CONTACTS: Final = 50


class FieldError(TypedDict):
    field: str
    problem: str


class Invalid(Exception):
    """Not a meeting: every field that is wrong, and why."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error['field']} {error['problem']}" for error in errors))
        self.errors = tuple(errors)


def check(document: Mapping[str, Any], *, phone_region: str | None) -> "Body":
    """Return the body; raises `Invalid` naming every field that is wrong in itself."""
    return checked(Body, document, phone_region=phone_region)


def checked(model: type[P], document: Mapping[str, Any], *, phone_region: str | None = None) -> P:
    """Return what was sent as this model; raises `Invalid` naming every field that is wrong in itself."""
    try:
        return model.model_validate(document, context={"phone_region": phone_region})
    except ValidationError as error:
        raise Invalid(_errors(error)) from None


class Part(BaseModel):
    """What is sent, or a part of it: fields that are not known are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _break(value: object) -> object:
    """Return a break from `2026-12-21..2027-01-02`, a single day, or the two ends by name."""
    if isinstance(value, str):
        first, _, last = value.partition("..")
        value = {"first": first, "last": last or first}
    if not isinstance(value, dict) or value.keys() != {"first", "last"}:
        raise ValueError("must be days such as 2026-12-21..2027-01-02")
    found = Break(first=fields.day(value["first"]), last=fields.day(value["last"]))
    if found.last < found.first:
        raise ValueError("must not end before it begins")
    return found


class Wishes(Part):
    """When, where and how somebody wants to be written to."""

    name: Annotated[Name | None, fields.Optional] = None
    time_zone: Annotated[Zone | None, fields.Optional] = None
    channel: Annotated[fields.Reach | None, fields.Optional] = None  # or an address, which has a channel of its own
    locale: Annotated[fields.Locale | None, fields.Optional] = None
    send_at: Annotated[ClockTime | None, fields.Optional] = None
    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] | None = None
    quiet_from: Annotated[ClockTime | None, fields.Optional] = None
    quiet_to: Annotated[ClockTime | None, fields.Optional] = None
    holidays: Annotated[fields.Holidays | None, fields.Optional] = None
    breaks: (
        Annotated[
            tuple[Annotated[Break, BeforeValidator(_break, json_schema_input_type=Break | str)], ...],
            Field(max_length=50),
        ]
        | None
    ) = None
    daily_limit: Annotated[StrictInt, Field(ge=1, le=50)] | None = None
    paused_until: Annotated[Day | None, fields.Optional] = None


class Owner(Wishes):
    """Who logged it. Their wishes count when they are new, but for name and zone, which fill what is unknown."""

    email: Annotated[Email | None, fields.Optional] = None
    phone: Annotated[Phone | None, fields.Optional] = None


class Met(Part):
    """Whom they met."""

    name: Name
    email: Annotated[Email | None, fields.Optional] = None
    phone: Annotated[Phone | None, fields.Optional] = None
    links: Annotated[tuple[ProfileLink, ...], Field(max_length=10)] | None = None
    consent: StrictBool | None = None  # None: not said this time

    @property
    def key(self) -> str:
        """What tells one contact of an owner from another."""
        if self.email:
            return f"email:{self.email.lower()}"
        return f"phone:{self.phone}" if self.phone else f"name:{' '.join(self.name.casefold().split())}"


class Where(Part):
    name: Annotated[Name | None, fields.Optional] = None
    kind: Annotated[EventKind | None, fields.Optional] = None
    hashtag: Annotated[Hashtag | None, fields.Optional] = None
    place: Annotated[Name | None, fields.Optional] = None


class Body(Part):
    owner: Owner = Owner()
    contact: Met | None = None
    contacts: tuple[Met, ...] | None = None  # of which at most CONTACTS are different people, see `meeting.read`
    event: Where | None = None
    met_at: Annotated[When | None, fields.Optional] = None
    notes: Annotated[Notes | None, fields.Optional] = None
    topics: Annotated[tuple[Topic, ...], Field(max_length=20)] | None = None
    promise: Annotated[Promise | None, fields.Optional] = None
    document: Annotated[Link | None, fields.Optional] = None
    goal_at: Annotated[When | None, fields.Optional] = None
    plan: Annotated[Name | None, fields.Optional] = None


class Touched(Part):
    """A real contact: a talk, a call, an answer that we did not see."""

    at: Annotated[When | None, fields.Optional] = None
    note: Annotated[Notes | None, fields.Optional] = None


WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field known here",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_pattern_mismatch": "is not of the form it must have",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
}


def _errors(error: ValidationError) -> list[FieldError]:
    """Every problem by the dotted name of its field; what was sent is not repeated, but for names of fields."""
    found = []
    problems = error.errors(include_url=False, include_input=False)
    inside = {problem["loc"][:depth] for problem in problems for depth in range(1, len(problem["loc"]))}
    for problem in problems:
        if problem["loc"] in inside:
            continue  # a list that is too short only because what is in it is wrong
        name = ".".join(str(part)[:60] for part in problem["loc"])
        found.append(FieldError(field=name or "body", problem=_words(problem["type"], problem)))
    return found


def _words(kind: str, problem: Any) -> str:
    limits: dict[str, Any] = problem.get("ctx", {})
    match kind:
        case "value_error":
            return str(limits["error"])
        case "literal_error":
            return f"must be {limits['expected']}"
        case "too_long":
            return f"must be at most {limits['max_length']}"
        case "too_short":
            return f"must be at least {limits['min_length']}"
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
    return WORDS.get(kind, "is not what belongs here")
