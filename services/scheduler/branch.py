"""Branches: a step with `on` goes out only if the step before it turned out so; pure.

It is planned as every step is, at its own time, and decided when that has come, by what is known then:

- `on = "done"`: the owner pressed done on the step before;
- `on = "replied"`: the contact has answered since the step before was due;
- `on = "silent"`: neither, nor any other touch of the connection since.

If so it goes out as every step does; if not it is `skipped: superseded`. While the step before still waits itself (it
was put off) nothing is known: the branch waits with it, from one send time to the next. Nothing comes earlier, later or
twice for a branch, and nothing branches on anything but the step right before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.scheduler.follow_up import Outcome
from shared.events import FollowUpState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBefore:
    """How the step before a branch stands."""

    is_waiting: bool
    is_done: bool
    has_reply: bool  # of the contact, since it was due
    was_touched: bool  # the connection, in any way, since it was due


def step_before(
    states: Sequence[FollowUpState],
    due_at: datetime | None,
    *,
    met_at: datetime,
    replied_at: datetime | None,
    touched_at: datetime | None,
) -> StepBefore:
    """Return how the step before stands, of which these are the states and the first moment; without one, how the
    connection does since they met."""
    since = due_at or met_at
    return StepBefore(
        is_waiting="waiting" in states,
        is_done="done" in states,
        has_reply=replied_at is not None and replied_at >= since,
        was_touched=touched_at is not None and touched_at >= since,
    )


def is_taken(on: Outcome, before: StepBefore) -> bool | None:
    """Return whether the branch is taken; None while that is not known."""
    if before.is_waiting:
        return None
    match on:
        case "done":
            return before.is_done
        case "replied":
            return before.has_reply
        case "silent":
            return not (before.is_done or before.was_touched)
        case _:
            assert_never(on)
