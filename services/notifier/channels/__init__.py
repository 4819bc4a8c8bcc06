"""The channels. To add one: a module with what fits `Channel`, a line in `CHANNELS`, its words in templates/."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from services.notifier.channels.apprise import open_apprise
from services.notifier.channels.email import open_email
from services.notifier.channels.receipt import Before, Begin, Receipt
from services.notifier.channels.sms import open_sms
from shared.events import NudgeData
from shared.settings import Settings


class Channel(Protocol):
    """One way to reach people."""

    host: str  # behind the @-sign of the ids of what is sent

    @property
    def slots(self) -> int:
        """How many sends may be under way at once."""

    async def look(self, nudge: NudgeData, *, unknowns: int) -> Receipt | None:
        """Return how an attempt ended that may have been taken; None: it was not, or one more does little harm.

        So many got no answer; others were refused for now by somebody who may not have known.
        """

    async def send(self, nudge: NudgeData, message_id: str, *, now: datetime, before: Before, begin: Begin) -> Receipt:
        """Send the nudge and return how that ended. Nothing goes out unless `begin`, asked last of all, says yes."""

    async def close(self) -> None:
        """Let go of every connection."""


# None: the settings have no such channel.
CHANNELS: Final[Mapping[str, Callable[[Settings], Channel | None]]] = {
    "email": open_email,
    "sms": open_sms,
    "apprise": open_apprise,
}
