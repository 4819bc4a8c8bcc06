"""How each tool signs what it sends, written without what the product verifies with."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

JSON = {"Content-Type": "application/json"}


class Scheme(NamedTuple):
    """`sign(body, secret, id, at)` returns the headers; what else of a scheme tests need to know."""

    sign: Callable[[bytes, str, str, datetime], dict[str, str]]
    covers_body: bool = True  # one byte changed is another signature
    has_time: bool = False  # a signature grows old


def standard(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    encoded = secret.removeprefix("whsec_")
    key = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    digest = hmac.digest(key, f"{id}.{stamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return JSON | {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}


def typeform(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    digest = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    return JSON | {"Typeform-Signature": f"sha256={digest}"}


def tally(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    digest = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    return JSON | ({"Tally-Signature": digest} if secret else {})


def bearer(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    return JSON | ({"Authorization": f"Bearer {secret}"} if secret else {})


def jotform(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    boundary = body.split(b"\r\n")[0].removeprefix(b"--").decode("latin-1")
    return {"Content-Type": f"multipart/form-data; boundary={boundary or 'x'}"}


def calcom(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    return JSON | {"X-Cal-Signature-256": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def calendly(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return JSON | {"Calendly-Webhook-Signature": f"t={stamp},v1={digest}"}


def zoom(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), b"v0:%d:" % stamp + body, hashlib.sha256).hexdigest()
    return JSON | {"x-zm-request-timestamp": str(stamp), "x-zm-signature": f"v0={digest}"}


def unsigned(body: bytes, secret: str, id: str, at: datetime) -> dict[str, str]:
    return JSON


SCHEMES = {
    "standard": Scheme(standard, has_time=True),
    "typeform": Scheme(typeform),
    "tally": Scheme(tally),
    "jotform": Scheme(jotform, covers_body=False),
    "google-forms": Scheme(standard, has_time=True),
    "microsoft-forms": Scheme(bearer, covers_body=False),
    "formbricks": Scheme(standard, has_time=True),
    "fillout": Scheme(bearer, covers_body=False),
    "calcom": Scheme(calcom),
    "calendly": Scheme(calendly, has_time=True),
    "zoom": Scheme(zoom, has_time=True),
    "eventbrite": Scheme(unsigned, covers_body=False),
}


def signed(provider: str, body: bytes, secret: str, *, id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    """Return the headers with which the tool sends this body."""
    return SCHEMES[provider].sign(body, secret, id, at or datetime.now(UTC))
