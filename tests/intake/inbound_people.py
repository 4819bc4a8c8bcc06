"""People who have been nudged, as intake has heard of it, and what they send us."""

import base64
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import ClientResponse

from services.intake import timeline
from shared import db
from shared.db import Pool
from shared.events import Channel, new_id
from tests.intake import rows
from tests.intake.rows import Logged, delivery_changed, follow_up_changed
from tests.intake.serving import Intake

PHONE = "+15085550123"
TOKEN = "fake-auth-token-0001"
SMS_URL = f"twilio://AC1:{TOKEN}@+15085550100"
URL = "https://hello.school.example"


async def nudged(
    pool: Pool,
    contact: str = "Erin",
    *,
    person: UUID | None = None,
    phone: str | None = PHONE,
    channel: Channel = "sms",
    email: str = "ada@school.example",
    locale: str = "en",
    contact_email: str | None = None,
    nudge: UUID | None = None,
    **given: Any,
) -> Logged:
    """Keep a meeting of which a nudge went out an hour ago; `given` are fields of its follow-up."""
    what = await rows.logged(pool, person=person, contact=contact, email=email)
    what = replace(what, nudge=nudge or what.nudge)
    if person is None:
        await pool.execute(
            "UPDATE people SET phone = $2, channel = $3, locale = $4 WHERE id = $1", what.person, phone, channel, locale
        )
    if contact_email:
        await pool.execute(
            "UPDATE connections SET contact = $2, contact_key = $3 WHERE id = $1",
            what.connection,
            {"name": contact, "email": contact_email},
            contact_email,
        )
    async with pool.acquire() as conn:
        at = await db.now(conn) - timedelta(hours=1)
        fields: dict[str, Any] = {"revision": 2, "state": "nudged", "nudge": what.nudge, "due_at": at}
        await timeline.keep_follow_ups(conn, [follow_up_changed(what, **fields | given).data])
        follow_ups = await conn.fetch("SELECT id FROM follow_ups WHERE nudge = $1", what.nudge)
        told = delivery_changed(
            what,
            at=at,
            channel=channel,
            state="sent",
            revision=1 + len(follow_ups),
            follow_ups=[one["id"] for one in follow_ups],
        )
        await timeline.keep_nudges(conn, [told.data])
    return what


def signature(url: str, fields: dict[str, str], token: str = TOKEN) -> str:
    """How Twilio signs, by its own documentation."""
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


async def post_twilio(intake: Intake, fields: dict[str, str], *, query: str = "", token: str = TOKEN) -> ClientResponse:
    path = f"/inbound/twilio{query}"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": signature(URL + path, fields, token),
    }
    return await intake.client.post(path, data=urlencode(fields).encode(), headers=headers)


async def by_twilio(intake: Intake, body: str, *, sender: str = PHONE, sid: str | None = None) -> str:
    """Text us and return what Twilio is told to text back."""
    fields = {
        "MessageSid": sid or f"SM{new_id().hex}",
        "From": sender,
        "To": "+15085550100",
        "Body": body,
        "NumMedia": "0",
    }
    answer = await post_twilio(intake, fields)
    text = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/xml"), text
    return text.partition("<Response>")[2].partition("</Response>")[0]
