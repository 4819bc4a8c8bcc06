"""What each field of a submission may hold: pure checks that return the tidied value or say in words what is wrong."""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictStr, ValidationInfo, WithJsonSchema

from services.intake import regions
from shared.events import Channel

NAME_LENGTH: Final = 200
NOTES_LENGTH: Final = 4000
PROMISE_LENGTH: Final = 500
TOPIC_LENGTH: Final = 60
LINK_LENGTH: Final = 2000
TEXTABLE: Final = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
BIDI_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)\s?([Zz]|[+-]\d\d:?\d\d|[+-]\d\d)?", re.ASCII
)
# Scripts that are written together; any other mixture within one label of a domain is made to deceive.
WRITTEN_TOGETHER: Final = ({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}, {"LATIN", "CJK", "HANGUL"}, {"LATIN", "BOPOMOFO"})


def person_or_place(text: str) -> str:
    """Return a name on one line; it goes into subjects and headings, so it may hold nothing that moves text about."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ValueError("must not be empty")
    if any(character in BIDI_CONTROLS or unicodedata.category(character) in _NOT_IN_NAMES for character in text):
        raise ValueError("must be one line of plain text, without control characters")
    return _short(text, NAME_LENGTH)


def prose(text: str) -> str:
    """Return text of several lines, of which only letters, line breaks and tabs are left."""
    text = re.sub(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    kept = (
        character
        for character in unicodedata.normalize("NFC", text)
        if character in "\n\t" or (character not in BIDI_CONTROLS and unicodedata.category(character) != "Cc")
    )
    return "".join(kept).strip()


def email(text: str) -> str:
    """Return an address as a mail server takes it: the domain in lower case and as A-labels."""
    text = text.strip()
    if len(text) > 254:
        raise ValueError("must have at most 254 characters")
    if not text.partition("@")[0].isascii():
        raise ValueError("must have only plain letters before the @; not every mail server takes others")
    try:
        address = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except EmailNotValidError:
        raise ValueError("must be one e-mail address such as ada@school.example") from None
    for label in address.domain.split("."):
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in label if letter.isalpha()}
        if len(scripts) > 1 and not any(scripts <= together for together in WRITTEN_TOGETHER):
            raise ValueError("must not mix letters of different scripts after the @")
    if not address.ascii_email or len(address.ascii_email) > 254:
        raise ValueError("must have at most 254 characters")
    return address.ascii_email


def phone(text: str, region: str | None) -> str:
    """Return a number in the E.164 form; a national one is read in `region`, and refused without."""
    wrong = "must be a telephone number such as +15085550123"
    if not region and not text.strip().startswith(("+", "\uff0b")):  # in full width, as its digits may be
        raise ValueError(f"{wrong}, with its country code")
    if len(text) > 40:
        raise ValueError(wrong)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise ValueError(wrong) from None
    if number.extension or not phonenumbers.is_possible_number(number):
        raise ValueError(wrong)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def not_textable(phone: str) -> str | None:
    """Return why no text goes to this E.164 number, None if one may: its region and type count, not its digits."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return "must be a telephone number such as +15085550123"
    if phonenumbers.number_type(number) not in TEXTABLE or number.country_code == 870:  # a satellite's
        return "must be the number of a mobile telephone: no text reaches this one"
    return None


def reach(text: str) -> str:
    """Return a channel's name, or the address of a service that apprise speaks to, which is its own channel."""
    text = text.strip()
    if "://" not in text:
        if text.lower() not in get_args(Channel):
            raise ValueError("must be email, sms, or the address of a service such as ntfy://my-topic")
        return text.lower()
    if len(text) > LINK_LENGTH or not text.isprintable() or " " in text or not text.isascii():
        raise ValueError("must be the address of a service on one line, such as ntfy://my-topic")
    return text


@cache
def _zones() -> dict[str, str]:
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return {windows.casefold(): name for windows, name in WINDOWS_TO_OLSON.items()} | {
        name.casefold(): name for name in names if name != "Factory"
    }


def zone(text: str) -> str:
    """Return the IANA name of a zone of the pinned tzdata; a Windows name is translated, no other name is."""
    try:
        return _zones()[text.strip().casefold()]
    except KeyError:
        raise ValueError("must be a time zone such as America/New_York") from None


def link(text: str) -> str:
    """Return a web address; nothing else may end behind a button."""
    text = _short(text.strip(), LINK_LENGTH)
    try:
        parts = urlsplit(text)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("must be a web address that begins with https:// or http://")
    if parts.username is not None:
        raise ValueError("must not hold a user name")
    return text


