"""A nudge: what is due, with all that its words and its sending need; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler.follow_up import FollowUp
from services.scheduler.prompt import Prompt
from services.scheduler.wall_clock import Clock
from services.scheduler.windows import closed
from shared.events import (
    Channel,
    Contact,
    DueFollowUp,
    Meeting,
    MissedFollowUp,
    NudgeData,
    Person,
    Recipient,
    Sender,
    new_id,
)

MISSED_A_NUDGE: Final = 100  # the newest; nobody reads a longer list, and a message has bounds


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody on whose behalf a contact is written to: on their days, and not in their quiet hours."""

    person: Person
    clock: Clock


def nudge_with(
    carried: Sequence[FollowUp],
    missed: Sequence[FollowUp],
    person: Person,
    channel: Channel,
    clocks: Mapping[UUID, Clock],
    meetings: Mapping[UUID, Meeting],
    owners: Mapping[UUID, Owner],
    *,
    too_late_after: timedelta,
) -> NudgeData:
    """Return the nudge to this person, or contact of these owners, that carries some follow-ups and names others.

    Too late is counted from the send time of the newest: who rolled, or was held, is none the later for it.
    """
    carried = sorted(carried, key=_in_order)
    due_at = carried[0].due_at
    until = carried[-1].due_at + too_late_after
    return NudgeData(
        nudge=new_id(),
        to="contact" if owners else "owner",
        recipient=Recipient(
            id=person.id,
            name=person.name,
            address=kept.address(person, channel) or "",
            locale=person.locale,
            time_zone=person.time_zone,
        ),
        channel=channel,
        due_at=due_at,
        too_late_after=until,
        quiet=closed([(one, clocks[one.id]) for one in carried], due_at, until),
        follow_ups=tuple(_carried(one, meetings[one.meeting_id], owners.get(one.person_id)) for one in carried),
        missed=tuple(
            MissedFollowUp(
                id=one.id,
                playbook=one.playbook,
                due_at=one.due_at,
                connection=one.connection_id,
                contact=_contact(meetings[one.meeting_id]),
            )
            for one in sorted(missed, key=_in_order)[-MISSED_A_NUDGE:]
        ),
    )


def _in_order(one: FollowUp) -> tuple[datetime, int, int, UUID]:
    return one.due_at, one.step, one.occurrence, one.id


def _carried(one: FollowUp, meeting: Meeting, owner: Owner | None) -> DueFollowUp:
    sender = owner and Sender(id=owner.person.id, name=owner.person.name, email=owner.person.email)
    return DueFollowUp(
        id=one.id,
        playbook=one.playbook,
        step=one.step,
        occurrence=one.occurrence,
        due_at=one.due_at,
        meeting=meeting.id,
        connection=meeting.connection,
        logged_at=meeting.logged_at,
        met_at=meeting.met_at,
        goal_at=meeting.goal_at,
        contact=_contact(meeting),
        event=meeting.event,
        notes=meeting.notes,
        topics=meeting.topics,
        promise=meeting.promise,
        document=meeting.document,
        form_url=meeting.form_url if isinstance(meeting, Prompt) else None,
        owner=sender,
        calendar=one.wants_entry,
    )


def _contact(meeting: Meeting) -> Contact | None:
    return None if isinstance(meeting, Prompt) else meeting.contact
