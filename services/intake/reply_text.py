"""What somebody wrote above the mail that they answer, whatever program quoted it. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from mailparser_reply import EmailReplyParser  # type: ignore[import-untyped]

# An answer to us stands at the top; and the library's patterns take seconds for what a stranger makes of more.
LENGTH: Final = 1000
LINE: Final = 80
PARSER: Final = EmailReplyParser(languages=["en", "es"])
# "On Tue, Nov 24, 2026 at 3:30 PM Afterhello <hello@school.example> wrote:", also broken into lines.
HEAD: Final = re.compile(
    r"^[>\s]*(on|el|le|am|il|em|op)\b[^\n]{4,300}(\n[^\n]{0,200}){0,2}?:\s*$", re.IGNORECASE | re.MULTILINE
)
RULE: Final = re.compile(
    r"^\s*(_{8,}|-{3,} ?(original|mensaje|forwarded|mensaje original)\b.*)$", re.IGNORECASE | re.MULTILINE
)


def written(text: str) -> str:
    """Return what was written above what is quoted, without the signature."""
    text = text.replace("\r\n", "\n")[:LENGTH]
    ends = [found.start() for pattern in (HEAD, RULE) if (found := pattern.search(text))]
    above = text[: min(ends)] if ends else text
    kept = [line for line in above.split("\n") if not line.lstrip().startswith(">")]
    replies = PARSER.read("\n".join(kept)).replies
    return str(replies[0].body).strip() if replies else ""


def candidates(text: str) -> Iterator[str]:
    """Return what may be the word that was meant: all that was written, then its first line."""
    above = written(text)
    yield above
    first = next((line.strip() for line in above.split("\n") if line.strip()), "")
    if first != above and len(first) <= LINE:
        yield first
