"""A change of a logged meeting: a JSON Merge Patch (RFC 7396) in the API's words, checked as a submission is. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

from services.intake import fields, happened, meeting
from services.intake.body import Body, FieldError, Invalid, Met, Where, checked
from services.intake.fields import When
from services.intake.guard import NOTHING, Guard
from services.intake.meeting import AHEAD, About, Submitted
from shared.events import Contact, Meeting, MeetingState

ALWAYS_THERE: Final = ("contact", "met_at", "plan", "state")
ELSEWHERE: Final = {
    "owner": "cannot be changed here: their wishes are at /api/v1/people/{email}",
    "contacts": "is not a field of one meeting: it has one contact",
}
AS_THEY_ARE: Final = ("notes", "promise", "document", "plan")


class Amended(Body):
    """The body of a change: any field of a meeting but its owner, and what has become of it."""

    state: MeetingState | None = None
    promise_kept_at: Annotated[When | None, fields.Optional] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What is to be other than before."""

    given: dict[str, Any] = field(default_factory=dict)  # by the names of `events.Meeting`
    sent: dict[str, Any] = field(default_factory=dict)  # what of it was sent, in the API's words
    contact: Met | None = None  # the connection's contact as it is to be
    contact_said: dict[str, Any] = field(default_factory=dict)  # what of it is other, as events tell it


def read(
    document: Mapping[str, Any],
    *,
    before: Meeting,
    event: Mapping[str, Any],
    zone: str,
    plans: Collection[str],
    phone_region: str | None,
    now: datetime,
    guard: Guard = NOTHING,
) -> Amendment:
    """Return what is asked for; `event` is the meeting's as sent. Raises `Invalid` naming every field that is wrong."""
    errors = [FieldError(field=name, problem=problem) for name, problem in ELSEWHERE.items() if name in document]
    asked: dict[str, Any] = {name: value for name, value in document.items() if name not in ELSEWHERE}
    if isinstance(document.get("contact"), Mapping):
        asked["contact"] = _merged(before.contact.model_dump(mode="json"), document["contact"])
    if isinstance(document.get("event"), Mapping):
        asked["event"] = _merged(event, document["event"])
    try:
        amended, refused = guard.passed(checked(Amended, asked, phone_region=phone_region))
        errors += refused
    except Invalid as invalid:
        raise Invalid([*errors, *invalid.errors]) from None
    errors += [
        FieldError(field=name, problem="cannot be removed")
        for name in ALWAYS_THERE
        if name in document and getattr(amended, name) is None
    ]
    if amended.plan is not None and amended.plan not in plans:
        errors.append({"field": "plan", "problem": f"must be one of {', '.join(sorted(plans))}"})
    given: dict[str, Any] = {}
    try:
        given = _times(document, amended, before=before, zone=zone, now=now)
    except Invalid as invalid:
        errors += invalid.errors
    if errors:
        raise Invalid(errors)
    return _amendment(document, amended, before.contact, given)


def _amendment(document: Mapping[str, Any], amended: Amended, known: Contact, given: dict[str, Any]) -> Amendment:
    sent = {name: getattr(amended, name) for name in AS_THEY_ARE if name in document}
    given |= sent
    if "topics" in document:
        sent["topics"] = list(dict.fromkeys(amended.topics or ()))
        given["topics"] = tuple(sent["topics"])
    if "event" in document:
        sent["event"] = (amended.event or Where()).model_dump(mode="json")
        given["event"] = meeting.gathering_of(sent)
    if amended.state:
        given["state"] = amended.state
    said: dict[str, Any] = {}
    if amended.contact:
        contact, was = meeting.contact_of(amended.contact).model_dump(mode="json"), known.model_dump(mode="json")
        said = {name: value for name, value in contact.items() if value != was[name]}
    return Amendment(given=given, sent=sent, contact=amended.contact if said else None, contact_said=said)


def _times(
    document: Mapping[str, Any], amended: Amended, *, before: Meeting, zone: str, now: datetime
) -> dict[str, Any]:
    errors: list[FieldError] = []
    given: dict[str, Any] = {}
    # A booking that is still to come may be moved as far as one is made.
    about: About = "booking" if before.met_at > now + AHEAD else "meeting"
    try:
        submitted = Submitted(owner=amended.owner, contacts=(), plan=before.plan, body=amended, about=about)
        met_at, goal_at = meeting.moments(submitted, zone=zone, now=now)
        given |= {"met_at": met_at} if amended.met_at else {}
        given |= {"goal_at": goal_at} if "goal_at" in document else {}
    except Invalid as invalid:
        errors += invalid.errors
    if "promise_kept_at" in document:
        kept = amended.promise_kept_at
        try:
            given["promise_kept_at"] = happened.at("promise_kept_at", kept, zone, now=now) if kept else None
        except Invalid as invalid:
            errors += invalid.errors
    if errors:
        raise Invalid(errors)
    return given


def _merged(known: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **asked}.items() if value is not None}
