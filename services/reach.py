"""What an installation must reach beyond its database: the broker, the mail server, itself by its public address."""

import asyncio
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import aiosmtplib

from services.finding import Finding
from shared import standalone
from shared.settings import Settings


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
    if config.smtp_url is None:
        where = "the mailbox of `afterhello run`" + (f", at {running.public_url}/mailbox" if running else "")
        return [Finding(check="mail", ok=True, says=f"SMTP_URL is not set: mails go to {where}")]
    url = urlsplit(config.smtp_url.get_secret_value())
    encrypted = url.scheme == "smtps"
    must_start_tls = not encrypted and parse_qs(url.query).get("starttls") != ["0"]
    server = aiosmtplib.SMTP(
        hostname=url.hostname or "",
        port=url.port or (465 if encrypted else 587),
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password or "") if url.username else None,
        use_tls=encrypted,
        start_tls=must_start_tls,
        timeout=10,
    )
    how = "encrypted" if encrypted or must_start_tls else "in clear text, as ?starttls=0 demands"
    try:
        await server.connect()
        await server.quit()
    except (aiosmtplib.SMTPException, OSError) as error:
        says = f"{url.hostname}: {' '.join(str(error).split())[:200] or type(error).__name__}"
        do = "mend SMTP_URL; without STARTTLS on smtp:// nothing is sent, unless it says ?starttls=0"
        return [Finding(check="mail", ok=False, says=says, do=do)]
    login = "logged in" if url.username else "without a login"
    return [Finding(check="mail", ok=True, says=f"{url.hostname} answers, {how}, {login}")]


async def public_url(config: Settings, *, in_parts: bool) -> list[Finding]:
    """Whether intake answers at PUBLIC_URL, from here, and encrypted where others use it."""
    if config.public_url is None or (not in_parts and standalone.find(config.data_dir) is None):
        return []
    url = urlsplit(config.public_url)
    if in_parts and url.scheme != "https" and url.hostname not in {"localhost", "127.0.0.1", "::1"}:
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
