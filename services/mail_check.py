"""`afterhello doctor --mail`: one real mail, and what its receiver will make of it."""

import re
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from services import mail_seen, mail_verdicts
from services.finding import Finding
from services.mail_verdicts import LOOK
from services.name_server import Names
from services.notifier import store_standing
from services.notifier.channels import smtp_connections
from services.notifier.channels.email import open_email
from services.notifier.channels.mail_bytes import Unwritable, mailbox
from services.notifier.channels.receipt import Receipt
from services.notifier.channels.smtp_connections import Server
from shared.command import Failed, connection
from shared.events import Contact, DueFollowUp, Gathering, NudgeData, Recipient, new_id
from shared.settings import Settings, SettingsError

NEEDS: Final = ("smtp_url", "mail_from", "public_url", "secret_key")
NOTE: Final = "Sent by `afterhello doctor --mail` to see what receivers make of our mails. There is nobody to write to."


async def send_one(config: Settings, address: str, names: Names, *, now: datetime) -> list[Finding]:
    """Send one mail to this address as nudges are sent, and return what its receiver will find."""
    missing = [name.upper() for name in NEEDS if not getattr(config, name)]
    if missing or config.smtp_url is None:
        do = "set them: the mailbox of `afterhello run` has no receivers that would look at anything"
        return [Finding(check="mail", ok=False, says=f"not set: {', '.join(missing)}", do=do)]
    try:
        server = smtp_connections.server(config.smtp_url.get_secret_value())
        email = open_email(config)
        recipient = mailbox(address)
    except SettingsError as error:
        return [Finding(check="mail", ok=False, says=str(error), do="mend it in the environment")]
    except Unwritable as error:
        return [Finding(check="mail", ok=False, says=f"{address}: {error}", do="name one such as you@school.example")]
    if config.database_url is not None and await _is_suppressed(config, recipient.address):
        says = f"{address} is suppressed: nobody who wants no mail of ours gets any"
        do = f"name another; or, when they want it again, `afterhello suppression remove {address}`"
        return [Finding(check="mail", ok=False, says=says, do=do)]
    nudge = _nudge(address, now)
    raw = email.content(nudge, recipient, f"<{nudge.nudge}@{email.host}>", now=now)
    sender = email.envelope_sender(nudge)
    try:
        receipt = await email.hand_over(raw, sender=sender, recipient=recipient, begin=_yes)
    finally:
        await email.close()
    findings = [_handed_over(receipt, server, email.encryption)]
    if receipt.outcome != "sent":
        return findings
    findings += [_bounces(sender, config), mail_seen.leaving(raw)]
    record = email.dkim.record if email.dkim else None
    return findings + await mail_verdicts.of(raw, sender=sender, host=server.host, names=names, record=record)


async def received(raw: bytes, names: Names) -> list[Finding]:
    """Return what is found of a mail of ours as it arrived."""
    raw = re.sub(rb"\r?\n", b"\r\n", raw)  # most programs save it with the line ends of their system
    return [mail_seen.leaving(raw), *await mail_verdicts.received(raw, names)]


async def _is_suppressed(config: Settings, address: str) -> bool:
    try:
        async with connection("notifier", config) as conn:
            listed = await store_standing.suppressions(conn)
    except Failed:  # without the database nobody is on record
        return False
    return any(one.channel == "email" and one.address == address.lower() for one in listed)


async def _yes() -> bool:
    return True


def _nudge(address: str, now: datetime) -> NudgeData:
    """A nudge like any other, about nobody."""
    follow_up = DueFollowUp(
        id=uuid4(),
        playbook="say-hello",
        step=1,
        occurrence=1,
        due_at=now,
        meeting=uuid4(),
        connection=uuid4(),
        logged_at=now,
        met_at=now,
        contact=Contact(name="Nobody (a test)"),
        event=Gathering(name="afterhello doctor"),
        notes=NOTE,
    )
    return NudgeData(
        nudge=new_id(),
        recipient=Recipient(id=uuid4(), address=address),
        channel="email",
        due_at=now,
        too_late_after=now + timedelta(hours=1),
        follow_ups=(follow_up,),
    )


def _handed_over(receipt: Receipt, server: Server, encryption: str | None) -> Finding:
    where = f"{server.host}:{server.port}"
    how = f"over {encryption}" if encryption else "in clear text, as ?starttls=0 demands"
    if receipt.outcome == "sent":
        return Finding(check="mail", ok=True, says=f"{where} took it {how}: {receipt.reply}", do=LOOK)
    do = {
        "login": "mend the user and password in SMTP_URL",
        "policy": "it refuses us as a sender: see what it says, then SPF, DKIM, DMARC; "
        "VERP=0 if it takes no envelope sender but MAIL_FROM",
        "tls": "mend the certificate or the name in SMTP_URL",
        "unreachable": "mend SMTP_URL, or start the server",
        "bad-address": "name another address",
    }.get(receipt.reason or "", "see what it says; a nudge would be tried again")
    return Finding(check="mail", ok=False, says=f"{where}: {receipt.outcome}, {receipt.reason}: {receipt.reply}", do=do)


def _bounces(sender: str, config: Settings) -> Finding:
    if config.inbound_address is not None and config.verp:
        local, _, domain = sender.partition("@")
        says = f"bounces come back to an address of this mail alone, {local.partition('+')[0]}+...@{domain}"
        return Finding(check="bounces", ok=True, says=says)
    says = f"bounces go to {sender}, where nobody but a person reads them: addresses that are gone stay in use"
    return Finding(check="bounces", ok=True, says=says, do="INBOUND_ADDRESS with VERP=1 has them read")
