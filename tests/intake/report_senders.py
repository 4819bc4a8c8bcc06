"""How each vendor sends reports and proves itself, written without what the product reads it with."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from services.intake import snsbox
from services.intake.inbound.sendgrid_events import SIGNATURE, TIMESTAMP
from shared.db import Pool
from shared.events import new_id
from shared.retry import TryAgain
from tests.intake.postmen import INBOUND_KEY, SIGNING_KEY, mailgun_proof
from tests.intake.serving import Intake, serving

PAYLOADS = Path(__file__).parent / "inbound_payloads"
ADDRESS = "reply@in.school.example"
TOPIC = "arn:aws:sns:us-east-1:123456789012:bounces"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(
    SENDGRID_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
AMAZONS_KEY = rsa.generate_private_key(65537, 2048)


def certificate(*, valid: timedelta = timedelta(days=1)) -> bytes:
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=AMAZONS_KEY.public_key(), serial_number=1,
        not_valid_before=now - timedelta(days=9), not_valid_after=now + valid,
    ).sign(AMAZONS_KEY, SHA256())  # fmt: skip
    return built.public_bytes(Encoding.PEM)


class Amazon:
    """What there is to fetch, and what was."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {CERTIFICATE_URL: certificate()}
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url not in self.pages:
            raise TryAgain("it answers 404")
        return self.pages[url]


@asynccontextmanager
async def serving_reports(
    pool: Pool, keys: tuple[SecretStr, ...], amazon: Amazon, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> AsyncIterator[Intake]:
    """Serve intake, which finds Amazon here."""
    routes = snsbox.routes
    monkeypatch.setattr(snsbox, "routes", lambda *given: routes(*given, fetch=amazon.fetch))
    given: dict[str, Any] = {
        "inbound_key": SecretStr(INBOUND_KEY), "mailgun_signing_key": SecretStr(SIGNING_KEY),
        "inbound_address": ADDRESS, "sendgrid_public_key": PUBLIC_KEY, "sns_topics": (TOPIC,),
    }  # fmt: skip
    async with serving(pool, keys, **given | more) as served:
        yield served


def message(document: Any, kind: str = "Notification", *, version: str = "2", **given: str) -> dict[str, str]:
    """Return a message of SNS, signed as its documentation says."""
    fields = {
        "Type": kind, "MessageId": str(new_id()), "TopicArn": TOPIC, "Message": json.dumps(document),
        "Timestamp": "2026-11-24T15:30:00.000Z", "SignatureVersion": version, "SigningCertURL": CERTIFICATE_URL,
    } | given  # fmt: skip
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    digest = SHA1() if version == "1" else SHA256()
    signature = AMAZONS_KEY.sign(signed.encode(), PKCS1v15(), digest)
    return fields | {"Signature": base64.b64encode(signature).decode()}


def confirmation(**given: str) -> dict[str, str]:
    url = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    return message(
        "You have chosen to subscribe",
        "SubscriptionConfirmation",
        **{"Token": "2336412f37", "SubscribeURL": url} | given,
    )


async def post_sns(intake: Intake, fields: Any) -> ClientResponse:
    headers = {"Content-Type": "text/plain; charset=UTF-8"}
    return await intake.client.post("/inbound/sns", data=json.dumps(fields).encode(), headers=headers)


async def post(intake: Intake, vendor: str, document: Any) -> ClientResponse:
    """Send this as the vendor does, with its proof."""
    headers = {"Content-Type": "application/json"}
    if vendor == "ses":
        return await post_sns(intake, message(document) | {})
    if vendor == "mailgun":
        return await intake.client.post(
            "/inbound/mailgun", json={"signature": mailgun_proof(), "event-data": document}, headers=headers
        )
    if vendor == "sendgrid":
        raw = json.dumps(document).encode() + b"\r\n"
        signature = SENDGRID_KEY.sign(b"1600112502" + raw, ec.ECDSA(SHA256()))
        headers |= {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: "1600112502"}
        return await intake.client.post("/inbound/sendgrid", data=raw, headers=headers)
    return await intake.client.post(f"/inbound/{vendor}", json=document, params={"key": INBOUND_KEY})


async def reports(intake: Intake) -> list[dict[str, Any]]:
    events = await intake.events()
    assert {event["type"] for event in events} <= {"afterhello.delivery.reported.v1"}
    return [event["data"] for event in events]
