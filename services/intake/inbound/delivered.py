"""What a vendor hands us: a letter, and the proof that came with it. Pure."""

import hmac
from dataclasses import dataclass

from services.intake.letter import Letter


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

    letter: Letter | None
    proof: Proof | None = None
