"""A notifier for tests that sends texts."""

from typing import Any

from services.notifier.channels import http_sms, twilio
from services.notifier.channels.http_client import HttpTimeouts
from services.notifier.channels.http_sms import HttpSms
from services.notifier.channels.sms import Sms
from services.notifier.channels.twilio import Twilio
from shared.db import Pool
from shared.events import NudgeDue
from tests.factories import nudge_due, recipient
from tests.notifier.sending import LINKS, Notifier, receive

PHONE = "+15085550123"
REPORTS_TO = "https://hello.school.example/inbound/twilio"
SHORT = HttpTimeouts(connect=0.3, total=0.3)
NO_MAIL = "smtp://127.0.0.1:9?starttls=0"


def text_due(**given: Any) -> NudgeDue:
    """Return the event of a nudge that is due now and goes by text."""
    return nudge_due(**{"channel": "sms", "recipient": recipient(address=PHONE)} | given)


async def queued(pool: Pool, **given: Any) -> NudgeDue:
    due = text_due(**given)
    await receive(pool, [due])
    return due


def by(url: str, *, timeouts: HttpTimeouts = SHORT) -> Sms:
    """Return the channel of this SMS_URL."""
    gateway: Twilio | HttpSms
    if url.startswith("twilio:"):
        gateway = Twilio(twilio.account(url), timeouts=timeouts)
    else:
        gateway = HttpSms(http_sms.gateway(url), timeouts=timeouts)
    return Sms(gateway, links=LINKS, reports_to=REPORTS_TO)


def texter(pool: Pool, url: str, *, timeouts: HttpTimeouts = SHORT, **given: Any) -> Notifier:
    """Return a notifier that texts through this SMS_URL."""
    return Notifier(pool, NO_MAIL, channels={"sms": by(url, timeouts=timeouts)}, **given)
