"""Amazon SNS (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html): signed with RSA. Pure.

The certificate is fetched from where the message says, so that must be Amazon's own host of the topic's region, and the
topic one of ours: nobody else can name us an address to visit.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from shared import strict_json

Kind = Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]

TOPIC: Final = re.compile(r"arn:(aws(?:-[a-z]+)*):sns:([a-z0-9-]+):\d+:[A-Za-z0-9_.-]+", re.ASCII)
CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem", re.ASCII)
NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
HASHES: Final = {"1": SHA1, "2": SHA256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as SNS sent it, nothing of it proven yet."""

    kind: Kind
    fields: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.fields["MessageId"]

    @property
    def topic(self) -> str:
        return self.fields["TopicArn"]

    @property
    def certificate_url(self) -> str:
        return self.fields["SigningCertURL"]


def read(body: bytes) -> Envelope:
    """Return the message; raises `ValueError` in words for what is none."""
    document = strict_json.read_object(body)
    fields = {name: value for name, value in document.items() if isinstance(value, str)}
    needed = [
        "Message",
        "MessageId",
        "Timestamp",
        "TopicArn",
        "Type",
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
    ]
    match fields.get("Type"):
        case "Notification":
            kind: Kind = "Notification"
        case "SubscriptionConfirmation":
            kind = "SubscriptionConfirmation"
        case "UnsubscribeConfirmation":
            kind = "UnsubscribeConfirmation"
        case _:
            raise ValueError("has no Type that SNS has")
    if kind != "Notification":
        needed += ["SubscribeURL", "Token"]
    missing = [name for name in needed if not fields.get(name)]
    if missing:
        raise ValueError(f"has no {missing[0]}")
    return Envelope(kind=kind, fields=fields)


def is_amazons(url: str, topic: str) -> bool:
    """Say whether this address is at Amazon's own host for the topic's region, over https."""
    arn = TOPIC.fullmatch(topic)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if arn is None or parts.scheme != "https" or port not in {None, 443} or "@" in parts.netloc or parts.fragment:
        return False
    host = f"sns.{arn[2]}.amazonaws.com" + (".cn" if arn[1] == "aws-cn" else "")
    return parts.hostname == host and url.isascii() and "\\" not in url


def has_certificate(envelope: Envelope) -> bool:
    """Say whether the certificate that the message names is one of Amazon's."""
    parts = urlsplit(envelope.certificate_url) if is_amazons(envelope.certificate_url, envelope.topic) else None
    return parts is not None and not parts.query and CERTIFICATE.fullmatch(parts.path) is not None


def has_confirmation(envelope: Envelope) -> bool:
    """Say whether the address that confirms the subscription is one of Amazon's, for this very topic."""
    url = envelope.fields.get("SubscribeURL", "")
    if not is_amazons(url, envelope.topic):
        return False
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    asked = query.get("Action"), query.get("TopicArn")
    return parts.path in {"", "/"} and asked == (["ConfirmSubscription"], [envelope.topic])


def certificate(pem: bytes) -> Certificate:
    """Return the certificate; raises `ValueError`, also for a key that is not RSA."""
    found = load_pem_x509_certificate(pem)
    if not isinstance(found.public_key(), RSAPublicKey):
        raise ValueError("is no certificate with an RSA key")
    return found


def is_signed(envelope: Envelope, certificate: Certificate, *, now: datetime) -> bool:
    """Say whether the holder of this certificate, which must be in force, signed the message."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    kind = HASHES.get(envelope.fields["SignatureVersion"])
    key = certificate.public_key()
    if kind is None or not isinstance(key, RSAPublicKey):
        return False
    try:
        signature = base64.b64decode(envelope.fields["Signature"], validate=True)
        key.verify(signature, _signed(envelope), PKCS1v15(), kind())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _signed(envelope: Envelope) -> bytes:
    names = NOTIFICATION if envelope.kind == "Notification" else CONFIRMATION
    return "".join(f"{name}\n{envelope.fields[name]}\n" for name in names if name in envelope.fields).encode()
