"""Whether texts, and what apprise speaks to, can go out: what `SMS_URL` lacks, and whether Twilio lets us in."""

from typing import Final
from urllib.parse import urlsplit

from services.finding import Finding
from services.notifier.channels import http_sms, twilio
from services.notifier.channels.http_client import HttpTimeouts
from services.notifier.channels.twilio import Twilio
from shared.settings import Settings, SettingsError

TIMEOUTS: Final = HttpTimeouts(connect=5, total=10)


async def texts(config: Settings) -> list[Finding]:
    """Return what SMS_URL is good for; without it there are no texts, and nothing is wrong. Sends nothing."""
    if config.sms_url is None:
        return []
    url = config.sms_url.get_secret_value()
    try:
        if not url.startswith("twilio:"):
            gateway = http_sms.gateway(url)
            is_open = urlsplit(url).scheme == "http" and urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}
            says = f"{urlsplit(gateway.template).hostname} is told by {gateway.way.upper()}; no text was sent to try it"
            do = "write https:// in SMS_URL: texts and the gateway's key travel in clear text" if is_open else None
            return [Finding(check="texts", ok=not is_open, says=says, do=do)]
        account = twilio.account(url)
    except SettingsError as error:
        return [Finding(check="texts", ok=False, says=str(error), do="mend it in the environment")]
    client = Twilio(account, timeouts=TIMEOUTS)
    try:
        trouble = await client.trouble()
    finally:
        await client.close()
    if trouble:
        do = "mend SMS_URL, or the account at Twilio; then `afterhello channel resume sms`"
        return [Finding(check="texts", ok=False, says=f"{urlsplit(account.api).hostname}: {trouble}", do=do)]
    sender = "a messaging service" if account.sender.startswith("MG") else account.sender
    return [
        Finding(check="texts", ok=True, says=f"{urlsplit(account.api).hostname} lets us in; texts are from {sender}")
    ]
