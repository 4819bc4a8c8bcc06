"""The guard: words about students are refused, or masked, before anything of them is kept. Pure.

The patterns are the operator's, beside a few of ours. One that could take long on some text is refused at the start:
a repetition has an end, holds no other of variable length, and the ways in which a pattern can match are counted.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, Literal, TypeVar
from urllib.parse import unquote_plus

from services.intake.body import FieldError, Part

P = TypeVar("P", bound=Part)

Mode = Literal["off", "refuse", "mask"]

SHIPPED: Final = {
    "student-id": r"\b(?:student|pupil)\s{0,2}(?:id|no|number|#)\W{0,3}[a-z]{0,3}\d{3,12}",
    "student-name": r"\b(?:student|pupil)s?\s?:\s?[^\n.;]{1,60}",
    "birth-date": (
        r"\b(?:dob|d\.o\.b|born|birth(?:day|date)?|date of birth)\W{0,4}(?:on\s|is\s)?"
        r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d{1,2}\s[a-z]{3,9}\s\d{4}|[a-z]{3,9}\s\d{1,2},?\s\d{4})"
    ),
}
REFUSED: Final = "holds what looks like data about a student, which is not kept here"
MASK: Final = "[removed]"
ESCAPED: Final = re.compile(r"\\u([0-9a-f]{4})|\\[nrt]", re.IGNORECASE)  # as JSON may write letters and blanks
BLANKS: Final = re.compile(r"[^\S\n]+")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
WAYS: Final = 10_000  # in which a pattern may match at one place, counted generously
LONGEST: Final = 200  # repetitions
PASSED_OVER: Final = {"email", "phone", "time_zone", "locale", "channel", "plan", "holidays", "kind", "state"}
ADDRESSES: Final = {"document", "links"}  # masked, they would lead nowhere: they are left out


class BadPatterns(ValueError):
    """A pattern that cannot be used: which one, and why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What to look for, and what to do about it."""

    mode: Mode = "off"
    patterns: Mapping[str, re.Pattern[str]]

    def passed(self, part: P) -> tuple[P, list[FieldError]]:
        """Return what was sent as it may be kept, and the fields that are refused; no match is ever repeated."""
        if self.mode == "off":
            return part, []
        if self.mode == "mask":
            return self._masked(part), []
        found = []
        for field, text in _texts(part):
            if name := self.finds(text):
                found.append(FieldError(field=field, problem=f"{REFUSED} ({name})"))
        return part, found

    def finds(self, text: str) -> str | None:
        """Return the name of the first pattern that finds something in the text, however that is spelled."""
        return next((name for reading in _readings(text) if (name := self._finds_as_it_stands(reading))), None)

    def may_keep(self, body: bytes) -> bool:
        """Say whether a submission may be kept as it came: what no field was made of may stand in it, too."""
        if self.mode == "off" or not body:
            return True
        text = body.decode("utf-8", "replace")
        decoded = _plain(ESCAPED.sub(_unescaped, unquote_plus(unquote_plus(text))))  # an address in a form is both
        readings = [text, *(one.replace('":"', ": ").replace('"', " ") for one in (text, decoded)), decoded]
        return not any(self._finds_as_it_stands(reading) for reading in dict.fromkeys(readings))

    def _finds_as_it_stands(self, text: str) -> str | None:
        return next((name for name, pattern in self.patterns.items() if pattern.search(text)), None)

    def _masked(self, part: P) -> P:
        changes: dict[str, Any] = {}
        for name in type(part).model_fields:
            value = getattr(part, name)
            if name in PASSED_OVER:
                continue
            after = self._without(value, drop=name in ADDRESSES)
            if after is not value:
                changes[name] = after
        return part.model_copy(update=changes) if changes else part

    def _without(self, value: Any, *, drop: bool) -> Any:
        if isinstance(value, str):
            if self.finds(value) is None:
                return value
            if drop:
                return None
            for reading in _readings(value):
                left = reading
                for pattern in self.patterns.values():
                    left = _gone(pattern, left)
                if self.finds(left) is None:
                    return left
            return MASK
        if isinstance(value, Part):
            return self._masked(value)
        if isinstance(value, tuple):
            after = tuple(kept for one in value if (kept := self._without(one, drop=drop)) is not None)
            return after if after != value else value
        return value


NOTHING: Final = Guard(patterns={})


def is_refusal(errors: Sequence[FieldError]) -> bool:
    """Say whether the guard is among the reasons: then nothing is kept of what was sent."""
    return any(REFUSED in error["problem"] for error in errors)


def read(mode: Mode, text: str) -> Guard:
    """Return the guard; `text` has a pattern a line, `name = regular expression`, and `name =` leaves one of ours out.

    Raises `BadPatterns` for the first line that cannot be used.
    """
    written = dict(SHIPPED)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, pattern = (one.strip() for one in line.partition("="))
        if not equals or not NAME.fullmatch(name):
            raise BadPatterns(f"line {number}: must be name = regular expression, the name of a-z, 0-9 and hyphens")
        if not pattern and name not in SHIPPED:
            raise BadPatterns(f"line {number}: there is no pattern {name!r} of ours to leave out")
        written[name] = pattern
    return Guard(mode=mode, patterns={name: _compiled(name, pattern) for name, pattern in written.items() if pattern})


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        ways = _ways(parser.parse(pattern, re.IGNORECASE))
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadPatterns(f"{name}: is no regular expression: {error}") from None
    except (RecursionError, OverflowError):
        raise BadPatterns(f"{name}: is too long") from None
    except BadPatterns as error:
        raise BadPatterns(f"{name}: {error}") from None
    if ways > WAYS:
        raise BadPatterns(f"{name}: could take too long; make its repetitions shorter, or its alternatives fewer")
    if compiled.search(""):
        raise BadPatterns(f"{name}: finds something in everything")
    return compiled


def _ways(sequence: Any) -> int:
    """In how many ways a parsed pattern can match at one place, at most."""
    ways = 1
    for code, argument in sequence:
        ways *= _ways_of(code, argument)
        if ways > WAYS**2:
            break
    return ways


def _ways_of(code: Any, argument: Any) -> int:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, body = argument
        if most > LONGEST:
            raise BadPatterns("a repetition must end: write {0,20} or {1,20} in place of * and +")
        inside = _ways(body)
        if most > 1 and inside > 1:
            raise BadPatterns(
                "a repetition holds another, or alternatives, of which it cannot be said how long they take"
            )
        return int((most - least + 1) * inside)
    if code is codes.BRANCH:
        return sum(_ways(one) for one in argument[1])
    if code is codes.SUBPATTERN:
        return _ways(argument[-1])
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return _ways(argument[1])
    if code is codes.ATOMIC_GROUP:
        return _ways(argument)
    if code in (codes.GROUPREF, codes.GROUPREF_EXISTS, codes.GROUPREF_IGNORE):
        raise BadPatterns("a pattern must not look back at what it found")
    return 1


def _readings(text: str) -> Iterator[str]:
    """The text as it stands, and as it reads: people see no difference, and a pattern does."""
    yield text
    if (plain := _plain(text)) != text:
        yield plain
    if "%" in text:
        yield _plain(unquote_plus(unquote_plus(text)))


def _plain(text: str) -> str:
    """The text in plain letters: no full-width ones, none that nobody sees, and one blank where there are several."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(letter for letter in text if letter.isascii() or unicodedata.category(letter) != "Cf")
    return BLANKS.sub(" ", text)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else " "


def _gone(pattern: re.Pattern[str], text: str) -> str:
    """The text without what is found, and without the word that was only begun by it."""
    found = []
    at = 0
    for match in pattern.finditer(text):
        end = match.end()
        while end < len(text) and (text[end].isalnum() or text[end] in "-_"):
            end += 1
        if match.start() >= at:
            found += [text[at : match.start()], MASK]
            at = end
    return "".join([*found, text[at:]])


def _texts(part: Part, before: str = "") -> Iterator[tuple[str, str]]:
    """Every text that somebody wrote, by the dotted name of its field."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name in PASSED_OVER:
            continue
        many = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for number, one in many:
            field = before + (name if number is None else f"{name}.{number}")
            if isinstance(one, str):
                yield field, one
            elif isinstance(one, Part):
                yield from _texts(one, f"{field}.")
