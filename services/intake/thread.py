"""A thread: what people quote and forward below what they write. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from services.intake.letter import Mailbox, mailboxes

NOTES_LENGTH: Final = 4000
QUOTED_LINES: Final = 6  # of each quoted part; enough to know what it was about
LINES: Final = 2000
HEAD_LINES: Final = 8
PREFIX: Final = re.compile(r"^\s*((re|fwd?|aw|wg|rv|tr|sv|antw|doorst)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
# `From: Erin <erin@district.example>` in the languages of the mail programs people have, quoted or in bold or neither.
LABELS: Final = {
    "from": ("from", "de", "von", "da", "van", "från", "fra"),
    "to": ("to", "para", "an", "a", "à", "aan", "till", "til"),
    "date": ("date", "sent", "fecha", "enviado", "enviado el", "datum", "gesendet", "envoyé", "data", "verzonden"),
    "subject": ("subject", "asunto", "betreff", "objet", "oggetto", "onderwerp", "assunto"),
}
NAMED: Final = {label: field for field, labels in LABELS.items() for label in labels}
HEADER: Final = re.compile(r"[>\s*]*([^\W\d_][^:*<>@\n]{0,20}?)\s*:\s*\**\s*(\S.*)")
MAILTO: Final = re.compile(r"\[mailto:([^\]\s]+)\]", re.IGNORECASE)
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# "Wed, Oct 21, 2026 at 2:10 PM" and "21 October 2026 at 14:10:00": the wall clock of whoever forwarded it.
WRITTEN: Final = re.compile(
    r"(?:(?P<m1>[A-Z][a-z]{2})[a-z]* (?P<d1>\d{1,2})|(?P<d2>\d{1,2}) (?P<m2>[A-Z][a-z]{2})[a-z]*),? (?P<y>\d{4})"
    r"(?:,| at)? (?P<h>\d{1,2}):(?P<min>\d\d)(?::\d\d)?(?:\s?(?P<half>[AP]M))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """The head of a letter that stands within another one."""

    sender: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    sent_at: str | None


def notes(subject: str, text: str) -> str:
    """Return what is worth remembering of a letter: its subject and text, what is quoted cut short."""
    said = "\n\n".join(part for part in (PREFIX.sub("", subject).strip(), _shortened(text)) if part)
    return said if len(said) <= NOTES_LENGTH else f"{said[: NOTES_LENGTH - 1]}…"


def forwarded(text: str) -> tuple[Forwarded, ...]:
    """Return the heads of the letters within this one, the outermost first."""
    lines = text.splitlines()[:LINES]
    found: list[Forwarded] = []
    for number in range(len(lines)):
        if _header(lines[number])[0] == "from":
            # Most programs begin with who wrote it, and some end with that.
            around = [*lines[number : number + HEAD_LINES], *reversed(lines[max(0, number - 3) : number])]
            head = dict(reversed([_header(line) for line in around]))
            if len(head.keys() & {"to", "date", "subject"}) >= 2:
                found.append(
                    Forwarded(
                        sender=_people(head["from"]),
                        to=_people(head.get("to", "")),
                        sent_at=_instant(head.get("date", "")),
                    )
                )
    return tuple(found)


def _header(line: str) -> tuple[str, str]:
    found = HEADER.fullmatch(line[:1000].strip())
    return (NAMED.get(found[1].strip().lower(), ""), found[2].strip(" *")) if found else ("", "")


def _people(value: str) -> tuple[Mailbox, ...]:
    return mailboxes(MAILTO.sub(r"<\1>", value).replace(";", ","))


def _instant(value: str) -> str | None:
    value = value.replace("\u202f", " ").replace("\xa0", " ")
    try:
        at = parsedate_to_datetime(value)
        if at.tzinfo is not None:
            return at.isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    found = WRITTEN.search(value)
    month = (found["m1"] or found["m2"]).lower() if found else ""
    if not found or month not in MONTHS:
        return None
    hour = int(found["h"]) % 12 + (12 if found["half"] == "PM" else 0) if found["half"] else int(found["h"])
    try:
        day = int(found["d1"] or found["d2"])
        return datetime(int(found["y"]), MONTHS.index(month) + 1, day, hour, int(found["min"])).isoformat()  # noqa: DTZ001
    except ValueError:
        return None


def _shortened(text: str) -> str:
    """Without the signature; of each quoted part the first lines."""
    kept: list[str] = []
    quoted = 0
    for line in _unsigned(text.splitlines()[:LINES]):
        quoted = quoted + 1 if line.lstrip().startswith(">") else 0
        if quoted <= QUOTED_LINES:
            kept.append(line.rstrip())
        elif quoted == QUOTED_LINES + 1:
            kept.append("> …")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _unsigned(lines: Sequence[str]) -> list[str]:
    """What stands between `-- ` and the end, or what is quoted next, is a signature."""
    kept: list[str] = []
    signed = False
    for line in lines:
        if line.rstrip("\r") == "-- ":
            signed = True
        elif line.lstrip().startswith(">") or _header(line)[0] == "from" or line.startswith("-----"):
            signed = False
        if not signed:
            kept.append(line)
    return kept
