"""What a channel asks before a send begins, and what it answers about one attempt."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

# Puts the send on record as begun and says whether it may go on. A channel asks right before the first byte that could
# make a message of it: after a yes nobody can tell any more whether it went out, unless the other side answers.
Begin = Callable[[], Awaitable[bool]]

Outcome = Literal["sent", "refused", "deferred", "held", "unknown", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing goes out on the channel for a while; each pause in a row is twice as long as the one before."""

    reason: str
    first: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How an attempt ended.

    sent: it was taken. refused: it never will be. deferred: not now, and it counts. held: not now, and it is no fault
    of this nudge or its address. unknown: it may have been taken. dropped: the gate closed before the send began.
    """

    outcome: Outcome
    reason: str | None = None  # one word of ours
    reply: str | None = None  # the other side's words
    after: timedelta | None = None  # not again before
    suppress: bool = False  # the address must not be written to any more
    pause: Pause | None = None  # of the whole channel
    stop: bool = False  # the whole channel, until a person resumes it
    alert: bool = False  # somebody has to mend something: ours, or the mail server's settings
