"""A submission is logged: kept, and turned into people, connections, meetings and their events, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake import consent, meeting, reaching, returning, store, store_consents
from services.intake.body import Owner
from services.intake.booking import StateReason
from services.intake.meeting import Defaults, Draft, Submitted
from services.intake.store import Connected, NewMeeting, Received
from shared import outbox
from shared.db import Connection
from shared.events import (
    Channel,
    Event,
    Meeting,
    MeetingData,
    MeetingLogged,
    MeetingState,
    Person,
    PersonChanged,
    PersonData,
    new_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a submission became."""

    submission: UUID
    owner: Person
    meetings: tuple[Meeting, ...]


async def log(
    conn: Connection, received: Received, submitted: Submitted, *, defaults: Defaults, traceparent: str | None
) -> Logged | None:
    """Return what the submission became; None when it was accepted before, also if only an instant before.

    Raises `Invalid` for a time out of reach. The transaction is the caller's, and all of it or nothing.
    """
    submission = await store.accept(conn, received)
    if submission is None:
        return None
    return await add(conn, submission, submitted, now=received.at, defaults=defaults, traceparent=traceparent)


async def add(
    conn: Connection,
    submission: UUID,
    submitted: Submitted,
    *,
    now: datetime,
    defaults: Defaults,
    traceparent: str | None,
    ended: StateReason | None = None,
    first: int = 0,
) -> Logged:
    """Return the meetings added to an accepted submission, which has `first` already; `ended`: cancelled at once.

    Raises `Invalid` for a time out of reach.
    """
    owner, zone, known_events = await owner_of(conn, submitted, defaults, now)
    drafts = meeting.settle(submitted, zone=zone, now=now)
    connected = await store.connect(conn, owner.id, {draft.contact.key: _said(draft) for draft in drafts})
    state: MeetingState = "cancelled" if ended else "active"
    meetings = tuple(
        _meeting(draft, connected[draft.contact.key], now).model_copy(update={"state": state, "state_reason": ended})
        for draft in drafts
    )
    rows = [
        NewMeeting(
            id=m.id,
            connection=m.connection,
            plan=m.plan,
            met_at=m.met_at,
            goal_at=m.goal_at,
            sent=draft.facts,
            state=m.state,
            state_reason=m.state_reason,
        )
        for m, draft in zip(meetings, drafts, strict=True)
    ]
    await store.add_meetings(conn, rows, submission=submission, person=owner.id, logged_at=now, first=first)
    await store_consents.keep(
        conn,
        [
            agreed
            for draft, m in zip(drafts, meetings, strict=True)
            if draft.contact.consent
            for agreed in consent.of_contact(
                m.contact, defaults.origin, person=owner.id, connection=m.connection, at=now
            )
        ],
    )
    events: list[Event] = [
        MeetingLogged(time=now, subject=str(m.id), traceparent=traceparent, data=MeetingData(meeting=m, owner=owner))
        for m in meetings
    ]
    agreed_again = await returning.of_contacts(conn, [m.contact for m in meetings], defaults.erased, now=now)
    await outbox.add(conn, [*agreed_again, *known_events, *events])
    return Logged(submission=submission, owner=owner, meetings=meetings)


async def owner_of(
    conn: Connection, submitted: Submitted, defaults: Defaults, now: datetime
) -> tuple[Person, str, list[Event]]:
    """Return the owner, made if new, the zone that times without offset are read in, and the events to tell."""
    known = await store.find_owner(conn, submitted.owner.email, submitted.owner.phone)
    stored = known.person.time_zone if known and known.time_zone_from == "person" else None
    zone, _ = meeting.zone_of(submitted, stored=stored, defaults=defaults)
    owner, events = await _owner(conn, known, submitted, defaults, now)
    return owner, zone, events


async def _owner(
    conn: Connection, known: store.Owner | None, submitted: Submitted, defaults: Defaults, now: datetime
) -> tuple[Person, list[Event]]:
    """The owner, new or known, and the event that tells of what this submission added about a known one."""
    given = submitted.owner
    address = reaching.address_of(given.channel)
    came_in = _given_by(given, address)
    # Who gives one address of theirs does not stand behind another, to which we write.
    says_so = known is None or came_in[known.person.channel] == (known.person.address or "").lower()
    is_themselves = defaults.origin.is_themselves(given.email) and says_so
    zone, zone_from = meeting.zone_of(submitted, stored=None, defaults=defaults)
    adds = known is None or (
        (given.name and not known.person.name)
        or (given.phone and not known.person.phone)
        or (is_themselves and not known.person.confirmed)
        or meeting.ZONES_BY.index(zone_from) > meeting.ZONES_BY.index(known.time_zone_from)
    )
    if known and not adds:
        return known.person, []
    fresh = Person(
        id=new_id(),
        revision=1,
        name=given.name,
        email=known.person.email if known else given.email,
        phone=given.phone,
        apprise_url=address,
        channel=reaching.channel_of(given.channel),
        confirmed=is_themselves,
        time_zone=zone,
        zone_is_known=zone_from != "default" or defaults.zone_is_set,
        **meeting.wishes(given),
    )
    kept = (await store.keep_owner(conn, fresh, zone_from)).person
    is_same = (given.email or "").lower() == (kept.email or "").lower()  # as it was spelled first
    theirs = fresh.model_copy(update={"id": kept.id, "email": kept.email if is_same else given.email})
    await store_consents.keep(conn, consent.of_owner(theirs, defaults.origin, at=now))
    told: list[Event] = [*await returning.of_owner(conn, theirs, defaults.erased, now=now)]
    if kept.revision != (known.person.revision if known else 1):
        told.append(PersonChanged(time=now, subject=str(kept.id), data=PersonData(person=kept)))
    return kept, told


def _given_by(owner: Owner, address: str | None) -> dict[Channel, str | None]:
    """Return the addresses that a submission gives for its owner, in small letters."""
    given: dict[Channel, str | None] = {"email": owner.email, "sms": owner.phone, "apprise": address}
    return {channel: one.lower() if one else None for channel, one in given.items()}


def _said(draft: Draft) -> dict[str, Any]:
    """What this submission says of the contact: what it leaves out must not wipe what was known."""
    return draft.contact.model_dump(mode="json", exclude_none=True)


def _meeting(draft: Draft, connected: Connected, now: datetime) -> Meeting:
    facts: Mapping[str, Any] = draft.facts
    return Meeting(
        id=new_id(),
        revision=1,
        connection=connected.id,
        plan=draft.plan,
        logged_at=now,
        met_at=draft.met_at,
        goal_at=draft.goal_at,
        contact=connected.contact,
        event=meeting.gathering_of(facts),
        notes=facts["notes"],
        topics=tuple(facts["topics"]),
        promise=facts["promise"],
        document=facts["document"],
    )
