"""The channels. To add one: a module with what fits `Channel`, a line in `CHANNELS`, its words in templates/."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from services.notifier.channels.email import open_email
from services.notifier.channels.receipt import Before, Begin, Receipt
from shared.events import NudgeData
from shared.settings import Settings


class Channel(Protocol):
    """One way to reach people."""

    host: str  # behind the @-sign of the ids of what is sent

    @property
    def slots(self) -> int:
        """How many sends may be under way at once."""

    async def look(self, nudge: NudgeData) -> Receipt | None:
        """Return how an attempt ended that may have been taken; None: it was not, or one more does little harm."""

    async def send(self, nudge: NudgeData, message_id: str, *, now: datetime, before: Before, begin: Begin) -> Receipt:
        """Send the nudge and return how that ended. Nothing goes out unless `begin`, asked last of all, says yes."""

    async def close(self) -> None:
        """Let go of every connection."""


CHANNELS: Final[Mapping[str, Callable[[Settings], Channel]]] = {
    "email": open_email,
}
