"""Signatures over a time of signing: whether that is near enough, before or after now."""

import re
import time
from typing import Final

SECONDS: Final = re.compile(r"\d{1,12}", re.ASCII)


def is_near(stamp: str, *, seconds: int) -> bool:
    """Say whether this Unix time is at most so many seconds from now."""
    # A provider is asked about a request that is there now, and the vendor's own libraries read the clock as well.
    return bool(SECONDS.fullmatch(stamp)) and abs(time.time() - int(stamp)) <= seconds  # noqa: TID251
