"""Texts, through Twilio or any gateway that takes them by HTTP."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiolimiter import AsyncLimiter

from services.notifier import text_message, words
from services.notifier.channels import http_sms, twilio
from services.notifier.channels.http_sms import HttpSms
from services.notifier.channels.receipt import UNKNOWNS_ALLOWED, Before, Begin, Receipt
from services.notifier.channels.twilio import API, Outcome, Twilio
from shared.events import NudgeData
from shared.links import Links
from shared.settings import Settings, SettingsError

AT_ONCE: Final = 4
A_SECOND: Final = 10  # texts; vendors queue what is sent faster than a number may send
EARLIER: Final = timedelta(hours=1)  # than it was due, by clocks that differ
# The first text to a number says why it came, and how to be rid of the next: the carriers want that, in these words.
# What does not fit into one part is said shorter.
INTRODUCTIONS: Final[Mapping[words.Language, tuple[str, ...]]] = {
    "en": (
        "You asked us to remind you. Reply STOP to stop, HELP for help.",
        "Reply STOP to stop, HELP for help.",
    ),
    "es": (
        "Nos pediste estos avisos. Responde STOP para terminar, HELP para ayuda.",
        "STOP para terminar, HELP para ayuda.",
    ),
}
NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


def open_sms(config: Settings) -> "Sms | None":
    """Return the channel as the settings want it, None without SMS_URL; raises `SettingsError`."""
    if config.sms_url is None:
        return None
    if config.public_url is None:
        raise SettingsError("PUBLIC_URL is needed to send texts: they hold a link")
    url = config.sms_url.get_secret_value()
    links = Links(config.public_url, config.secret_key)
    if not url.startswith("twilio:"):
        return Sms(HttpSms(http_sms.gateway(url)), links=links, reports_to=None)
    account = twilio.account(url)
    reports_to = f"{config.public_url}/inbound/twilio"
    # Twilio refuses a text with an address for reports that nobody outside can reach.
    can_be_called = account.api != API or _is_public(config.public_url)
    return Sms(Twilio(account), links=links, reports_to=reports_to if can_be_called else None)


class Sms:
    host = "sms"
    slots = AT_ONCE

    def __init__(self, gateway: Twilio | HttpSms, *, links: Links, reports_to: str | None) -> None:
        self._gateway = gateway
        self._links = links
        self._reports_to = reports_to
        self._pace = AsyncLimiter(A_SECOND, 1)

    async def send(self, nudge: NudgeData, message_id: str, *, now: datetime, before: Before, begin: Begin) -> Receipt:
        """Have the nudge texted and return how that ended."""
        del message_id, now
        to = nudge.recipient.address
        if not NUMBER.fullmatch(to):
            return Receipt(outcome="refused", reason="bad-number", alert=True)
        language = words.language(nudge.recipient.locale)
        others = len({one.connection for one in nudge.follow_ups}) - 1
        link = self._link(nudge)
        say = partial(words.sms, nudge.follow_ups[0].playbook, language, link=link, others=others)
        introductions = INTRODUCTIONS[language] if before.is_first else ()
        text = text_message.text(nudge, say, link=link, introductions=introductions)
        await self._pace.acquire()
        if not await begin():
            return Receipt(outcome="dropped")
        if isinstance(self._gateway, HttpSms):
            return await self._gateway.send(to, text, id=nudge.nudge.hex)
        callback = self._reports_to and f"{self._reports_to}?nudge={nudge.nudge}"
        return await self._gateway.send(to, text, callback=callback)

    async def look(self, nudge: NudgeData, *, unknowns: int) -> Receipt | None:
        """Return how an attempt ended that may have been taken, as far as the provider can tell; None: it was not.

        One that nobody can tell of is never sent again; one that it denies, once.
        """
        if isinstance(self._gateway, HttpSms):
            return Receipt(outcome="refused", reason="unknown") if unknowns else None
        marks = [*self._links.short_codes(nudge.nudge), *(one.form_url for one in nudge.follow_ups if one.form_url)]
        found = await self._gateway.look(nudge.recipient.address, marks, since=nudge.due_at - EARLIER)
        if found is None and unknowns > UNKNOWNS_ALLOWED:
            return Receipt(outcome="refused", reason="unknown")
        return found

    async def outcome(self, provider_id: str) -> Outcome | None:
        """Return what has become of a text, None while it is under way; raises `http_client.Failed`."""
        return await self._gateway.outcome(provider_id) if isinstance(self._gateway, Twilio) else None

    async def close(self) -> None:
        await self._gateway.close()

    def _link(self, nudge: NudgeData) -> str:
        """The page of all that the nudge carries; a form that is to be filled in is a page of its own."""
        forms = [one.form_url for one in nudge.follow_ups if one.form_url]
        return forms[0] if forms and len(nudge.follow_ups) == 1 else self._links.short(nudge.nudge)


def _is_public(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))
