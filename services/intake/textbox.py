"""`POST /inbound/twilio` and `/inbound/http-sms`: texts that people send us, and what became of those that we sent.

What was proven is answered 200 whatever it says, with what we answer them, if anything.
"""

import functools
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from services.intake import erasing, fields, reply_words, reporting, text_replies
from services.intake.inbound import report, twilio
from services.intake.inbound.door import knows_the_key, unproven
from services.intake.text_replies import Replied, Text
from shared import db
from shared.db import Connection, Pool
from shared.problem import FieldError, Problem
from shared.settings import Settings
from shared.signing import Fingerprints
from shared.web import FORM, JSON, bad_body, read_body, read_json

log = structlog.get_logger()

FIELDS: Final = 200
TEXT_LENGTH: Final = 2000


class HttpText(BaseModel):
    """A text as a gateway hands it to us."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    sender: Annotated[str, Field(alias="from", min_length=1, max_length=40)]
    to: Annotated[str, Field(max_length=40)]
    text: Annotated[str, Field(max_length=TEXT_LENGTH)]


def routes(pool: Pool, config: Settings) -> list[web.RouteDef]:
    """Return the routes of texts."""
    textbox = Textbox(pool, config)
    return [
        web.post("/inbound/twilio", textbox.from_twilio),
        web.post("/inbound/http-sms", textbox.from_gateway),
    ]


class Textbox:
    """Receives texts, and reports about texts."""

    def __init__(self, pool: Pool, config: Settings) -> None:
        self._pool = pool
        self._public_url = config.public_url or ""
        self._region = config.phone_region
        self._key = config.inbound_key
        self._erased = Fingerprints(config.secret_key, purpose=erasing.PURPOSE)
        token = twilio.token_of(config.sms_url.get_secret_value()) if config.sms_url else None
        self._token = SecretStr(token) if token else None

    async def from_twilio(self, request: web.Request) -> web.Response:
        """Answer in TwiML with what we text back; to a report with nothing."""
        signature = request.headers.get("X-Twilio-Signature", "")
        if self._token is None or not signature:
            raise unproven()
        raw = await read_body(request, types=(*FORM, *JSON))
        is_json = request.content_type == JSON[0]
        given = [] if is_json else _form(raw)
        # The path and the query as they came, behind the address that Twilio was told.
        url = self._public_url + request.raw_path
        token = self._token.get_secret_value()
        if not twilio.is_signed(url, given, raw, signature, token, is_json=is_json):
            raise unproven()
        found = {name: value for name, value in read_json(raw).items() if isinstance(value, str)} if is_json else {}
        # The bytes as they came are what is signed; none of what no database holds goes on from here.
        cleaned = {report.text(name): report.text(value) for name, value in (dict(given) | found).items()}
        return await self._twilio(cleaned, request.query.get("nudge"))

    async def from_gateway(self, request: web.Request) -> web.Response:
        """Answer in JSON with what is to be texted back, or null."""
        if not knows_the_key(request, self._key):
            raise unproven()
        document = read_json(await read_body(request, types=JSON))
        try:
            given = HttpText.model_validate(document)
        except ValidationError as error:
            raise _unfit(error) from None
        try:
            sender = fields.phone(given.sender, self._region)
        except ValueError as error:
            raise Problem(
                422, "Some fields are missing or wrong", errors=[{"field": "from", "problem": str(error)}]
            ) from None
        replied = await self._receive(Text(vendor="http-sms", id=given.id, sender=sender, text=given.text))
        return web.json_response({"reply": replied.answer})

    async def _twilio(self, given: dict[str, str], nudge: str | None) -> web.Response:
        sid, sender = given.get("MessageSid") or given.get("SmsSid"), given.get("From", "")
        if not sid:
            raise bad_body("has no MessageSid")
        status = given.get("MessageStatus") or given.get("SmsStatus") or ""
        if "Body" not in given or status not in {"", "received", "receiving"}:
            await self._report(given, sid, status, nudge)
            return _twiml(None)
        try:
            number = fields.phone(sender, None)
        except ValueError:  # a short code, or a channel that is no telephone: nobody whom we text
            log.info("text.ignored", vendor="twilio")
            return _twiml(None)
        # What Twilio itself has taken for one of these, by words of the operator's own, it has answered, too.
        taken_for = given.get("OptOutType", "").upper() or twilio.TAKES_FOR.get(reply_words.folded(given["Body"]), "")
        is_taken = taken_for in {"STOP", "START", "HELP"}
        replied = await self._receive(
            Text(vendor="twilio", id=sid, sender=number, text=taken_for if is_taken else given["Body"])
        )
        return _twiml(None if is_taken else replied.answer)

    async def _report(self, given: dict[str, str], sid: str, status: str, nudge: str | None) -> None:
        async def tell(conn: Connection) -> int:
            said = twilio.report(list(given.items()), nudge=nudge, at=await db.now(conn))
            return await reporting.tell(conn, "twilio", [(f"{sid} {status}", said)] if said else [])

        new = await db.in_transaction(self._pool, tell)
        log.info("report.received", vendor="twilio", new=new)

    async def _receive(self, text: Text) -> Replied:
        # Twilio, or the carrier before it, answers to STOP itself; whatever we add would not arrive.
        work = functools.partial(
            text_replies.receive, text=text, confirms_stop=text.vendor != "twilio", erased=self._erased
        )
        replied = await db.in_transaction(self._pool, work)
        log.info("text.received", vendor=text.vendor, what=replied.what, answered=replied.answer is not None)
        return replied


def _form(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=FIELDS,
        )
    except ValueError:
        raise unproven() from None


def _twiml(answer: str | None) -> web.Response:
    message = f"<Message>{escape(answer)}</Message>" if answer else ""
    text = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
    return web.Response(text=text, content_type="text/xml")


def _unfit(error: ValidationError) -> Problem:
    errors: list[FieldError] = [
        {"field": str(one["loc"][-1]) if one["loc"] else "body", "problem": _problem(one)} for one in error.errors()
    ]
    return Problem(422, "Some fields are missing or wrong", errors=errors[:20])


def _problem(one: Any) -> str:
    return {"missing": "is required", "extra_forbidden": "is not a field known here"}.get(
        one["type"], str(one["msg"])[0].lower() + str(one["msg"])[1:]
    )
