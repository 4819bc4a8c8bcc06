"""Zoom (https://developers.zoom.us/docs/api/webhooks): meetings that ended, signed with the app's secret token.

What it sends names no people, so the host is asked whom they met. It also asks, when an endpoint is set up and every
72 hours, whether we know the secret.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from services.intake.answers import Delivery, Gathered, Handshake, Ignored, Unreadable
from services.intake.providers import booked, stamps
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
NEAR_SECONDS: Final = 300
# A colon would make it part of a text that Zoom signs: then who knows only the URL could have us sign for them.
TOKEN: Final = re.compile(r"[A-Za-z0-9_+/=-]{1,200}")
KINDS: Final = {"meeting.ended": "sig", "webinar.ended": "webinar"}


def new_secret() -> str:
    """Return 256 random bits as text; Zoom's own token takes its place once the app has one."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Raise `ValueError` when there is no token."""
    if not secret.strip():
        raise ValueError("must be the Secret Token that the app's page Features > Access shows")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether `x-zm-signature` is right and the time within five minutes, before or after."""
    stamp = headers.get("x-zm-request-timestamp", "")
    if not stamps.is_near(stamp, seconds=NEAR_SECONDS):
        return False
    expected = f"v0={hmac.digest(secret.encode(), f'v0:{stamp}:'.encode() + body, 'sha256').hex()}".encode()
    return hmac.compare_digest(expected, headers.get("x-zm-signature", "").encode("utf-8", "surrogateescape"))


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the gathering that is over, or what to answer to Zoom's challenge."""
    del headers
    document = strict_json.read_object(body)
    event = document.get("event")
    if not isinstance(event, str):
        raise Unreadable("has no event")
    payload = document.get("payload")
    if event == "endpoint.url_validation":
        token = booked.an_object(payload, "payload").get("plainToken")
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise Unreadable("has no payload.plainToken")
        return Handshake(answer=partial(_answer, token))
    if event not in KINDS:
        return Ignored(reason="an event that ends no meeting")
    what = booked.an_object(booked.an_object(payload, "payload").get("object"), "payload.object")
    uuid = booked.ident(what.get("uuid"), "payload.object.uuid")
    end = what.get("end_time") if isinstance(what.get("end_time"), str) else None
    return Gathered(
        key=f"{event}:{uuid}:{end or document.get('event_ts')}",
        id=uuid,
        answers=(
            *booked.fact("owner.email", _host(what)),
            *booked.zone("owner.time_zone", what.get("timezone")),
            *booked.fact("event.name", what.get("topic")),
            *booked.fact("event.kind", KINDS[event]),
            *booked.fact("met_at", end),
        ),
    )


def _answer(token: str, secret: str) -> dict[str, str]:
    return {"plainToken": token, "encryptedToken": hmac.digest(secret.encode(), token.encode(), "sha256").hex()}


def _host(what: Mapping[str, Any]) -> object:
    """Zoom documents an id only; some accounts' events have the address as well."""
    return what.get("host_email")
