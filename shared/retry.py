"""The two errors across the edge to the outside, and the pause between tries."""

import random
from collections.abc import Sequence
from datetime import timedelta


class TryAgain(Exception):
    """Failed for now; `after` is how long the other side asked us to wait, if it said so."""

    def __init__(self, reason: str, *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class GiveUp(Exception):
    """Failed for good."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def backoff(attempt: int, delays: Sequence[timedelta], *, jitter: float = 0.1) -> timedelta:
    """Return the pause after the attempt with this number (1 is the first): the last delay repeats.

    The pause is stretched at random by up to `jitter`, so that what failed together does not come back together.
    """
    delay = delays[min(attempt, len(delays)) - 1]
    return delay * (1 + random.uniform(0, jitter))  # noqa: S311 - spreads load, guards nothing
