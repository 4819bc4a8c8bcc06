"""Any of the services that the apprise library speaks to: chats, push messages. The library is an extra."""

import asyncio
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, Final

from services.notifier import text_message, words
from services.notifier.channels.receipt import Before, Begin, Receipt
from shared import apprise_url
from shared.events import NudgeData
from shared.links import Links
from shared.settings import Settings

AT_ONCE: Final = 4
TIME_OUT_SECONDS: Final = 60.0


def open_apprise(config: Settings) -> "Apprise | None":
    """Return the channel, None where the extra is not installed."""
    if find_spec("apprise") is None or config.public_url is None:
        return None
    return Apprise(Links(config.public_url, config.secret_key), hosts=config.apprise_hosts)


class Apprise:
    host = "apprise"
    slots = AT_ONCE

    def __init__(self, links: Links, *, hosts: tuple[str, ...], time_out: float = TIME_OUT_SECONDS) -> None:
        self._links = links
        self._hosts = hosts
        self._time_out = time_out
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="apprise")
        for name in ("apprise", "urllib3"):  # they log addresses, and who has one can write to its person
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    async def look(self, nudge: NudgeData, *, unknowns: int) -> Receipt | None:
        """Return None: nobody can be asked, and a message that comes twice does little harm."""
        del nudge, unknowns
        return None

    async def send(self, nudge: NudgeData, message_id: str, *, now: datetime, before: Before, begin: Begin) -> Receipt:
        """Hand the nudge to the person's service and return how that ended."""
        del message_id, now, before
        if apprise_url.wrong(nudge.recipient.address, self._hosts):
            return Receipt(outcome="refused", reason="bad-address")  # the operator may have taken a host off the list
        language = words.language(nudge.recipient.locale)
        others = len({one.connection for one in nudge.follow_ups}) - 1
        link = self._links.short(nudge.nudge)
        say = partial(words.sms, nudge.follow_ups[0].playbook, language, link=link, others=others)
        text = text_message.whole(nudge, say)
        if not await begin():
            return Receipt(outcome="dropped")
        sending = asyncio.get_running_loop().run_in_executor(self._threads, _notify, nudge.recipient.address, text)
        try:
            taken = await asyncio.wait_for(sending, timeout=self._time_out)
        except TimeoutError:
            return Receipt(outcome="unknown", reason="unknown", reply="no answer")
        if taken is None:
            return Receipt(outcome="refused", reason="bad-address")
        return Receipt(outcome="sent") if taken else Receipt(outcome="deferred", reason="service")

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@lru_cache
def _library() -> Any:
    """The library with all its plugins, which takes a second; what they warn of is not ours to mend."""
    with warnings.catch_warnings(action="ignore"):
        import apprise

        apprise.Apprise.instantiate("json://localhost")
    return apprise


def _notify(address: str, text: str) -> bool | None:
    """Whether the service took it; None when the address is none for the library. In a thread: it waits for answers."""
    apprise = _library()
    asset = apprise.AppriseAsset(app_id="Afterhello", app_desc="Afterhello", secure_logging=True, async_mode=False)
    service: Any = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if not service:
        return None
    try:
        return bool(service.notify(body=text, title="", body_format=apprise.NotifyFormat.TEXT))
    except Exception as error:  # whatever one of two hundred plugins raises
        logging.getLogger(__name__).warning("apprise: %s", type(error).__name__)
        return False
