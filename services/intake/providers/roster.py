"""`csv`: a roster, a file whose first line has the questions and every other line one submission.

Nobody calls us with it: `afterhello source import` reads the file, and each of its rows goes the way of a webhook's
body. A cell is text and nothing else, whatever a spreadsheet would make of one that begins with an equals sign.
"""

import codecs
import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from services.intake.answers import Answer, Delivery, Kind, Submission, Unreadable
from services.intake.guesses import tidied
from shared import strict_json

ROW_BYTES: Final = 256 * 1024
DELIMITERS: Final = (",", ";", "\t")
BYTE_ORDER_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
TELLS_ROWS_APART: Final = ("id", "row id", "response id", "submission id", "entry id")
EMAIL: Final = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?", re.ASCII)
SEPARATOR: Final = re.compile(r"sep=(.)(?:\r\n|\r|\n)")  # what Excel takes for a hint, and writes for itself


class BadFile(Exception):
    """No roster; why, in words that follow its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line below the titles, as a submission's body; `problem` says why it cannot be one."""

    line: int  # where it begins: a quoted cell may hold line breaks
    key: str
    body: bytes
    problem: str | None = None


def rows(raw: bytes, *, encoding: str | None = None, id_column: str | None = None) -> list[Row]:
    """Return the rows of a file; raises `BadFile` when it is none as a whole, so that nothing of it is logged.

    A row is known again by its cell in `id_column`, else in a column called "id", else by all of its cells.
    """
    text, first_line = _text(raw, encoding), 1
    if hint := SEPARATOR.match(text):
        text, first_line = text[hint.end() :], 2
    records = _records(text, hint[1] if hint else _sniffed(text), first_line)
    titles = _first(records)
    _check_titles(titles)
    which = _id_column(titles, id_column)
    found: list[Row] = []
    seen: dict[str, tuple[int, bytes]] = {}
    for line, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        row = _row(line, titles, cells, which)
        if not row.problem:
            first, body = seen.setdefault(row.key, (line, row.body))
            if body != row.body:
                problem = f"has the {titles[which or 0]} of line {first}, and says something else"
                row = Row(line=line, key=row.key, body=row.body, problem=problem)
        found.append(row)
    return found


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return what a row submits: each cell is the answer to the question above it."""
    del headers
    document = strict_json.read_object(body)
    key, cells = document.get("key"), document.get("cells")
    if not isinstance(key, str) or not isinstance(cells, list):
        raise Unreadable("is no row of a roster")
    answers = [
        Answer(names=(f"column {number}",), title=title, kind=_kind(cell), value=cell or None)
        for number, (title, cell) in enumerate(cells, start=1)
    ]
    return Submission(key=key, answers=tuple(answers))


def _row(line: int, titles: Sequence[str], cells: Sequence[str], which: int | None) -> Row:
    if len(cells) > len(titles) and any(cell.strip() for cell in cells[len(titles) :]):
        return Row(
            line=line,
            key="",
            body=b"",
            problem=f"has {len(cells)} cells, and the first line has {len(titles)}: is one with a comma not in quotes?",
        )
    padded = [cell.strip() for cell in cells] + [""] * len(titles)
    named = list(zip(titles, padded, strict=False))
    own = padded[which] if which is not None else ""
    key = f"id:{own[:200]}" if own else _key(named)
    body = orjson.dumps({"key": key, "cells": named})
    problem = f"has more than {ROW_BYTES // 1024} KiB" if len(body) > ROW_BYTES else None
    return Row(line=line, key=key, body=body, problem=problem)


def _key(named: Sequence[tuple[str, str]]) -> str:
    """The same however the columns are ordered, and when an empty one comes to it."""
    said = sorted((title, cell) for title, cell in named if cell)
    return f"row:{hashlib.sha256(orjson.dumps(said)).hexdigest()}"


def _kind(cell: str) -> Kind:
    if EMAIL.fullmatch(cell):
        return "email"
    return "date" if DAY.fullmatch(cell) else "text"


def _text(raw: bytes, encoding: str | None) -> str:
    if raw.startswith(b"PK\x03\x04"):
        raise BadFile("is a workbook: save it as CSV UTF-8 in your spreadsheet, and import that")
    said = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), None) or encoding or "utf-8"
    try:
        text = raw.decode(said)
    except LookupError:
        raise BadFile(f"cannot be read as {said[:30]!r}, which is no encoding known here; cp1252 is one") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        name = "UTF-8" if said.startswith("utf-8") else said
        raise BadFile(
            f"is not {name} (line {line}): save it as CSV UTF-8, or say what it is, such as --encoding cp1252"
        ) from None
    if "\0" in text:
        raise BadFile("is no text: save it as CSV UTF-8, or say what it is, such as --encoding utf-16-le")
    return text


def _sniffed(text: str) -> str:
    """The delimiter that makes most columns of the titles; a comma when none does."""
    return max(DELIMITERS, key=lambda one: len(_first(_records(text, one, 1, strict=False))))


def _records(text: str, delimiter: str, first_line: int, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line at which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict, skipinitialspace=True)
    while True:
        line = first_line + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = "a cell is too long, or a quotation mark is never closed"
            if "expected after" in str(error):
                what = 'a quotation mark within a cell has to be written twice, ""'
            raise BadFile(f"line {line}: {what}") from None
        yield line, cells


def _first(records: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The titles: what is above them is empty."""
    return next(([cell.strip() for cell in cells] for _, cells in records if any(cell.strip() for cell in cells)), [])


def _check_titles(titles: Sequence[str]) -> None:
    if not titles:
        raise BadFile("is empty: its first line has to hold the titles of the columns")
    if any(EMAIL.fullmatch(title) for title in titles):
        raise BadFile("has an e-mail address in its first line, which has to hold the titles of the columns")
    title, times = Counter(filter(None, titles)).most_common(1)[0]
    if times > 1:
        raise BadFile(f"has two columns called {title[:60]!r}: give each a title of its own")


def _id_column(titles: Sequence[str], wanted: str | None) -> int | None:
    words = [tidied(title) for title in titles]
    if wanted is None:
        return next((words.index(name) for name in TELLS_ROWS_APART if name in words), None)
    if wanted in titles:
        return titles.index(wanted)
    if tidied(wanted) in words:
        return words.index(tidied(wanted))
    raise BadFile(f"has no column {wanted[:60]!r}; it has {', '.join(filter(None, titles))}")
