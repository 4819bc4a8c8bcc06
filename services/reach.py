"""What an installation must reach beyond its database: the broker, the mail server, itself by its public address."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import aiosmtplib

from services.finding import Finding
from services.notifier.channels import dkim_key, smtp_connections
from services.notifier.channels.mail_bytes import Unwritable, sender
from shared import standalone
from shared.settings import Settings, SettingsError


async def broker(config: Settings) -> list[Finding]:
    """Whether the broker answers and holds our queues; nothing when AMQP_URL is not set."""
    if config.amqp_url is None:
        return []
    from shared.rabbit import RabbitBus

    bus = RabbitBus(config.amqp_url.get_secret_value(), prefix=config.bus_prefix)
    try:
        async with asyncio.timeout(10):
            says = await bus.check()
    except TimeoutError:
        says = "does not answer within 10 seconds"
    finally:
        await bus.close()
    do = "start it, or mend AMQP_URL; `afterhello migrate` declares the queues"
    where = urlsplit(config.amqp_url.get_secret_value()).hostname
    return [Finding(check="broker", ok=says == "ok", says=f"{where}: {says}", do=None if says == "ok" else do)]


async def mail(config: Settings) -> list[Finding]:
    """Whether the mail server answers as SMTP_URL demands: encrypted, and with the login. Sends nothing."""
    running = standalone.find(config.data_dir)
    if config.smtp_url is None and config.amqp_url is not None:
        return []  # of a service that sends nothing
    if config.smtp_url is None:
        where = "the mailbox of `afterhello run`" + (f", at {running.public_url}/mailbox" if running else "")
        return [Finding(check="mail", ok=True, says=f"SMTP_URL is not set: mails go to {where}")]
    try:
        wanted = smtp_connections.server(config.smtp_url.get_secret_value())
    except SettingsError as error:
        return [Finding(check="mail", ok=False, says=str(error), do="mend it in the environment")]
    server = aiosmtplib.SMTP(
        hostname=wanted.host,
        port=wanted.port,
        username=wanted.user,
        password=wanted.password,
        use_tls=wanted.tls == "from the start",
        start_tls=wanted.tls == "starttls",
        timeout=10,
    )
    how = "in clear text, as ?starttls=0 demands" if wanted.tls == "none" else "encrypted"
    try:
        await server.connect()
        await server.quit()
    except (aiosmtplib.SMTPException, OSError) as error:
        says = f"{wanted.host}: {' '.join(str(error).split())[:200] or type(error).__name__}"
        do = "mend SMTP_URL; without STARTTLS on smtp:// nothing is sent, unless it says ?starttls=0"
        return [Finding(check="mail", ok=False, says=says, do=do)]
    login = "logged in" if wanted.user else "without a login"
    return [Finding(check="mail", ok=True, says=f"{wanted.host} answers, {how}, {login}"), *_signing(config)]


def _signing(config: Settings) -> list[Finding]:
    """Whether mails can be signed as DKIM_KEY wants it; nothing when it is not set."""
    try:
        key = dkim_key.read(config, domain=sender(config.mail_from).domain) if config.mail_from else None
    except (SettingsError, Unwritable) as error:
        return [Finding(check="DKIM", ok=False, says=str(error), do="mend it in the environment: no mail goes before")]
    if key is None:
        return []
    says = f"mails are signed for {key.domain}; `afterhello doctor --mail ADDRESS` looks whether receivers find the key"
    return [Finding(check="DKIM", ok=True, says=says)]


async def public_url(config: Settings, *, in_parts: bool) -> list[Finding]:
    """Whether intake answers at PUBLIC_URL, from here, and encrypted where others use it."""
    if config.public_url is None or (not in_parts and standalone.find(config.data_dir) is None):
        return []
    url = urlsplit(config.public_url)
    is_own = url.hostname in {"localhost", "127.0.0.1", "::1"}
    if in_parts and is_own:
        says = f"{config.public_url} leads every reader to their own machine: good for trying things out alone"
        return [Finding(check="PUBLIC_URL", ok=True, says=says)]
    if in_parts and url.scheme != "https":
        do = "put a proxy with a certificate before intake (profile `tls`) and write https:// in PUBLIC_URL"
        return [Finding(check="PUBLIC_URL", ok=False, says="the links in nudges are not encrypted", do=do)]
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client,
            client.get(f"{config.public_url}/readyz") as answer,
        ):
            ready, words = answer.status == 200, (await answer.text())[:300]
    except (aiohttp.ClientError, TimeoutError) as error:
        do = "start intake, or the proxy before it; no form can reach it and no button in a nudge works"
        says = f"{config.public_url} does not answer from here: {type(error).__name__}"
        return [Finding(check="PUBLIC_URL", ok=False, says=says, do=do)]
    if not ready:
        return [Finding(check="PUBLIC_URL", ok=False, says=f"answers, but is not ready: {words}", do="see its checks")]
    return [Finding(check="PUBLIC_URL", ok=True, says=f"{config.public_url} answers and is ready")]
