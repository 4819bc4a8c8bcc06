"""The text of an iCalendar as it comes: its events, each for itself, whatever wrote the file; pure.

RFC 5545 wants UTF-8 and CRLF; the world has Latin-1, UTF-16 and old line ends, two calendars in one file, and files
that break off. Only what the breaks of a school go by is kept of an event.
"""

import re
from dataclasses import dataclass
from typing import Final

FIELDS: Final = frozenset(
    {
        *("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"),
        *("STATUS", "SUMMARY", "UID", "X-MICROSOFT-CDO-ALLDAYEVENT"),
    }
)
NAME: Final = re.compile(r"[A-Za-z0-9-]+")
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One event as it is written."""

    line: int  # where it begins
    text: str  # BEGIN:VEVENT to END:VEVENT
    is_whole: bool  # not cut off by the end of the file


def events(raw: bytes) -> list[Written] | None:
    """Return the events of a file in their order; None when it is no calendar at all."""
    is_calendar = False
    found: list[Written] = []
    inside: list[str] = []  # components that have begun, from the event on
    fields: list[str] = []
    began = 0
    for number, line in _lines(raw):
        word = line.strip().upper()
        is_calendar = is_calendar or word == "BEGIN:VCALENDAR"
        if word == "BEGIN:VEVENT" and is_calendar:
            if inside:  # the one before has no end
                found.append(_written(began, fields, is_whole=False))
            inside, fields, began = ["VEVENT"], [], number
        elif inside and word.startswith("BEGIN:"):
            inside.append(word.removeprefix("BEGIN:"))
        elif inside and word in {"END:VEVENT", "END:VCALENDAR"}:
            found.append(_written(began, fields, is_whole=word == "END:VEVENT"))
            inside = []
        elif inside and word.startswith("END:"):
            inside = inside[:-1] if len(inside) > 1 else inside
        elif len(inside) == 1 and (name := NAME.match(line)) and name[0].upper() in FIELDS:
            fields.append(line)
    if inside:
        found.append(_written(began, fields, is_whole=False))
    return found if is_calendar else None


def _written(line: int, fields: list[str], *, is_whole: bool) -> Written:
    return Written(line=line, text="\r\n".join(["BEGIN:VEVENT", *fields, "END:VEVENT", ""]), is_whole=is_whole)


def _lines(raw: bytes) -> list[tuple[int, str]]:
    """Return each line as it was before it was folded, with its number in the file."""
    if raw.startswith(UTF_16) or b"\0" in raw[:4]:
        encoding = "utf-16" if raw.startswith(UTF_16) else "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
        raw = raw.decode(encoding, "replace").encode("utf-8", "replace")
    raw = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    unfolded: list[tuple[int, bytearray]] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line[:1] in {b" ", b"\t"} and unfolded:
            unfolded[-1][1].extend(line[1:])  # as bytes: a fold may stand in the middle of a letter
        elif line:
            unfolded.append((number, bytearray(line)))
    return [(number, _decoded(bytes(line))) for number, line in unfolded]


def _decoded(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("cp1252", "replace")
    return text.replace("\0", "")
