"""What vendors give as objects and lists becomes values: names, dates, times, telephone numbers, addresses. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.intake.answers import Answer, Row, Value

NAME: Final = ("prefix", "first", "firstName", "first_name", "middle", "last", "lastName", "last_name", "suffix")
ADDRESS: Final = (
    "addr_line1", "address", "address1", "addressLine1", "line1", "street", "addr_line2", "address2", "addressLine2",
    "line2", "city", "state", "province", "postal", "zip", "zipCode", "postalCode", "country",
)  # fmt: skip
# Of an object that is made for machines, what a person would read: the first of these that it has.
READABLE: Final = ("label", "text", "name", "fullName", "title", "value", "email", "url", "link", "full")
# What a widget says about itself, not what somebody answered.
FURNITURE: Final = ("colIds", "rowIds", "widget_metadata", "implementation")
NUMBER: Final = re.compile(r"\d{1,4}", re.ASCII)


def value(raw: object) -> Value | None:
    """Return what a person answered; None for nothing, and for what holds nothing."""
    match raw:
        case str():
            return raw if raw.strip() else None
        case bool() | int() | float():
            return raw
        case list():
            return tuple(text for one in raw if (text := _in_words(value(one)))) or None
        case dict():
            return _of_object(raw)
    return None


def urls(raw: object) -> Value | None:
    """Return the addresses of uploaded files."""
    files = raw if isinstance(raw, list) else [raw]
    found = [one.get("url") or one.get("link") if isinstance(one, dict) else one for one in files]
    return tuple(one for one in found if isinstance(one, str) and one.strip()) or None


def _in_words(one: Value | None) -> str:
    if isinstance(one, tuple):
        return ", ".join(one)
    return "" if one is None else str(one).strip()


def _of_object(raw: Mapping[str, Any]) -> Value | None:
    given = {name: one for name, one in raw.items() if value(one) is not None and name not in FURNITURE}
    if not given:
        return None
    if {"date", "duration"} <= raw.keys():  # an appointment; the rest is there when no slot was chosen, too
        return value(raw["date"])
    if {"year", "month", "day"} <= raw.keys():
        return _date(given)
    if given.keys() & {"hourSelect", "hour", "timeInput"}:
        return _clock(given)
    if {"area", "phone"} & given.keys():
        return _telephone(given)
    if given.keys() <= set(NAME):
        return _joined(given, NAME, " ")
    if len(given.keys() & set(ADDRESS)) == len(given):
        return _joined(given, ADDRESS, ", ")
    if first := given.get("start", given.get("date")):
        return value(first)
    for name in READABLE:
        if isinstance(given.get(name), str | int | float):
            return value(given[name])
    # A matrix: each row with what was chosen in it.
    return tuple(f"{name}: {_in_words(value(one))}" for name, one in given.items())


def _joined(given: Mapping[str, Any], names: tuple[str, ...], glue: str) -> str | None:
    return glue.join(_in_words(value(given[name])) for name in names if name in given) or None


def _date(given: Mapping[str, Any]) -> str | None:
    """`{"year": "2026", "month": "10", "day": "21", "hour": "2", "min": "10", "ampm": "PM"}`: 2026-10-21T14:10."""
    if not {"year", "month", "day"} <= given.keys():
        return None  # begun and not finished, or left out while the clock beside it has its default
    year, month, day = (_in_words(value(given[name])) for name in ("year", "month", "day"))
    if not (NUMBER.fullmatch(year) and NUMBER.fullmatch(month) and NUMBER.fullmatch(day)):
        return f"{year} {month} {day}"  # no date of ours: it is refused in words where a date is wanted
    date = f"{int(year):04}-{int(month):02}-{int(day):02}"
    clock = _clock(given)
    return f"{date}T{clock}" if clock else date


def _clock(given: Mapping[str, Any]) -> str | None:
    """`{"hourSelect": "2", "minuteSelect": "10", "ampm": "PM"}`: 14:10. At 12 the halves of the day begin."""
    typed = _in_words(value(given.get("timeInput")))
    hour, _, minute = typed.partition(":")
    if not minute:
        hour = _in_words(value(given.get("hourSelect", given.get("hour"))))
        minute = _in_words(value(given.get("minuteSelect", given.get("min", given.get("minute"))))) or "0"
    if not (NUMBER.fullmatch(hour) and NUMBER.fullmatch(minute)):
        return typed or None
    half = _in_words(value(given.get("ampm"))).lower()
    hours = int(hour) % 12 + (12 if half == "pm" else 0) if half in {"am", "pm"} else int(hour)
    return f"{hours:02}:{int(minute):02}"


def _telephone(given: Mapping[str, Any]) -> str | None:
    if "full" in given:
        return _in_words(value(given["full"]))
    country = _in_words(value(given.get("country")))
    return " ".join(
        part
        for part in (
            f"+{country.lstrip('+')}" if country else "",
            _in_words(value(given.get("area"))),
            _in_words(value(given.get("phone"))),
        )
        if part
    )


def rows(raw: object, *, names: tuple[str, ...], title: str) -> list[Answer]:
    """Return the cells of a group that was filled in several times: `people[2].email`, "People 2 email"."""
    found = []
    for number, row in enumerate(raw if isinstance(raw, list) else [], start=1):
        for key, column, cell in _cells(row):
            found.append(
                Answer(
                    names=tuple(f"{name}[{number}].{part}" for name in names for part in dict.fromkeys((key, column))),
                    title=f"{title} {number} {column}".strip(),
                    kind="text",
                    value=value(cell),
                    row=Row(number, column),
                )
            )
    return found


def _cells(row: object) -> list[tuple[str, str, object]]:
    """A row is an object of its columns, or a form within the form that lists its questions."""
    if not isinstance(row, dict):
        return []
    asked = row.get("questions")
    if not isinstance(asked, list):
        return [(name, name, cell) for name, cell in row.items()]
    return [
        (str(one.get("id")), str(one.get("name") or one.get("id")), one.get("value"))
        for one in asked
        if isinstance(one, dict)
    ]
