"""How often one sender may call: a token bucket each, in this process."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from shared.problem import Problem

SENDERS: Final = 10_000  # the ones that called longest ago are forgotten, with their buckets full


class Rates:
    """A bucket for each sender: filled at `rate` a second, holding twice that."""

    def __init__(self, rate: int, *, clock: Callable[[], float]) -> None:
        self._rate = float(rate)
        self._burst = 2.0 * rate
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, sender: Hashable) -> None:
        """Return when the sender may go on; else raise the `Problem` 429 that says when to come again."""
        now = self._clock()
        tokens, at = self._buckets.pop(sender, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[sender] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > SENDERS:
            self._buckets.popitem(last=False)
        if not allowed:
            after = max(1, math.ceil((1 - tokens) / self._rate))
            raise Problem(429, "Too many submissions at once", headers={"Retry-After": str(after)})
