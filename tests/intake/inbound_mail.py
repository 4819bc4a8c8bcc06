"""Mails to the addresses of a nudge, and what came of them."""

from typing import Any

from pydantic import SecretStr

from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens, Use
from tests.intake import postmen
from tests.intake.inbound_people import nudged
from tests.intake.postmen import INBOUND_KEY, SIGNING_KEY, VENDORS, Mail
from tests.intake.rows import Logged
from tests.intake.serving import Intake

ADDRESS = "reply@in.school.example"
GIVEN: dict[str, Any] = {
    "inbound_key": SecretStr(INBOUND_KEY),
    "mailgun_signing_key": SecretStr(SIGNING_KEY),
    "inbound_address": ADDRESS,
}
ERIN = "erin@district.example"


async def mail_nudged(pool: Pool, contact: str = "Erin", **given: Any) -> Logged:
    return await nudged(pool, contact, **{"channel": "email", "contact_email": ERIN} | given)


async def answer(
    intake: Intake,
    tokens: MailTokens,
    what: Logged,
    text: str,
    *,
    use: Use = "reply",
    vendor: str = "postmark",
    **given: Any,
) -> dict[str, Any]:
    """Let somebody send this to the nudge's address: Ada, to nobody else, unless something else is given."""
    to = tokens.address(use, what.nudge)
    fields: dict[str, Any] = {"to": to, "subject": "Re: Erin", "id": f"<{new_id()}@school.example>"}
    mail = Mail(recipient=to, text=text, **fields | given)
    got = await postmen.post(intake, vendor, VENDORS[vendor](mail))
    assert got.status == 200, await got.text()
    found: dict[str, Any] = await got.json()
    return found


async def acted(intake: Intake) -> list[tuple[str, str]]:
    rows = await intake.pool.fetch("SELECT act, span, channel, connection FROM acts ORDER BY at, id")
    return [(row["act"], row["span"] or row["channel"] or "") for row in rows]


async def touches(intake: Intake) -> list[str]:
    rows = await intake.pool.fetch("SELECT kind FROM touches WHERE kind <> 'done' ORDER BY at, id")
    told = [event["data"]["how"] for event in await intake.events() if event["type"].endswith("connection.touched.v1")]
    kinds = [row["kind"] for row in rows]
    assert [{"logged": "logged", "replied": "answered"}[how] for how in told] == kinds
    return kinds
