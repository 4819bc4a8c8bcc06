"""On which line of a TOML text each key and each element stands, which the standard library does not tell; pure."""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from typing import Final

Path = tuple[str | int, ...]  # ("steps", 0, "after"): keys, and places in arrays

BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE: Final = re.compile(r"[ \t]*")
KEY: Final = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+""")
STRING: Final = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})' r"|'''[\s\S]*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'"
)
PLAIN: Final = re.compile(r"[^,\]}#\n]*")  # a number, a date, true or false


def lines(text: str) -> dict[Path, int]:
    """Return the line of each key, table and element of a text that is TOML; the first line is 1.

    A text that is none (the standard library says so, and where) has some of its lines, or none.
    """
    scanner = _Scanner(text)
    with suppress(_NoToml):
        scanner.document()
    return scanner.found


class _NoToml(ValueError):
    pass


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._at = 0
        self._tables: dict[Path, int] = {}  # arrays of tables, with how many each has

    def document(self) -> None:
        table: Path = ()
        while self._skip(BLANK) < len(self._text):
            begins = self._at
            if self._take("[["):
                table = self._under(self._key())
                self._tables[table] = self._tables.get(table, 0) + 1
                self.found.setdefault(table, self._line(begins))
                table = (*table, self._tables[table] - 1)
                self._expect("]]")
                self.found[table] = self._line(begins)
            elif self._take("["):
                table = self._under(self._key())
                self._expect("]")
                self.found.setdefault(table, self._line(begins))
            else:
                self._pair(table)

    def _under(self, key: Path) -> Path:
        """The table of this name: of an array of tables it is the last one's."""
        path: Path = ()
        for n, part in enumerate(key, 1):
            path = (*path, part)
            if n < len(key) and path in self._tables:
                path = (*path, self._tables[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        begins = self._at
        path = (*table, *self._key())
        for n in range(len(table) + 1, len(path) + 1):
            self.found.setdefault(path[:n], self._line(begins))
        self._expect("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(SPACE)
        if self._take("["):
            n = 0
            while self._skip(BLANK) is not None and not self._take("]"):
                begins = self._at
                self.found[(*path, n)] = self._line(begins)
                self._value((*path, n))
                n += 1
                self._next(begins)
        elif self._take("{"):
            while self._skip(BLANK) is not None and not self._take("}"):
                begins = self._at
                self._pair(path)
                self._next(begins)
        elif match := STRING.match(self._text, self._at):
            self._at = match.end()
        else:
            self._skip(PLAIN)

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(SPACE)
            match = KEY.match(self._text, self._at)
            if match is None:
                raise _NoToml
            self._at = match.end()
            parts.append(_unquoted(match[0]))
            self._skip(SPACE)
            if not self._take("."):
                return tuple(parts)

    def _skip(self, what: "re.Pattern[str]") -> int:
        match = what.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _take(self, what: str) -> bool:
        is_there = self._text.startswith(what, self._at)
        self._at += len(what) if is_there else 0
        return is_there

    def _expect(self, what: str) -> None:
        self._skip(SPACE)
        if not self._take(what):
            raise _NoToml

    def _next(self, began: int) -> None:
        self._skip(BLANK)
        self._take(",")
        if self._at in {began, len(self._text)}:  # nothing was there, or nothing ends it
            raise _NoToml

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at - 1) + 1


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    try:
        read: dict[str, str] = tomllib.loads(f"key = {key}")
    except ValueError:
        raise _NoToml from None
    return read["key"]
