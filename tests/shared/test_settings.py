"""Settings come from the environment, and what is wrong with them is said in one line."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared import setting_values, settings
from shared.settings import Settings, SettingsError

KEY = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def test_without_any_there_are_defaults() -> None:
    config = settings.read()
    assert (config.port, config.host, config.time_zone, config.bus_prefix) == (None, "127.0.0.1", "UTC", "afterhello")
    assert config.retry_delays == tuple(timedelta(minutes=n) for n in (1, 5, 15, 30, 60))
    assert (config.send_lease, config.too_late_after) == (timedelta(seconds=60), timedelta(hours=24))


def test_what_is_given_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert settings.read().port == 9000
    assert settings.read(port=9001).port == 9001


def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert settings.read() == Settings()


def test_values_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", f" {KEY} ,{KEY[::-1]},")
    monkeypatch.setenv("RETRY_DELAYS", "30 seconds, 1 hour")
    monkeypatch.setenv("TOO_LATE_AFTER", "2 days")
    monkeypatch.setenv("PUBLIC_URL", "https://hello.school.example/base/")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    config = settings.read()
    assert [key.get_secret_value() for key in config.secret_key] == [KEY, KEY[::-1]]
    assert config.retry_delays == (timedelta(seconds=30), timedelta(hours=1))
    assert config.too_late_after == timedelta(days=2)
    assert config.public_url == "https://hello.school.example/base"
    assert config.log_level == "warning"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql://host:port/db"),
        ("AMQP_URL", "http://host"),
        ("INBOUND_ADDRESS", "in.school.example"),
        ("INBOUND_ADDRESS", "Reply <reply@in.school.example>"),
        ("INBOUND_KEY", "short"),
        ("SENDGRID_PUBLIC_KEY", "a key"),
        ("SENDGRID_PUBLIC_KEY", "MFkwEwYHKoZIzj0C"),
        ("SNS_TOPICS", "arn:aws:sqs:us-east-1:123456789012:bounces"),
        ("SNS_TOPICS", "arn:aws:sns:us-east-1:123456789012:bounces,bounces"),
        ("INBOUND_KEY", "change-me-change-me"),
        ("AMQP_URL", "amqp://"),
        ("SMTP_URL", "mail.school.example"),
        ("SMTP_URL", "smtp://host:0"),
        ("SMS_URL", "+15085550100"),
        ("SMS_URL", "twilio://"),
        ("PUBLIC_URL", "hello.school.example"),
        ("PUBLIC_URL", "ftp://hello.school.example"),
        ("PUBLIC_URL", "https://hello school.example"),
        ("PUBLIC_URL", "https://hello.school.example/a?b=c"),
        ("PUBLIC_URL", "https://hello.school.example/#top"),
        ("PUBLIC_URL", "https://user:password@hello.school.example"),
        ("PUBLIC_URL", "https://hello.school.example:http"),
        ("MAIL_FROM", "hello"),
        ("MAIL_FROM", "a@b.example, c@d.example"),
        ("MAIL_FROM", "Hello\nBcc: x@y.example <a@b.example>"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", f"{KEY},short"),
        ("SECRET_KEY", "change-me-" * 10),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("TIME_ZONE", "America"),
        ("TIME_ZONE", "../../etc/passwd"),
        ("TIME_ZONE", "localtime"),
        ("TIME_ZONE", "EST5EDT4"),
        ("TIME_ZONE", "X" * 300),
        ("RETRY_DELAYS", "1 minute,,5 minutes"),
        ("SEND_LEASE", "60"),
        ("TOO_LATE_AFTER", "0 days"),
        ("RATE_LIMIT", "0"),
        ("DAILY_CAP", "-1"),
        ("BUS_PREFIX", "a b"),
        ("PHONE_REGION", "usa"),
        ("PHONE_REGION", "ZZ"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_one_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        settings.read()
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BUS_PREFIX", "My bus", "must be 1 to 60 of a-z, 0-9, dot, underscore and hyphen, such as afterhello"),
        ("PHONE_REGION", "usa", "must be the two letters of a country such as US or DE"),
    ],
)
def test_the_form_that_a_value_must_have_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        settings.read()
    assert str(caught.value) == f"{name}: {says}"


def test_a_country_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONE_REGION", " us")
    assert settings.read().phone_region == "US"


@pytest.mark.parametrize("name", ["DATABASE_URL", "AMQP_URL", "SMTP_URL", "SMS_URL", "SECRET_KEY"])
def test_what_may_hold_a_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "nonsense://user:hunter2")
    with pytest.raises(SettingsError) as caught:
        settings.read()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["Europe/Berlin", "US/Eastern", "America/Argentina/Ushuaia", "UTC"])
def test_zones_of_the_package_are_known(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TIME_ZONE", value)
    assert settings.read().time_zone == value


@pytest.mark.parametrize(
    ("value", "zone"),
    [
        ("Eastern Standard Time", "America/New_York"),
        ("eastern STANDARD time", "America/New_York"),
        ("europe/BERLIN", "Europe/Berlin"),
        ("us/eastern", "US/Eastern"),
        (" utc ", "UTC"),
    ],
)
def test_a_zone_is_known_in_any_case_and_of_windows_too(monkeypatch: pytest.MonkeyPatch, value: str, zone: str) -> None:
    monkeypatch.setenv("TIME_ZONE", value)
    assert settings.read().time_zone == zone


def test_a_zone_that_is_almost_one_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIME_ZONE", "America/NewYork")
    with pytest.raises(SettingsError, match="is America/New_York meant"):
        settings.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql:///afterhello?host=/run/postgresql"),
        ("SMTP_URL", "smtps://me%40school.example:secret@mail.school.example"),
        ("SMS_URL", "twilio://AC0:secret@+15085550100?api=http://127.0.0.1:1"),
        ("SMS_URL", "https://gateway.school.example/send?to={to}&text={text}"),
        ("MAIL_FROM", "hello@school.example"),
        ("MAIL_FROM", '"Hello, again" <hello@school.example>'),
    ],
)
def test_unusual_ones_are_right_too(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert settings.read() != Settings.model_construct()


def test_a_missing_one_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^AMQP_URL is not set: .*AMQP_URL_FILE"):
        settings.read(required=("amqp_url",))
    with pytest.raises(SettingsError, match=r"^SECRET_KEY is not set"):
        settings.read(required=("secret_key",))


def test_a_secret_can_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))
    assert settings.read().secret_key[0].get_secret_value() == KEY
    monkeypatch.setenv("SECRET_KEY", KEY[::-1])
    assert settings.read().secret_key[0].get_secret_value() == KEY[::-1]


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SMTP_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"^SMTP_URL_FILE: .*/none cannot be read: no such file"):
        settings.read()
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^SMTP_URL_FILE: .* cannot be read: not UTF-8"):
        settings.read()


def test_other_peoples_files_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", "/nowhere")
    settings.read()


def test_secrets_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    schemes = {"DATABASE_URL": "postgresql", "AMQP_URL": "amqp", "SMTP_URL": "smtp", "SMS_URL": "twilio"}
    for name, scheme in schemes.items():
        monkeypatch.setenv(name, f"{scheme}://user:hunter2@host")
    config = settings.read()
    for text in (repr(config), str(config), config.model_dump_json()):
        assert "hunter2" not in text and KEY not in text


def test_nothing_can_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        settings.read().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1 second", 1), ("90 seconds", 90), (" 5 minutes ", 300), ("1 hour", 3600), ("2days", 172_800)],
)
def test_durations_are_words(text: str, expected: int) -> None:
    assert setting_values.duration(text) == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["", "5", "minutes", "-1 minute", "1.5 hours", "1 week", "0 seconds", "9999999 days"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        setting_values.duration(text)
