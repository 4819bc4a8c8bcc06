"""What a vendor hands us: a letter or reports, and the proof that came with it. Pure."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.intake.inbound.returned import Notice
from services.intake.letter import Letter
from services.intake.reporting import Named


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A signature over a time and a token. What it came with is not signed, so a token counts once."""

    timestamp: str
    token: str
    signature: str

    def is_right(self, key: str) -> bool:
        """Say whether whoever made it knows the key."""
        right = hmac.digest(key.encode(), (self.timestamp + self.token).encode(), "sha256").hex()
        return hmac.compare_digest(right.encode(), self.signature.lower().encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One request of a vendor; no letter when it tells of something else."""

    letter: Letter | None = None
    proof: Proof | None = None
    returned: Notice | None = None  # what the letter says of a mail of ours that came back, if it does
    reports: Callable[[datetime], Sequence[Named]] | None = None  # as of now
