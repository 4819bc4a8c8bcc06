"""What a person typed about a source or a token, checked; everything wrong is `Refused` in one line."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from services.intake import body, fields, mapping
from services.intake.answers import Submission
from services.intake.body import Invalid
from services.intake.providers import Provider
from services.intake.readers import READERS, Reader
from shared.command import Refused
from shared.setting_values import duration

T = TypeVar("T")
FILE_BYTES: Final = 256 * 1024


def provider(name: str) -> Reader:
    """Return what reads submissions of a source of this kind."""
    if name not in READERS:
        raise Refused(f"PROVIDER: there is no provider {name[:60]!r}; there are {', '.join(READERS)}")
    return READERS[name]


def checked(option: str, check: Callable[[str], T], text: str) -> T:
    """Return what the check makes of the text."""
    try:
        return check(text)
    except ValueError as error:
        raise Refused(f"{option}: {error}") from None


def name(text: str) -> str:
    """Return a name of one line."""
    return checked("NAME", fields.person_or_place, text)


def plan(option: str, text: str, plans: Collection[str]) -> str:
    """Return the name of a plan there is."""
    if text not in plans:
        raise Refused(f"{option}: there is no plan {text[:60]!r}; there are {', '.join(sorted(plans))}")
    return text


def secret(tool: Provider, text: str | None) -> str:
    """Return the secret, or a fresh one of the form that the tool takes; empty where the path alone is the proof."""
    if text is None:
        return tool.new_secret() or ""
    checked("--secret", tool.check_secret, text)
    return text


def days(text: str) -> timedelta:
    """Return how long something is kept: days as a bare number, or "2 hours"; raises `ValueError`."""
    if text.split()[:1] == ["0"]:
        return timedelta(0)
    return duration(f"{text} days" if text.strip().isdecimal() else text)


def pairs(option: str, kind: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Return FIELD=QUESTION or FIELD=VALUE texts as pairs."""
    found: dict[str, str] = {}
    for text in texts or ():
        field, equals, value = text.partition("=")
        field, value = field.strip(), value.strip()
        if not equals:
            raise Refused(f"{option} {text[:60]!r} has no =; write {option} FIELD={kind}")
        if field in found:
            raise Refused(f"{option} {field} is given twice")
        found[field] = value
    return found


def fields_of(questions: Mapping[str, str], values: Mapping[str, str], plans: Collection[str]) -> None:
    """Check the fields of --map and --set, and that what is set may stand where it is set."""
    checked("--map, --set", lambda _: mapping.check(questions, values), "")
    if "plan" in values:
        plan("--set plan", values["plan"], plans)
    document = mapping.apply(Submission(key="typed"), mapping={}, fixed=values).document
    try:
        body.check(document, phone_region=None)
    except Invalid as invalid:
        for error in invalid.errors:
            field = next((one for one in values if error["field"] == one or error["field"].startswith(f"{one}.")), None)
            if field is not None:
                raise Refused(f"--set {field}={values[field][:60]}: {error['problem']}") from None


def payload(file: Path, *, limit: int = FILE_BYTES) -> bytes:
    """Return what is in the file, or for - on standard input."""
    try:
        if str(file) == "-":
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened:
                raw = opened.read(limit + 1)
    except OSError as error:
        raise Refused(f"{file}: {(error.strerror or 'cannot be read').lower()}") from None
    if len(raw) > limit:
        raise Refused(f"{file}: has more than {limit // 1024} KiB, which is not taken")
    return raw
