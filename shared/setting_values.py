"""What the values of settings are: read and checked, or refused in words that say how to do it right."""

import re
from base64 import b64decode
from datetime import timedelta
from difflib import get_close_matches
from email import policy
from typing import Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

EXAMPLE: Final = "change-me"  # what deploy/env.example holds where a secret belongs
SECRET_BYTES: Final = 32
KEY_LENGTH: Final = 16
UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def duration(text: str) -> timedelta:
    """Return "30 seconds", "5 minutes", "1 hour" or "2 days" as a timedelta; raises `ValueError` in words."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(second|minute|hour|day)s?\s*", text)
    if not match or not int(match[1]):
        raise ValueError(f"{text.strip()!r} is no duration such as '30 seconds', '5 minutes' or '1 hour'")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _durations(value: object) -> object:
    return [duration(part) for part in value.split(",")] if isinstance(value, str) else value


def _split_hosts(value: object) -> object:
    return [host.strip().lower() for host in value.split(",") if host.strip()] if isinstance(value, str) else value


def _bare_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9.:-]{1,253}", host):
            raise ValueError("must be names of hosts such as ntfy.school.example, separated by commas")
    return hosts


def _keys(value: object) -> object:
    return [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value


def _strong_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for key in keys:
        if EXAMPLE in key.get_secret_value() or len(key.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"needs {SECRET_BYTES} random bytes or more; `openssl rand -hex 32` makes one")
    return keys


def _strong(value: SecretStr) -> SecretStr:
    if EXAMPLE in value.get_secret_value() or len(value.get_secret_value()) < KEY_LENGTH:
        raise ValueError(f"needs {KEY_LENGTH} characters or more; `openssl rand -hex 32` makes one")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _name_of_queues(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9._-]{1,60}", value):
        raise ValueError("must be 1 to 60 of a-z, 0-9, dot, underscore and hyphen, such as afterhello")
    return value


def _base(value: str) -> str:
    """An address behind which paths may be put, in headers of mails too."""
    try:
        parts = urlsplit(value)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", value) or set("?#<>") & set(value):
        raise ValueError("must be an address such as https://hello.school.example")
    return value.rstrip("/")


def _sender(value: str) -> str:
    header = policy.default.header_factory("From", value)
    if header.defects or len(header.addresses) != 1 or not header.addresses[0].domain:
        raise ValueError("must be one address such as Afterhello <hello@school.example>")
    return value


def _bare_address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,20}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise ValueError("must be a bare address such as reply@in.school.example")
    return value


def _selector(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", value):
        raise ValueError("must be the name of a record, such as afterhello")
    return value


def _ec_public_key(value: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # 20 ms, which hardly anybody needs
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        is_one = isinstance(load_der_public_key(b64decode(value, validate=True)), EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm):
        is_one = False
    if not is_one:
        raise ValueError("must be the verification key as SendGrid shows it: MFkwEwYHKoZIzj0C...")
    return value


def _topics(value: object) -> object:
    if not isinstance(value, str):
        return value
    topics = tuple(part.strip() for part in value.split(",") if part.strip())
    for topic in topics:
        if not re.fullmatch(r"arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:\d+:[A-Za-z0-9_.-]{1,256}", topic, re.ASCII):
            raise ValueError("must be ARNs such as arn:aws:sns:us-east-1:123456789012:bounces")
    return topics


def _zone(value: str) -> str:
    # A name in a fixed set, not one that can be opened: "America" is a folder, and "localtime" is anything.
    names = available_timezones() - {"Factory", "localtime", "posixrules"}
    if value in names:
        return value
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # 50 ms, which hardly anybody needs

    known = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()} | {
        name.casefold(): name for name in names
    }
    folded = value.strip().casefold()
    if folded not in known:
        near = get_close_matches(folded[:60], known, n=1)
        meant = f"; is {known[near[0]]} meant?" if near else ""
        raise ValueError(f"must be a time zone such as Europe/Berlin or America/New_York{meant}")
    return known[folded]


def _country(value: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS  # 20 ms, which hardly anybody needs

    region = value.strip().upper()
    if region not in SUPPORTED_REGIONS:
        raise ValueError("must be the two letters of a country such as US or DE")
    return region


def _service(example: str, *schemes: str) -> AfterValidator:
    """The address of a service, with one of these schemes."""

    def check(value: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(value.get_secret_value())
            is_right = parts.scheme in schemes and (parts.port is None or parts.port > 0)
            is_right = is_right and bool(parts.hostname or parts.scheme.startswith("postgres"))  # else a socket
        except ValueError:
            is_right = False
        if not is_right:
            raise ValueError(f"must be an address such as {example}")
        return value

    return AfterValidator(check)


Duration = Annotated[timedelta, NoDecode, BeforeValidator(_duration)]
Durations = Annotated[tuple[timedelta, ...], NoDecode, BeforeValidator(_durations)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys), AfterValidator(_strong_keys)]
StrongKey = Annotated[SecretStr, AfterValidator(_strong)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_hosts), AfterValidator(_bare_hosts)]
QueueName = Annotated[str, AfterValidator(_name_of_queues)]
BaseUrl = Annotated[str, AfterValidator(_base)]
Sender = Annotated[str, AfterValidator(_sender)]
BareAddress = Annotated[str, AfterValidator(_bare_address)]
Selector = Annotated[str, AfterValidator(_selector)]
EcPublicKey = Annotated[str, AfterValidator(_ec_public_key)]
Topics = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_topics)]
Zone = Annotated[str, AfterValidator(_zone)]
Country = Annotated[str, AfterValidator(_country)]
Lower = BeforeValidator(_lower)
DatabaseUrl = Annotated[SecretStr, _service("postgresql://user:password@host/database", "postgresql", "postgres")]
AmqpUrl = Annotated[SecretStr, _service("amqp://user:password@host/", "amqp", "amqps")]
SmtpUrl = Annotated[SecretStr, _service("smtp://user:password@host:587 or smtps://user:password@host", "smtp", "smtps")]
SmsUrl = Annotated[  # the rest of it is the channel's to read
    SecretStr,
    _service(
        "twilio://SID:TOKEN@+15085550100, or https://gateway.example/send?to={to}&text={text}",
        "twilio",
        "http",
        "https",
    ),
]