Moment = datetime | date


def moment(value: object) -> Moment:
    """Return an instant, a wall-clock time without offset, or a day, from ISO 8601 text."""
    if not isinstance(value, str):
        raise ValueError("must be text such as 2026-10-21T14:10:00-04:00")
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip(), re.ASCII):
            return date.fromisoformat(value.strip())
        if not (match := MOMENT.fullmatch(value.strip())):
            raise ValueError(value)
        day, clock, offset = match.groups()
        found = datetime.fromisoformat(f"{day}T{clock.replace(',', '.')}{(offset or '').upper()}")
    except ValueError:
        raise ValueError("must be a date and time such as 2026-10-21T14:10:00-04:00") from None
    if abs(found.utcoffset() or timedelta(0)) > timedelta(hours=14):
        raise ValueError("must have an offset of at most 14 hours")
    return found


def instant(value: Moment, zone: str, *, now: datetime) -> datetime:
    """Return the instant of a moment read in this zone; a day alone is its noon, of today at most the present.

    RFC 5545: in a gap the offset before it holds, in a fold the first occurrence: what `fold=0` means. Raises
    `OverflowError` within a day of the ends of the calendar.
    """
    if not isinstance(value, datetime):
        at = datetime.combine(value, time(12), ZoneInfo(zone))
        return min(at, now) if value == now.astimezone(ZoneInfo(zone)).date() else at
    if value.tzinfo:
        return value
    return value.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).astimezone(ZoneInfo(zone))


def clock_time(value: object) -> time:
    """Return a time of day from text such as 15:30."""
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:00)?", value.strip(), re.ASCII):
        return time.fromisoformat(value.strip())
    raise ValueError("must be a time of day such as 15:30")


def day(value: object) -> date:
    """Return a day from text such as 2026-12-21."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip(), re.ASCII):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError("must be a date such as 2026-12-21")


def _short(text: str, length: int) -> str:
    if len(text) > length:
        raise ValueError(f"must have at most {length:,} characters")
    return text


_NOT_IN_NAMES: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _phone(text: str, info: ValidationInfo) -> str:
    return phone(text, (info.context or {}).get("phone_region"))


def _text(example: str, *, longest: int | None = None, **more: object) -> WithJsonSchema:
    """How the API's description shows a kind of text."""
    return WithJsonSchema(
        {"type": "string", "examples": [example]} | ({"maxLength": longest} if longest else {}) | more
    )


Optional = BeforeValidator(_empty_is_none)
Name = Annotated[StrictStr, AfterValidator(person_or_place), _text("Erin", longest=NAME_LENGTH)]
Notes = Annotated[
    StrictStr,
    AfterValidator(prose),
    AfterValidator(lambda text: _short(text, NOTES_LENGTH)),
    _text("robotics club swap", longest=NOTES_LENGTH),
]
Promise = Annotated[
    StrictStr,
    AfterValidator(prose),
    AfterValidator(lambda text: _short(text, PROMISE_LENGTH)),
    _text("send the rubric", longest=PROMISE_LENGTH),
]
Topic = Annotated[
    StrictStr,
    AfterValidator(person_or_place),
    AfterValidator(lambda text: _short(text, TOPIC_LENGTH)),
    _text("robotics", longest=TOPIC_LENGTH),
]
Hashtag = Annotated[
    StrictStr, AfterValidator(lambda text: person_or_place(text.strip().lstrip("#＃"))), _text("masscue")
]
Email = Annotated[StrictStr, AfterValidator(email), _text("ada@school.example", format="email", longest=254)]
Phone = Annotated[StrictStr, AfterValidator(_phone), _text("+15085550123")]
Reach = Annotated[
    StrictStr,
    AfterValidator(reach),
    WithJsonSchema({"type": "string", "examples": ["email", "sms", "ntfy://my-topic"], "maxLength": LINK_LENGTH}),
]
Zone = Annotated[StrictStr, AfterValidator(zone), _text("America/New_York")]
Link = Annotated[StrictStr, AfterValidator(link), _text("https://docs.example/rubric", longest=LINK_LENGTH)]
When = Annotated[Moment, PlainValidator(moment), _text("2026-10-21T14:10:00-04:00")]
ClockTime = Annotated[time, BeforeValidator(clock_time), _text("15:30")]
Day = Annotated[date, BeforeValidator(day), _text("2026-12-21", format="date")]
Locale = Annotated[StrictStr, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$")]  # es-MX, es_MX, ES
Holidays = Annotated[StrictStr, AfterValidator(regions.region), _text("US-MA")]
