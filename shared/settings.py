"""Settings: environment variables and secret files, read once into one frozen model."""

from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pydantic_settings
from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared.setting_values import (
    AmqpUrl,
    BareAddress,
    BaseUrl,
    Country,
    DatabaseUrl,
    Duration,
    Durations,
    EcPublicKey,
    Hosts,
    Keys,
    Lower,
    QueueName,
    Selector,
    Sender,
    SmsUrl,
    SmtpUrl,
    StrongKey,
    Topics,
    Zone,
)

BACKLOG_GUARD: Final = 1000


class SettingsError(Exception):
    """One line that names the setting and what is wrong with it."""


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
    database_url: DatabaseUrl | None = None  # postgresql://user:password@host/database
    amqp_url: AmqpUrl | None = None  # amqp://user:password@host/vhost
    smtp_url: SmtpUrl | None = None  # smtp://user:password@host:587 (STARTTLS), smtps://..., ?starttls=0
    sms_url: SmsUrl | None = None  # twilio://SID:TOKEN@+15085550100, or a gateway's address with {to} and {text}
    apprise_hosts: Hosts = ()  # where services of one's own may be that apprise speaks to: ntfy.school.example, ...
    bus_prefix: QueueName = "afterhello"  # the exchange, and before queue names

    # Who we are to the outside.
    public_url: BaseUrl | None = None  # how browsers and form tools reach intake, without a slash at the end
    mail_from: Sender | None = None  # Afterhello <hello@school.example>
    dkim_key: SecretStr | None = None  # RSA, PEM: mails are signed by us; None: by the mail server, or by nobody
    dkim_selector: Selector | None = None  # where its public half is: SELECTOR._domainkey.DOMAIN of MAIL_FROM
    secret_key: Keys = ()  # the first signs, all verify
    port: int | None = Field(None, ge=0, le=65535)  # default: 8080 intake, 8081 scheduler, 8082 notifier
    host: str = "127.0.0.1"  # the address to listen on; 0.0.0.0 inside a container

    # How mail comes in: people write to log+TOKEN@ the domain of this address, whose vendor calls /inbound/.
    inbound_address: BareAddress | None = None  # reply@in.school.example
    verp: bool = True  # bounces of each mail to an address of its own there; 0: to MAIL_FROM
    inbound_key: StrongKey | None = None  # what Postmark and SendGrid prove themselves with: ?key=, or a password
    mailgun_signing_key: SecretStr | None = None  # Mailgun's "HTTP webhook signing key"
    sendgrid_public_key: EcPublicKey | None = None  # SendGrid's "verification key" of signed event webhooks
    sns_topics: Topics = ()  # the topics of Amazon SNS, which carry what SES tells, by their ARNs

    # What we keep and read.
    data_dir: Path = Path("var")  # embedded parts keep their files here
    keep_bodies: Duration = timedelta(days=90)  # submissions as they came, and the words of messages, for so long
    plans_dir: Path | None = None  # the operator's own plans, beside the shipped ones
    time_zone: Zone = "UTC"  # of people and sources that name none
    phone_region: Country | None = None  # the country, such as US, whose national telephone numbers are let in
    student_data: Literal["off", "refuse", "mask"] = "off"  # what to do with words that look like data about a student
    student_patterns: str = ""  # what they look like, beside the shipped ones: `name = regular expression`, a line each

    # Limits and pauses.
    rate_limit: int = Field(60, ge=1, le=100_000)  # submissions a second and source; the burst is twice that
    daily_cap: int = Field(10, ge=1)  # messages a day to one person, whatever the reason
    mail_pace: int = Field(600, ge=0)  # mails a minute to one domain, as many at once; 0: no bounds
    sms_daily_cap: int = Field(3, ge=1)  # of them, texts
    retry_delays: Durations = tuple(timedelta(minutes=n) for n in (1, 5, 15, 30, 60))
    send_lease: Duration = timedelta(seconds=60)  # a send is ours for so long, then anybody's
    too_late_after: Duration = timedelta(hours=24)  # a follow-up later than this expires
    backlog_guard: int = Field(BACKLOG_GUARD, ge=1)  # more than this an hour late at once: held until `release`

    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = "info"
    log_format: Annotated[Literal["json", "console"], Lower] = "json"

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that this installation serves: who chooses another is told so."""
        return ("email", *(("sms",) if self.sms_url else ()), *(("apprise",) if find_spec("apprise") else ()))

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


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "").lower() or "not UTF-8"
