"""What the vendors' reports have in common: whose message it was, how it is put in codes, when. Pure."""

import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from shared.events import Channel, Report, ReportData

# Our Message-ID is the nudge's id at the domain of MAIL_FROM; vendors show it with and without its brackets.
MESSAGE_ID: Final = re.compile(r"\s*<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^@\s<>]+>?\s*", re.IGNORECASE)
ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
DETAIL_LENGTH: Final = 300
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def about(
    what: Report, at: datetime, *, nudge: UUID | None, address: Any, code: str | None = None, detail: Any = None
) -> ReportData:
    """Return the report of a mail."""
    channel: Channel = "email"
    return ReportData(
        what=what,
        channel=channel,
        nudge=nudge,
        address=text(address)[:254] or None,
        code=code,
        detail=text(detail)[:DETAIL_LENGTH] or None,
        at=at,
    )


def nudge_of(message_id: Any) -> UUID | None:
    """Return the nudge whose Message-ID this is; None when it is none of ours."""
    found = MESSAGE_ID.fullmatch(text(message_id))
    return UUID(found[1]) if found else None


def named(value: Any) -> UUID | None:
    """Return a nudge's id that the vendor gives back as we gave it."""
    try:
        return UUID(text(value)) if value else None
    except ValueError:
        return None


def enhanced(*texts: Any) -> str | None:
    """Return the first enhanced code (RFC 3463) that stands in these; None when there is none."""
    for one in texts:
        if found := ENHANCED.search(text(one)):
            return found[0]
    return None


def instant(value: Any, *, now: datetime) -> datetime:
    """Return when it was, in seconds since 1970 or as ISO 8601; `now` when that is not to be read, or is to come."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        else:
            # Postmark has seven digits behind the point, Python six.
            at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text(value)))
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return at if EARLIEST < at <= now else now


def text(value: Any) -> str:
    """Return text without what no database holds; nothing for what is no text."""
    return re.sub(r"[\0\ud800-\udfff]", "\ufffd", value).strip() if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """Return an object of JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list of JSON; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
