"""Changed wishes: what waits moves to where it belongs by them, and nothing is lost or sent at once by the change."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from services.scheduler import life
from services.scheduler.follow_up import FollowUp
from shared.events import Person
from tests.factories import at, meeting, person
from tests.scheduler.test_limit import due

WEDNESDAY = at("2026-10-21 15:30", "America/New_York").astimezone(UTC)


def moved(one: FollowUp, now: datetime, **changes: Any) -> FollowUp:
    before: Person = person()
    (after,) = life.moved([one], before, before.model_copy(update=changes), now=now)
    return after


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"send_at": time(8)}, "2026-10-22 08:00"),  # eight is over today
        ({"send_at": time(17)}, "2026-10-21 17:00"),
        ({"days": ("mon", "fri")}, "2026-10-23 15:30"),
        ({"time_zone": "Asia/Tokyo"}, "2026-10-22 02:30"),  # in Tokyo it is after 15:30; there, the next afternoon
    ],
)
def test_what_would_have_come_already_comes_at_the_next_send_time(changes: dict[str, Any], expected: str) -> None:
    now = WEDNESDAY - timedelta(hours=3)
    assert moved(due(meeting()), now, **changes).due_at == at(expected, "America/New_York")


def test_what_had_moved_to_another_day_is_not_too_late_when_the_old_one_is_wanted_again() -> None:
    waits = due(meeting(), WEDNESDAY - timedelta(days=3), due_at=WEDNESDAY)  # for a Sunday, which was not wanted
    after = moved(waits, WEDNESDAY - timedelta(hours=1), days=("sun", "wed", "thu"))
    assert after.due_at == WEDNESDAY


def test_what_passes_in_hours_comes_when_quiet_hours_end_earlier() -> None:
    night = at("2026-10-22 06:30", "America/New_York").astimezone(UTC)
    waits = due(meeting(), night - timedelta(hours=2), on_day=None, not_before=night - timedelta(hours=2))
    assert moved(waits, night, quiet_to=time(6)).due_at == at("2026-10-22 06:00", "America/New_York")
