"""What educators do in a year: whom they meet, what they answer, what they change their minds about."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events import ActedData, Contact, DueFollowUp, Gathering, Meeting, PromptData, TouchData
from tests.simulation.world import BEGINS, CONFERENCES, DAYS, ENDS, MET_A_HEAD, PLACES, identity

if TYPE_CHECKING:
    from tests.simulation.year import Year

KINDS: Final = ("edcamp", "meetup", "chat", "sig", "webinar", "other", "default", "goal")
SPANS: Final = ("2 hours", "5 hours", "1 day", "3 school days", "1 week", "2 weeks", "1 month")
ANSWERS: Final = ("done", "later", "stop", "stop all", "replied", "silent")
OF_A_THOUSAND: Final = (45, 75, 79, 79.3, 105, 1000)  # each with those before it
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def prepare(year: Year) -> None:
    """Let a year be filled with what does not depend on what comes before."""
    chance = year.chance
    attended = (chance.choice(CONFERENCES),) if chance.random() < 1 / 3 else CONFERENCES
    for day in attended:
        import_at = _local(year, day + chance.randrange(1, 40) * DAY, time(23, 40))  # late, and at night
        for _ in range(MET_A_HEAD // len(attended)):
            met_at = _local(year, day, time(8 + chance.randrange(10), chance.randrange(60)))
            logged_at = chance.choices(
                (met_at + 2 * MINUTE, _local(year, day, time(23, chance.randrange(60))), import_at), (75, 15, 10)
            )[0]
            _meet(year, "conference", met_at=met_at, logged_at=logged_at)
    for _ in range(chance.randrange(2)):
        kind, met_at = chance.choice(KINDS), some_time(year)
        goal_at = met_at + chance.randrange(20, 120) * DAY if kind == "goal" else None
        _meet(year, kind, met_at=met_at, logged_at=met_at + MINUTE, goal_at=goal_at)
    if chance.random() < 0.3:
        _visit(year)
    if chance.random() < 0.3:
        year.at(some_time(year), partial(_meet_again, year))
    for _ in range(chance.randrange(3)):
        year.at(some_time(year), partial(_touch_somebody, year))
    if chance.random() < 0.15:
        year.at(some_time(year), partial(_change_wishes, year))
    if chance.random() < 0.13:
        year.at(some_time(year), partial(_pause_or_stop, year))
    if chance.random() < 0.3:
        _host(year)
    for _ in range(chance.randrange(2)):
        year.at(some_time(year), partial(_act_early, year))
    if chance.random() < 0.06:
        year.at(some_time(year), partial(_bounce, year))
    if chance.random() < 0.01:
        year.at(some_time(year), lambda now: year.book.erase(now))


def answer(year: Year, one: DueFollowUp, nudged_at: datetime) -> None:
    """Let the owner, or the contact, do something about a nudge; mostly nothing."""
    chance = year.chance
    (act,) = chance.choices(ANSWERS, cum_weights=OF_A_THOUSAND)
    if act == "silent":
        return
    delay = timedelta(minutes=chance.uniform(1, 60)) if chance.random() < 0.6 else chance.uniform(0, 6) * DAY
    at = nudged_at + delay
    owner, whom = year.book.person.id, one.connection
    if act == "replied":
        year.at(at, partial(_heard_touch, year, TouchData(person=owner, connection=whom, at=at, how="replied")))
    elif act == "stop all":
        year.at(at, partial(_heard_act, year, ActedData(act="stop", person=owner, at=at)))
    elif act == "stop":
        year.at(at, partial(_heard_act, year, ActedData(act="stop", person=owner, connection=whom, at=at)))
    else:
        fields: dict[str, Any] = {"act": act, "person": owner, "connection": whom, "follow_up": one.id, "at": at}
        if act == "later":
            day = at.astimezone(ZoneInfo(year.book.person.time_zone)).date()
            until = {"until": day + chance.randrange(1, 60) * DAY}
            fields |= until if chance.random() < 0.4 else {"span": chance.choice(SPANS)}
        year.at(at, partial(_heard_act, year, ActedData(**fields)))


def some_time(year: Year) -> datetime:
    """Return a moment of the year at which somebody is awake, mostly."""
    day = BEGINS.date() + year.chance.randrange(1, DAYS) * DAY
    return _local(year, day, time(min(int(year.chance.triangular(0, 24, 16)), 23), year.chance.randrange(60)))


def _local(year: Year, day: date, at: time) -> datetime:
    return datetime.combine(day, at, ZoneInfo(year.book.person.time_zone)).astimezone(UTC)


def _meet(year: Year, plan: str, *, connection: UUID | None = None, logged_at: datetime, **given: Any) -> None:
    chance = year.chance
    what = Meeting(
        id=identity(chance),
        revision=1,
        connection=connection or identity(chance),
        plan=plan,
        logged_at=logged_at,
        contact=Contact(name="Erin"),
        event=Gathering(name="An event"),
        promise="send the rubric" if chance.random() < 0.5 else None,
        **given,
    )
    year.at(logged_at, lambda now: year.book.plan(what, now, as_of=logged_at))


def _visit(year: Year) -> None:
    """A booked visit: known beforehand, and now and then cancelled, missed, or moved."""
    chance, met_at = year.chance, some_time(year)
    logged_at = max(met_at - chance.randrange(1, 20) * DAY, BEGINS)
    what = Meeting(
        id=identity(chance),
        revision=1,
        connection=identity(chance),
        plan="visit",
        logged_at=logged_at,
        met_at=met_at,
        contact=Contact(name="Sam"),
    )
    year.at(logged_at, lambda now: year.book.plan(what, now, as_of=logged_at))
    changes: dict[str, Any] = chance.choice(
        (
            {},
            {"state": "cancelled", "state_reason": "cancelled"},
            {"state": "cancelled", "state_reason": "no-show"},
            {"met_at": met_at + chance.randrange(1, 30) * DAY},
        )
    )
    if changes:
        at = met_at - timedelta(hours=1) if "met_at" in changes else met_at + timedelta(hours=chance.randrange(1, 400))
        _change(year, what.id, at, changes)


def _host(year: Year) -> None:
    """A call they hosted: they are asked whom they met, and once more, as its tool tells of it twice."""
    ended_at = some_time(year)
    wanted = PromptData(
        prompt=identity(year.chance),
        owner=year.book.person,
        event=Gathering(name="A call"),
        ended_at=ended_at,
        form_url="https://hello.school.example/log",
    )
    for _ in range(2):
        year.at(ended_at + MINUTE, lambda now: year.book.ask(wanted, now, as_of=ended_at + MINUTE))


def _act_early(year: Year, now: datetime) -> None:
    """They deal with something before they are nudged about it."""
    if waiting := year.book.waiting():
        one, chance = year.chance.choice(waiting), year.chance
        how: dict[str, Any] = {"act": "done"} if chance.random() < 0.7 else {"act": "later", "span": "1 week"}
        year.book.act(
            ActedData(person=year.book.person.id, connection=one.connection_id, follow_up=one.id, at=now, **how), now
        )


def _bounce(year: Year, now: datetime) -> None:
    """Their mailbox is gone, and mostly is there again after a while."""
    year.book.suppress(now)
    if year.chance.random() < 0.8 and (until := now + year.chance.randrange(1, 60) * DAY) < ENDS - DAY:
        year.at(until, lambda then: year.book.restore(then))


def _change(year: Year, meeting: UUID, at: datetime, changes: dict[str, Any]) -> None:
    def heard(now: datetime) -> None:
        if known := year.book.meetings.get(meeting):
            year.book.plan(
                known.model_copy(update={"revision": known.revision + 1, **changes}), now, as_of=min(at, now)
            )

    year.at(at, heard)


def _meet_again(year: Year, now: datetime) -> None:
    if year.book.meetings:
        known = year.chance.choice(list(year.book.meetings.values()))
        _meet(year, year.chance.choice(KINDS[:-1]), connection=known.connection, met_at=now, logged_at=now + MINUTE)


def _touch_somebody(year: Year, now: datetime) -> None:
    if year.book.meetings:
        whom = year.chance.choice(list(year.book.meetings.values())).connection
        _heard_touch(year, TouchData(person=year.book.person.id, connection=whom, at=now, how="logged"), now)


def _change_wishes(year: Year, now: datetime) -> None:
    chance, person = year.chance, year.book.person
    changes: dict[str, Any] = chance.choice(
        (
            {"time_zone": chance.choice(PLACES).zone},
            {"send_at": time(chance.randrange(24), 10)},
            {"quiet_from": time(18), "quiet_to": time(9)},
            {"channel": "sms" if person.channel == "email" else "email"},
            {"daily_limit": chance.randrange(1, 10)},
            {"days": ("tue", "thu")},
            {"paused_until": now.date() + chance.randrange(3, 60) * DAY},
        )
    )
    year.book.change_person(person.model_copy(update={"revision": person.revision + 1, **changes}), now)
    if "paused_until" in changes and chance.random() < 0.5:  # and then ends it early
        year.at(now + chance.randrange(1, 30) * DAY, partial(_end_pause, year))


def _end_pause(year: Year, now: datetime) -> None:
    person = year.book.person
    year.book.change_person(person.model_copy(update={"revision": person.revision + 1, "paused_until": None}), now)


def _pause_or_stop(year: Year, now: datetime) -> None:
    if not year.book.meetings:
        return
    what = year.chance.choice(list(year.book.meetings.values()))
    if year.chance.random() < 0.2:
        _change(year, what.id, now, {"state": "stopped"})
    elif what.state == "active":
        _change(year, what.id, now, {"state": "paused"})
        resumed_at = now + year.chance.randrange(1, 90) * DAY
        if resumed_at < ENDS:
            _change(year, what.id, resumed_at, {"state": "active"})


def _heard_touch(year: Year, touch: TouchData, now: datetime) -> None:
    year.book.touch(touch, now)


def _heard_act(year: Year, act: ActedData, now: datetime) -> None:
    year.book.act(act, now)
