"""Forgetting: nothing is kept of whom, or of what, somebody asked not to be kept."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier import contacts, store, store_forgetting, store_standing
from services.notifier.record import record
from services.notifier.verdict import Change
from shared import dead_letter, outbox
from shared.db import Connection
from shared.events import Contact, DueFollowUp, Gathering, MeetingsForgotten, NudgeData, PersonErased

NOBODY: Final = Contact(name="forgotten")


async def forget_people(conn: Connection, events: Sequence[PersonErased], now: datetime) -> None:
    """Delete everything about these people; what waited for them is skipped."""
    erased = [event.data for event in events]
    people = {one.person for one in erased}
    await contacts.forget_owners(conn, people, now)
    queued = await store.queued(conn, people=people)
    addresses = {address.lower() for one in erased for address in one.addresses}
    await outbox.forget(conn, list(addresses))  # what is left there has ids alone
    await dead_letter.forget(conn, [*map(str, people), *addresses])
    await record(conn, [Change(nudge=one.id, token=None, state="skipped", reason="erased") for one in queued], now)
    await store_standing.forget(conn, erased)
    await store_forgetting.forget_addresses(conn, addresses)
    await store_forgetting.take_out(conn, addresses)


async def forget_meetings(conn: Connection, events: Sequence[MeetingsForgotten], now: datetime) -> None:
    """Keep nothing of what was said about these meetings, nor of what went to a contact who asked for it.

    That a nudge went out stays. What still waits is not sent: intake stopped the meetings when it forgot them.
    """
    forgotten = [event.data for event in events]
    meetings = {meeting for one in forgotten for meeting in one.meetings}
    follow_ups = {follow_up for one in forgotten for follow_up in one.follow_ups}
    addresses = {address.lower() for one in forgotten for address in one.addresses}
    await store_forgetting.keep_forgotten(conn, meetings, now)
    known = await store_forgetting.nudges_of(conn, {one.person for one in forgotten})
    bare = [without(nudge, meetings, follow_ups) for nudge in known]
    await store_forgetting.keep_facts(conn, [new for new, old in zip(bare, known, strict=True) if new is not old])
    if addresses:
        await dead_letter.forget(conn, list(addresses))
        queued = await store.queued(conn, addresses=addresses)
        await record(conn, [Change(nudge=one.id, token=None, state="skipped", reason="erased") for one in queued], now)
        await store_forgetting.forget_deliveries(conn, addresses)
        await store_forgetting.forget_addresses(conn, addresses)
        await store_forgetting.take_out(conn, addresses)


async def bare_of_forgotten(conn: Connection, nudges: Sequence[NudgeData]) -> list[NudgeData]:
    """Return these nudges without the words of meetings that were forgotten while they were on their way."""
    meetings = {one.meeting for nudge in nudges for one in nudge.follow_ups}
    forgotten = await store_forgetting.forgotten(conn, meetings)
    return [without(nudge, forgotten, ()) for nudge in nudges] if forgotten else list(nudges)


def without(nudge: NudgeData, meetings: Collection[UUID], follow_ups: Collection[UUID]) -> NudgeData:
    """Return the nudge with its ids, and no word about these meetings; the same value when it has none."""
    missed = tuple(one for one in nudge.missed if one.id not in follow_ups)
    carried = tuple(_bare(one) if one.meeting in meetings else one for one in nudge.follow_ups)
    if missed == nudge.missed and carried == nudge.follow_ups:
        return nudge
    return nudge.model_copy(update={"follow_ups": carried, "missed": missed})


def wordless(nudge: NudgeData) -> NudgeData:
    """Return the nudge with its ids and times alone: nobody's name, and nothing that was said."""
    recipient = nudge.recipient.model_copy(update={"name": None})
    carried = tuple(_bare(one) for one in nudge.follow_ups)
    return nudge.model_copy(update={"recipient": recipient, "follow_ups": carried, "missed": ()})


def _bare(one: DueFollowUp) -> DueFollowUp:
    nothing = {"event": Gathering(), "notes": None, "topics": (), "promise": None, "document": None, "form_url": None}
    owner = one.owner and one.owner.model_copy(update={"name": None, "email": None})
    return one.model_copy(update={"contact": NOBODY, "owner": owner, **nothing})
