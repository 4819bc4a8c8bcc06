"""What `afterhello doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: what it is like, and when it is wrong what to do."""

    check: str
    ok: bool | None  # None: it cannot be told from here
    says: str
    do: str | None = None
