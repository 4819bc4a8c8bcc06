"""An entry for the calendar of whoever wants to call or visit somebody, as a suggestion that can be moved."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from icalendar import Calendar, Event, vCalAddress, vText

from services.notifier import moments
from services.notifier.story import Story
from services.notifier.words import offers
from shared.events import DueFollowUp, NudgeData

WEEKEND: Final = {5, 6}


def entries(
    follow_ups: Sequence[DueFollowUp], stories: Sequence[Story], nudge: NudgeData, *, organizer: str, now: datetime
) -> bytes | None:
    """Return the calendar file (RFC 5545) of what these suggest to do, or None: most of it needs no appointment.

    School calendars are often shared: what was noted or promised is not in it, nor a link that acts. The organizer has
    to be the sender of the mail, or mail programs warn of it.
    """
    calendar = Calendar()
    calendar.add("PRODID", "-//Afterhello//Afterhello//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("METHOD", "PUBLISH")
    for follow_up, story in zip(follow_ups, stories, strict=True):
        minutes = offers(follow_up.playbook).get("calendar")
        if isinstance(minutes, int) and follow_up.calendar and story.them:
            calendar.add_component(_entry(follow_up, story, nudge, organizer, minutes, now))
    return calendar.to_ical() if calendar.subcomponents else None


def _entry(
    follow_up: DueFollowUp, story: Story, nudge: NudgeData, organizer: str, minutes: int, now: datetime
) -> Event:
    begins_at = _begins_at(follow_up, nudge, now)
    entry = Event()
    # The same follow-up later, after a snooze, is the same entry, moved.
    entry.add("UID", f"{follow_up.id}@{organizer.rpartition('@')[2]}")
    entry.add("SEQUENCE", int(follow_up.due_at.timestamp() // 60))
    entry.add("DTSTAMP", now.astimezone(UTC).replace(microsecond=0))
    entry.add("DTSTART", begins_at)
    entry.add("DTEND", begins_at + timedelta(minutes=minutes))
    entry.add("SUMMARY", vText(story.say("calendar")))
    entry.add("DESCRIPTION", vText(story.say("suggestion")))
    entry.add("ORGANIZER", vCalAddress(f"mailto:{organizer}"))
    entry.add("CLASS", "PRIVATE")
    entry.add("STATUS", "TENTATIVE")
    entry.add("TRANSP", "TRANSPARENT")
    return entry


def _begins_at(follow_up: DueFollowUp, nudge: NudgeData, now: datetime) -> datetime:
    """The goal they agreed on, else the next weekday at the time of day at which nudges come."""
    if follow_up.goal_at and follow_up.goal_at > now:
        return follow_up.goal_at.astimezone(UTC).replace(second=0, microsecond=0)
    zone = moments.zone(nudge.recipient.time_zone)
    due = follow_up.due_at.astimezone(zone)
    day = now.astimezone(zone).date() + timedelta(days=1)
    while day.weekday() in WEEKEND:
        day += timedelta(days=1)
    local = datetime.combine(day, due.time().replace(second=0, microsecond=0, fold=0), zone)
    return local.astimezone(UTC)
