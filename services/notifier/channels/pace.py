"""How fast mails go to one domain: so many a minute, slower for a while where its servers ask for it.

A mail whose turn has not come is told when that will be, and its turn is kept for it. A limiter that waits where it is
asked would hold a place that mails to other domains could have.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

FORGOTTEN_AFTER: Final = 3600.0  # seconds: a turn that nobody took, a domain nobody wrote to
SLOWEST: Final = 1.0  # mails a minute
SOON: Final = 1.0  # seconds early that a turn may be taken: timers are not exact
UNBOUND: Final = 600.0  # where slowing down begins when there are no bounds
RECOVERS_BY: Final = 1.1  # with each mail that is taken


@dataclass(slots=True)
class _Domain:
    a_minute: float
    next_turn: float = float("-inf")
    slowed_at: float = float("-inf")
    kept: dict[UUID, float] = field(default_factory=dict)  # turns given, by mail


class Pace:
    """Gives turns; `now` is of any clock that only goes forward, in seconds."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute  # 0: no bounds, but where a domain asked for them
        self._domains: dict[str, _Domain] = {}
        self._looked_at = 0.0

    def wait(self, domain: str, mail: UUID, now: float) -> float:
        """Return after how many seconds this mail may go to the domain; 0: now. Asked again, it keeps its turn."""
        self._forget(now)
        there = self._domains.get(domain)
        if there is None:
            if not self._a_minute:
                return 0.0
            there = self._domains[domain] = _Domain(a_minute=self._a_minute)
        turn = there.kept.pop(mail, None)
        if turn is None:
            # As many as go in a minute may go at once, if none went for a minute.
            there.next_turn = max(there.next_turn, now - 60 + 60 / there.a_minute)
            turn = there.next_turn
            there.next_turn += 60 / there.a_minute
        if turn <= now + SOON:
            return 0.0
        there.kept[mail] = turn
        return turn - now

    def slower(self, domain: str, now: float) -> None:
        """Halve how fast mails go to this domain: its servers asked for it. Those that ask together count once."""
        there = self._domains.setdefault(domain, _Domain(a_minute=self._a_minute or UNBOUND))
        if now - there.slowed_at < 60:
            return
        there.slowed_at = now
        there.a_minute = max(there.a_minute / 2, SLOWEST)
        there.next_turn = now + 60 / there.a_minute  # none at once, and those that have a turn get a later one
        there.kept.clear()

    def taken(self, domain: str) -> None:
        """Note that the domain took a mail: by and by they go as fast as before."""
        if there := self._domains.get(domain):
            there.a_minute = min(there.a_minute * RECOVERS_BY, self._a_minute or UNBOUND)

    def _forget(self, now: float) -> None:
        """Drop turns that nobody came for, and domains that nothing is known of any more."""
        if now < self._looked_at + FORGOTTEN_AFTER / 60:
            return
        self._looked_at = now
        for name, domain in list(self._domains.items()):
            domain.kept = {mail: turn for mail, turn in domain.kept.items() if turn > now - FORGOTTEN_AFTER}
            if not domain.kept and max(domain.next_turn, domain.slowed_at) < now - FORGOTTEN_AFTER:
                del self._domains[name]
