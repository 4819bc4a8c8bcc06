"""What people typed, made harmless for any output: no controls, nothing that reorders the line, no more than fits."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote, urlsplit

# Joiners shape Arabic, Indic scripts and emoji. Every other format character is invisible or turns the text around it.
KEPT_FORMATS: Final = {"\u200c", "\u200d"}
LONGEST_SIGN: Final = 12  # characters that are looked at for where a sign begins, such as a family of emoji
BREAKS: Final = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
ENCODED_WORD: Final = re.compile(r"=(?=\?)")


def one_line(text: str, limit: int) -> str:
    """Return the text on one line of at most `limit` characters."""
    return _cut(" ".join(_visible(text[: 4 * limit]).split()), limit)


def several_lines(text: str, limit: int) -> str:
    """Return the text with its line breaks, at most one blank line in a row, at most `limit` characters."""
    lines = [" ".join(line.split()) for line in _visible(text[: 4 * limit]).split("\n")]
    return _cut(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), limit)


def for_header(text: str, limit: int) -> str:
    """Return the text on one line that no mail library takes for an encoded word (CVE-2024-6923)."""
    return one_line(ENCODED_WORD.sub("= ", text[: 4 * limit]), limit)


def web_address(text: str) -> str | None:
    """Return the text as an address that is safe to link to, or None when it is none."""
    text = _visible(text).strip()
    try:
        parts = urlsplit(text)
        if parts.scheme.lower() in {"http", "https"} and parts.hostname and len(text) <= 2000:
            return quote(text, safe="%/:=&?~#+!$,;'@()*[]")
    except ValueError:
        pass
    return None


def _visible(text: str) -> str:
    text = BREAKS.sub("\n", text).replace("\t", " ")
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c
        for c in text
        if c == "\n" or c in KEPT_FORMATS or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn", "Co"}
    )


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = max(limit - 1, 0)
    for earlier in range(end, max(end - LONGEST_SIGN, 0), -1):
        if text[earlier - 1] != "\u200d" and not _goes_on(text[earlier]):
            end = earlier
            break
    return text[:end].rstrip() + "…"


def _goes_on(character: str) -> bool:
    """Return whether this belongs to the sign before it: an accent, a joiner, the colour of a skin."""
    return (
        character in KEPT_FORMATS
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or unicodedata.category(character)[0] == "M"
    )
