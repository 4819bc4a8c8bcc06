"""Strict JSON: what parsers, databases or other languages might read differently is refused."""

import codecs
import json
import math
import re
from typing import Any, Final

DEPTH: Final = 32
# A string is skipped as a whole, closed or not, so that one pass suffices however the text was made.
TOKENS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # what every later writer and reader of JSON can hold


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the object that these bytes hold; raises `ValueError` saying in words what is wrong."""
    value = _read(raw)
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    return value


def read_objects(raw: bytes) -> list[dict[str, Any]]:
    """Return the objects of the list that these bytes hold; raises `ValueError` saying in words what is wrong."""
    value = _read(raw)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("must be a JSON list of objects")
    return value


def _read(raw: bytes) -> Any:
    if raw.startswith(codecs.BOM_UTF8):
        raise ValueError("must not begin with a byte order mark")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not text.strip():
        raise ValueError("is empty")
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg.lower()} (line {error.lineno}, column {error.colno})") from None
    if "\\u" in text:  # the only way for these to get in
        _check_strings(value)
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for token in TOKENS.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > DEPTH:
                raise ValueError(f"must be nested at most {DEPTH} deep")
        elif first in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("has the same name twice in one object")
    return values


def _no_constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("holds a number that is too large")
    return value


def _bounded(digits: str) -> int:
    if len(digits) > 20 or not SMALLEST <= (value := int(digits)) <= LARGEST:
        raise ValueError("holds a number that is too large")
    return value


def _check_strings(value: Any) -> None:
    """Depth is bounded already, so this may call itself."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("holds a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("holds half of a surrogate pair")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_strings(name)
            _check_strings(item)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)
