"""Standard Webhooks (https://www.standardwebhooks.com): the meeting in the API's own words, from anybody's code."""

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from services.intake.answers import Delivery, Submission, Unreadable
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ("webhook-id", "webhook-timestamp")
PREFIX: Final = "whsec_"
# The id and the time are joined by dots to be signed: a dot inside one would let it pass for a part of the other.
ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")
# 32 bytes in base64; the last character in the one spelling that has no bits left over.
SIGNATURE: Final = re.compile(r"(?<!\S)v1,[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?!\S)")
SECONDS: Final = re.compile(r"\d{1,12}", re.ASCII)


def new_secret() -> str:
    """Return `whsec_` and 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> None:
    """Raise `ValueError` when the secret is not base64, or so short that it can be guessed."""
    encoded = secret.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raw = b""
    if len(raw) < 16:
        raise ValueError("must be whsec_ and at least 16 bytes in base64, as `openssl rand -base64 32` makes them")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether one of the signatures is right and the time within five minutes, before or after."""
    if not ID.fullmatch(headers.get("webhook-id", "")) or not SECONDS.fullmatch(headers.get("webhook-timestamp", "")):
        return False
    # One that is of another version, or broken, must not keep a right one beside it from counting.
    signatures = SIGNATURE.findall(headers.get("webhook-signature", ""))
    try:
        webhook = Webhook(secret)
        webhook.verify(
            body,
            {name: headers[name] for name in KEPT} | {"webhook-signature": " ".join(signatures)},
            json_parse=False,
        )
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        return False
    return True


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the meeting as it was sent, named by the message's id, which is the same on every retry."""
    document = strict_json.read_object(body)
    if not (message := headers.get("webhook-id")):
        raise Unreadable("has no webhook-id")
    return Submission(key=message, document=document)
