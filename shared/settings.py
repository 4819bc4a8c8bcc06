"""Settings: environment variables and secret files, read once into one frozen model."""

import re
from collections.abc import Sequence
from datetime import timedelta
from email import policy
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import pydantic_settings
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

EXAMPLE: Final = "change-me"  # what deploy/env.example holds where a secret belongs
SECRET_BYTES: Final = 32
KEY_LENGTH: Final = 16
EXAMPLE_URLS: Final = {
    "postgresql": "postgresql://user:password@host/database",
    "amqp": "amqp://user:password@host/",
    "smtp": "smtp://user:password@host:587 or smtps://user:password@host",
    "twilio": "twilio://SID:TOKEN@+15085550100, or https://gateway.example/send?to={to}&text={text}",
}
BACKLOG_GUARD: Final = 1000
UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class SettingsError(Exception):
    """One line that names the setting and what is wrong with it."""


def duration(text: str) -> timedelta:
    """Return "30 seconds", "5 minutes", "1 hour" or "2 days" as a timedelta; raises `ValueError` in words."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(second|minute|hour|day)s?\s*", text)
    if not match or not int(match[1]):
        raise ValueError(f"{text.strip()!r} is no duration such as '30 seconds', '5 minutes' or '1 hour'")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


class _SecretFiles(EnvSettingsSource):
    """Reads `NAME_FILE` for our own fields only; any other `*_FILE` variable belongs to somebody else."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        path = self.env_vars.get(f"{field_name}_file")
        if value is not None or not path:
            return value, key, is_complex
        try:
            return Path(path).read_text(encoding="utf-8").strip(), key, is_complex
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{field_name.upper()}_FILE: {path} cannot be read: {_why(error)}") from error


