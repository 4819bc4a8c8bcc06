"""How long a sender is let wait for the database: a moment when it answers nobody, longer while it works."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

AT_FIRST_SECONDS: Final = 0.9  # whoever asks is to have an answer within a second
AFTER_A_SIGN_SECONDS: Final = 0.5
IN_ALL_SECONDS: Final = 2.5  # Zoom, the most impatient sender, waits three


class Patience:
    """Bounds the waiting of all who wait at once.

    A limit of one second alone would refuse submissions under load, when they only stand in line. So whenever the work
    of one is done the others are given a little more.
    """

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[Any], float] = {}
        self._given_up: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, T], *, spent_seconds: float = 0.0) -> T:
        """Return what the work returns; raises `TimeoutError` when it takes too long.

        `spent_seconds` is how long whoever asks has waited before. Work that is given up is cancelled, and not waited
        for: letting go of a connection that does not answer takes half a minute.
        """
        now = asyncio.get_running_loop().time
        last = now() - spent_seconds + IN_ALL_SECONDS
        task = asyncio.ensure_future(work)
        self._until[task] = now() - spent_seconds + AT_FIRST_SECONDS
        try:
            while not task.done():
                left = min(self._until[task], last) - now()
                if left <= 0:
                    raise TimeoutError
                await asyncio.wait({task}, timeout=left)
        finally:
            del self._until[task]
            if not task.done():
                self._give_up(task)
        later = now() + AFTER_A_SIGN_SECONDS
        self._until = {other: max(until, later) for other, until in self._until.items()}
        return task.result()

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        def ended(_: asyncio.Task[Any]) -> None:
            self._given_up.discard(task)
            if not task.cancelled():
                task.exception()  # seen: nobody waits for it any more

        self._given_up.add(task)
        task.add_done_callback(ended)
        task.cancel()
