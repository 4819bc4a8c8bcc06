"""What people said about follow-ups, connections and everything; and addresses that must not, or may again, be used."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.scheduler import addressee, keeping, life, meetings, planning, standing, store, touching
from services.scheduler import follow_up as kept
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.planning import Stop
from shared.db import Connection
from shared.events import ActedData, AddressRestored, AddressSuppressed, FollowUpActed, Person, TouchData


async def apply_acts(conn: Connection, events: Sequence[FollowUpActed], now: datetime) -> None:
    """Do what people said: done, later, stop; each also holds for what we hear of only afterwards."""
    acts = sorted((event.data for event in events), key=lambda act: act.at)
    forgotten = await standing.erased(conn, {act.person for act in acts})
    acts = [act for act in acts if act.person not in forgotten]
    # Who is no person of ours may be a contact, whose word ends what waits for them, whoever's it is.
    owners = await standing.owners_of_contacts(conn, {act.person for act in acts if act.act == "stop"})
    people = await store.lock_people(conn, {*(act.person for act in acts), *owners})
    changed = await _acted(conn, [act for act in acts if act.act != "stop"], people)
    await keeping.keep(conn, changed, now)
    await touching.touch(conn, [_touch(act) for act in acts if act.act == "done" and act.connection], now)
    stops = [(_stop(act), act.person) for act in acts if act.act == "stop"]
    await standing.keep_stops(conn, stops)
    await keeping.keep(conn, await _stopped(conn, stops, people), now)
    await store.tell_no_more(
        conn,
        people={stop.id for stop, _ in stops if stop.kind == "person"},
        connections={stop.id for stop, _ in stops if stop.kind == "connection"},
    )


async def skip_suppressed(conn: Connection, events: Sequence[AddressSuppressed], now: datetime) -> None:
    """Let nothing wait any more for an address that must not be written to."""
    suppressed = [event.data for event in events]
    people = await store.lock_people(conn, await standing.keep_suppressed(conn, suppressed))
    waiting = await store.waiting_of(conn, people)
    of_them = await store.meetings(conn, {one.meeting_id for one in waiting if one.addressee == "contact"})
    contacts = [meeting.contact for meeting in of_them.values()]
    # One that was restored since is none.
    addresses = (await standing.against(conn, people.values(), contacts)).suppressed
    changed = []
    for one in waiting:
        channel = addressee.channel_of(one, people[one.person_id])
        if one.addressee == "contact":
            address = addressee.agreed(of_them[one.meeting_id].contact)
        else:
            address = kept.address(people[one.person_id], channel)
        if ((address or "").lower(), channel) in addresses:
            changed.append(kept.ended(one, "skipped", "suppressed"))
    await keeping.keep(conn, changed, now)


async def restore_addresses(conn: Connection, events: Sequence[AddressRestored], now: datetime) -> None:
    """Let these addresses be written to again: what they were to get and is still to come waits once more.

    A stop ended what waited then for good; it no longer stands against what is planned from now on.
    """
    restored = [event.data for event in events]
    people = await store.lock_people(conn, await standing.keep_restored(conn, restored))
    suppressed = [one for one in await store.suppressed_of(conn, people) if one.due_at > now]
    of_them = await store.meetings(conn, {one.meeting_id for one in suppressed})
    against = await standing.against(conn, people.values(), [meeting.contact for meeting in of_them.values()])
    before = {one.id: one for one in suppressed}
    after = dict(before)
    for one in suppressed:
        person, meeting = people[one.person_id], of_them[one.meeting_id]
        waits = planning.stood(kept.moved_on(one.but(state="waiting", reason=None), clock_of(person), now), meeting)
        waits = planning.barred(waits, meeting, person, against)
        if waits.addressee == "contact":
            waits = waits.but(contact_id=addressee.id_of(meeting.contact))
        if waits.state == "waiting":
            after[one.id] = waits
    # Another meeting may have taken over while nothing could be sent.
    await meetings.go_on(conn, {one.connection_id for one in suppressed}, people, before, after, now)
    await keeping.keep(conn, life.changed(before, after), now)


async def _acted(conn: Connection, acts: Sequence[ActedData], people: dict[UUID, Person]) -> list[FollowUp]:
    known = {one.id: one for one in await store.follow_ups(conn, {act.follow_up for act in acts if act.follow_up})}
    heard: dict[UUID, list[ActedData]] = {}
    early: dict[UUID, ActedData] = {}
    for act in acts:
        if act.follow_up is None:
            continue  # a touch of the connection: no follow-up ends by it
        if act.follow_up in known:
            heard.setdefault(act.follow_up, []).append(act)
        else:
            early[act.follow_up] = act
    await standing.keep_early_acts(conn, list(early.values()))
    meetings = await store.meetings(conn, {known[id].meeting_id for id in heard})
    against = await standing.against(conn, people.values(), [meeting.contact for meeting in meetings.values()])
    after = [
        life.acted(known[id], of_it, meetings[known[id].meeting_id], people[known[id].person_id], against)
        for id, of_it in heard.items()
    ]
    return [one for one in after if one is not None]


async def _stopped(conn: Connection, stops: Sequence[tuple[Stop, UUID]], people: dict[UUID, Person]) -> list[FollowUp]:
    concerned = {person for _, person in stops if person in people}
    # A contact is none of the people: whatever of those that were locked waits for them is theirs to stop.
    concerned |= set(people) if any(person not in people for _, person in stops) else set()
    if not concerned:
        return []
    might = [*await store.waiting_of(conn, concerned), *await store.suppressed_of(conn, concerned)]
    meetings = await store.meetings(conn, {one.meeting_id for one in might})
    known = (await standing.against(conn, people.values(), [])).stops
    over = {(stop.kind, stop.id, stop.channel) for stop in known if stop.is_over}
    heard = [replace(stop, is_over=(stop.kind, stop.id, stop.channel) in over) for stop, _ in stops]
    return life.stopped(might, heard, meetings, people)


def _touch(act: ActedData) -> TouchData:
    return TouchData(person=act.person, connection=act.connection or act.person, at=act.at, how="done")


def _stop(act: ActedData) -> Stop:
    if act.connection is not None:
        return Stop(kind="connection", id=act.connection, channel="", at=act.at)
    return Stop(kind="person", id=act.person, channel=act.channel or "", at=act.at)