class Settings(BaseSettings):
    """Everything an operator can set. Durations are written as "5 minutes"; lists are separated by commas."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    # Where the parts are. `afterhello run` brings its own for each one that is missing.
    database_url: SecretStr | None = None  # postgresql://user:password@host/database
    amqp_url: SecretStr | None = None  # amqp://user:password@host/vhost
    smtp_url: SecretStr | None = None  # smtp://user:password@host:587 (STARTTLS), smtps://..., ?starttls=0
    sms_url: SecretStr | None = None  # twilio://SID:TOKEN@+15085550100, or a gateway's address with {to} and {text}
    bus_prefix: str = "afterhello"  # the exchange, and before queue names

    # Who we are to the outside.
    public_url: str | None = None  # how browsers and form tools reach intake, without a slash at the end
    mail_from: str | None = None  # Afterhello <hello@school.example>
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # the first signs, all verify
    port: int | None = Field(None, ge=0, le=65535)  # default: 8080 intake, 8081 scheduler, 8082 notifier
    host: str = "127.0.0.1"  # the address to listen on; 0.0.0.0 inside a container

    # How mail comes in: people write to log+TOKEN@ the domain of this address, whose vendor calls /inbound/.
    inbound_address: str | None = None  # reply@in.school.example
    inbound_key: SecretStr | None = None  # what Postmark and SendGrid prove themselves with: ?key=, or a password
    mailgun_signing_key: SecretStr | None = None  # Mailgun's "HTTP webhook signing key"

    # What we keep and read.
    data_dir: Path = Path("var")  # embedded parts keep their files here
    plans_dir: Path | None = None  # the operator's own plans, beside the shipped ones
    time_zone: str = "UTC"  # of people and sources that name none
    phone_region: str | None = None  # the country, such as US, whose national telephone numbers are let in

    # Limits and pauses.
    rate_limit: int = Field(60, ge=1, le=100_000)  # submissions a second and source; the burst is twice that
    daily_cap: int = Field(10, ge=1)  # messages a day to one person, whatever the reason
    sms_daily_cap: int = Field(3, ge=1)  # of them, texts
    retry_delays: Annotated[tuple[timedelta, ...], NoDecode] = tuple(timedelta(minutes=n) for n in (1, 5, 15, 30, 60))
    send_lease: Annotated[timedelta, NoDecode] = timedelta(seconds=60)  # a send is ours for so long, then anybody's
    too_late_after: Annotated[timedelta, NoDecode] = timedelta(hours=24)  # a follow-up later than this expires
    backlog_guard: int = Field(BACKLOG_GUARD, ge=1)  # more than this an hour late at once: held until `release`

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @field_validator("bus_prefix")
    @classmethod
    def _name_of_queues(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9._-]{1,60}", value):
            raise ValueError("must be 1 to 60 of a-z, 0-9, dot, underscore and hyphen, such as afterhello")
        return value

    @field_validator("secret_key", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value

    @field_validator("secret_key")
    @classmethod
    def _strong_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            if EXAMPLE in key.get_secret_value() or len(key.get_secret_value().encode()) < SECRET_BYTES:
                raise ValueError(f"needs {SECRET_BYTES} random bytes or more; `openssl rand -hex 32` makes one")
        return keys

    @field_validator("retry_delays", mode="before")
    @classmethod
    def _split_delays(cls, value: object) -> object:
        return [duration(part) for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("send_lease", "too_late_after", mode="before")
    @classmethod
    def _read_duration(cls, value: object) -> object:
        return duration(value) if isinstance(value, str) else value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not _is_base(value):
            raise ValueError("must be an address such as https://hello.school.example")
        return value and value.rstrip("/")

    @field_validator("mail_from")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        if value is not None:
            header = policy.default.header_factory("From", value)
            if header.defects or len(header.addresses) != 1 or not header.addresses[0].domain:
                raise ValueError("must be one address such as Afterhello <hello@school.example>")
        return value

    @field_validator("inbound_address")
    @classmethod
    def _bare_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,20}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
            raise ValueError("must be a bare address such as reply@in.school.example")
        return value

    @field_validator("inbound_key")
    @classmethod
    def _strong_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (EXAMPLE in value.get_secret_value() or len(value.get_secret_value()) < KEY_LENGTH):
            raise ValueError(f"needs {KEY_LENGTH} characters or more; `openssl rand -hex 32` makes one")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        # A name in a fixed set, not one that can be opened: "America" is a folder, and "localtime" is anything.
        if value in available_timezones() - {"Factory", "localtime", "posixrules"}:
            return value
        from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # 50 ms, which hardly anybody needs

        if value not in WINDOWS_TO_OLSON:
            raise ValueError("must be a time zone such as Europe/Berlin or America/New_York")
        return WINDOWS_TO_OLSON[value]

    @field_validator("phone_region")
    @classmethod
    def _known_country(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from phonenumbers import SUPPORTED_REGIONS  # 20 ms, which hardly anybody needs

        region = value.strip().upper()
        if region not in SUPPORTED_REGIONS:
            raise ValueError("must be the two letters of a country such as US or DE")
        return region

    @field_validator("database_url", "amqp_url", "smtp_url", "sms_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None, info: Any) -> SecretStr | None:
        schemes = {
            "database_url": ("postgresql", "postgres"),
            "amqp_url": ("amqp", "amqps"),
            "smtp_url": ("smtp", "smtps"),
            "sms_url": ("twilio", "http", "https"),  # the rest of it is the channel's to read
        }[info.field_name]
        if value is not None:
            try:
                parts = urlsplit(value.get_secret_value())
                is_right = parts.scheme in schemes and (parts.port is None or parts.port > 0)
                is_right = is_right and bool(parts.hostname or parts.scheme.startswith("postgres"))  # else a socket
            except ValueError:
                is_right = False
            if not is_right:
                raise ValueError(f"must be an address such as {EXAMPLE_URLS[schemes[0]]}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _SecretFiles(settings_cls)


def read(*, required: Sequence[str] = (), **given: Any) -> Settings:
    """Return the settings of the environment, `given` ones taking precedence.

    Raises `SettingsError`, one line, for the first that is wrong, or of `required` (field names) missing.
    """
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        words = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
        raise SettingsError(f"{name}: {words}") from None
    except pydantic_settings.SettingsError as error:  # how it wraps ours
        raise error.__cause__ or error from None
    for name in required:
        if not getattr(settings, name):
            raise SettingsError(f"{name.upper()} is not set: set it, or {name.upper()}_FILE, in the environment")
    return settings


def _is_base(url: str) -> bool:
    """Whether paths may be put behind this address, in headers of mails too."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return (
        is_web and "@" not in parts.netloc and re.fullmatch(r"[!-~]+", url) is not None and not set("?#<>") & set(url)
    )


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "").lower() or "not UTF-8"
