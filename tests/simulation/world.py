"""The world of the simulation: its year, its zones, who the educators are, and what happens to everybody."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto as driver

from shared.events import Break, Person, Weekday

BEGINS: Final = datetime(2026, 8, 1, tzinfo=UTC)
ENDS: Final = datetime(2027, 8, 1, tzinfo=UTC)
DAYS: Final = (ENDS - BEGINS).days

CONFERENCES: Final = (date(2026, 10, 21), date(2027, 2, 24), date(2027, 6, 9))
MET_A_HEAD: Final = 30  # all at one of them, or ten at each

# Two days, in which falls what the first conference has "2 weeks" later: a day late for Asia, some hours for America.
DOWN: Final = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
UP: Final = datetime(2026, 11, 5, 12, 0, tzinfo=UTC)
RELEASED: Final = UP + timedelta(minutes=40)  # the backlog guard holds what is late until the operator says so
AFTER_THE_OUTAGE: Final = RELEASED + timedelta(minutes=2)  # by then everybody's turn has come
TOO_LATE_AFTER: Final = timedelta(hours=24)


def days(*spans: tuple[str, str]) -> tuple[Break, ...]:
    """Return breaks between these days."""
    return tuple(Break(first=date.fromisoformat(first), last=date.fromisoformat(last)) for first, last in spans)


NORTH: Final = days(
    ("2026-08-01", "2026-08-25"),
    ("2026-11-25", "2026-11-29"),
    ("2026-12-21", "2027-01-03"),
    ("2027-02-15", "2027-02-21"),
    ("2027-04-19", "2027-04-25"),
    ("2027-06-19", "2027-08-29"),
)
EUROPE: Final = days(
    ("2026-08-01", "2026-08-31"),
    ("2026-10-24", "2026-11-01"),  # the clocks change in it
    ("2026-12-19", "2027-01-03"),
    ("2027-03-22", "2027-04-04"),
    ("2027-07-21", "2027-09-01"),
)
SOUTH: Final = days(
    ("2026-09-26", "2026-10-11"),
    ("2026-12-18", "2027-01-31"),
    ("2027-04-03", "2027-04-18"),
    ("2027-07-03", "2027-07-18"),
)
MON_FRI: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri")


@dataclass(frozen=True, slots=True)
class Place:
    """Where educators live: the zone, its public holidays, its school week and breaks."""

    zone: str
    holidays: str
    breaks: tuple[Break, ...]
    week: tuple[Weekday, ...] = MON_FRI


PLACES: Final = (
    Place("America/New_York", "US-MA", NORTH),
    Place("America/Chicago", "US-IL", NORTH),
    Place("America/Los_Angeles", "US-CA", NORTH),
    Place("America/St_Johns", "CA-NL", NORTH),
    Place("America/Santiago", "CL", SOUTH),  # its clocks change at midnight: a day without one
    Place("Europe/London", "GB-ENG", EUROPE),
    Place("Europe/Berlin", "DE-BE", EUROPE),
    Place("Africa/Cairo", "EG", EUROPE, ("sun", "mon", "tue", "wed", "thu")),  # at midnight, too
    Place("Asia/Kathmandu", "NP", EUROPE, ("sun", "mon", "tue", "wed", "thu", "fri")),  # 5:45 ahead
    Place("Asia/Tokyo", "JP", EUROPE),
    Place("Australia/Lord_Howe", "AU-NSW", SOUTH),  # changes by half an hour
    Place("Pacific/Auckland", "NZ-AUK", SOUTH),
)


def identity(chance: random.Random) -> UUID:
    """Return an id that the seed decides, of the class that the database's driver makes."""
    return driver.UUID(chance.randbytes(16))


def educator(number: int, chance: random.Random) -> Person:
    """Return an educator with wishes as people have them, odd ones among them."""
    place = PLACES[number % len(PLACES)]
    send_at = time(15, 30)
    if chance.random() < 0.5:  # anything, at night too
        send_at = time(chance.randrange(24), 5 * chance.randrange(12))
    quiet_from, quiet_to = chance.choices(
        (
            (time(21), time(7)),
            (time(20), time(6)),
            (time(0), time(0)),  # none
            (time(22, 30), time(8, 15)),
            (time(8), time(15)),  # in class
            (time(0), time(6)),
        ),
        (70, 8, 5, 7, 5, 5),
    )[0]
    wanted: tuple[Weekday, ...] = chance.choices(
        (place.week, ("mon", "wed", "fri"), ("sat", "sun"), ("sun",)), (84, 10, 4, 2)
    )[0]
    return Person(
        id=identity(chance),
        revision=1,
        name=f"Educator {number}",
        email=f"educator{number}@school.example",
        phone="+15085550123",
        channel="sms" if chance.random() < 0.1 else "email",
        time_zone=place.zone,
        send_at=send_at,
        days=wanted,
        quiet_from=quiet_from,
        quiet_to=quiet_to,
        holidays=place.holidays if chance.random() < 0.8 else None,
        breaks=place.breaks if chance.random() < 0.8 else (),
        daily_limit=chance.choices((5, 3, 10, 2, 1), (70, 9, 12, 3, 6))[0],
    )
