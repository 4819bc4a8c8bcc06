"""Zones: the names there are, IANA and Windows."""

import difflib
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from services.scheduler.offset import NoSuchTime

# `shared` has taken the system's files away from zoneinfo, so these are the names of the pinned tzdata package alone.
ZONES: Final = frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})
FIRST_YEAR, LAST_YEAR = 1900, 2200


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA or Windows name; its `key` is the IANA name. Raises `NoSuchTime` for any other."""
    if name not in ZONES:
        # 50 ms at the first call, and hardly anybody needs it.
        from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

        if name not in WINDOWS_TO_OLSON:
            lower = {known.lower(): known for known in ZONES}
            near = difflib.get_close_matches(name.lower()[:60], lower, n=1)
            hint = f"; is {lower[near[0]]} meant?" if near else ""
            raise NoSuchTime(f"{name[:60]!r} is no time zone such as America/New_York{hint}")
        name = WINDOWS_TO_OLSON[name]
    return ZoneInfo(name)
