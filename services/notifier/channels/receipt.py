"""What a channel asks before a send begins, and what it answers about one attempt."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from services.notifier.message import Lost

# Puts the send on record as begun and says whether it may go on. A channel asks right before the first byte that could
# make a message of it: after a yes nobody can tell any more whether it went out, unless the other side answers.
Begin = Callable[[], Awaitable[bool]]

Outcome = Literal["sent", "found", "refused", "deferred", "held", "unknown", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What went before this message, as far as its words go by it."""

    is_first: bool = False  # nothing has gone to this address of theirs yet
    lost: tuple[Lost, ...] = ()  # what did not arrive, and has not been told yet
    began_with: str | None = None  # Message-ID of the first that went there about this connection alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing goes out on the channel for a while; each pause in a row is twice as long as the one before."""

    reason: str
    first: timedelta
    longest: timedelta


# What to do about a message that may have been taken: send it once more under the same id, which does little harm; ask
# the other side first, however often that takes; or leave it.
Unknown = Literal["repeat", "ask", "leave"]
UNKNOWNS_ALLOWED: Final = 1  # one repeat, with the same id


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How an attempt ended.

    sent: it was taken. found: an earlier attempt, of which nobody knew, had been taken. refused: it never will be.
    deferred: not now, and it counts. held: not now, and it is no fault of this nudge or its address. unknown: it may
    have been taken. dropped: the gate closed before the send began.
    """

    outcome: Outcome
    reason: str | None = None  # one word of ours
    reply: str | None = None  # the other side's words
    provider_id: str | None = None  # what the other side calls the message
    ask_after: timedelta | None = None  # ask it then what has become of the message, unless it has said so
    unknown: Unknown = "repeat"
    after: timedelta | None = None  # not again before
    for_at_most: timedelta | None = None  # after the nudge was due it is tried again
    slower: bool = False  # the domain of its address wants less at once
    suppress: bool = False  # the address must not be written to any more
    pause: Pause | None = None  # of the whole channel
    stop: bool = False  # the whole channel, until a person resumes it
    alert: bool = False  # somebody has to mend something: ours, or the mail server's settings
