"""When people may be texted: from 8 in the morning until 8 in the evening where they are. Pure.

That is the law in more than one country, so it holds on top of what the person wishes. Whose zone is a guess is texted
only when the time is right in every zone of the country that their number is of.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Final

import phonenumbers

from services.scheduler.wall_clock import Clock
from services.scheduler.zones import ZONES, zone

LOOKS_EVERY: Final = timedelta(minutes=10)


@cache
def zones_of(phone: str | None) -> tuple[str, ...]:
    """Return the zones of the country of this number (+1 876 is Jamaica's); none when it is of no country."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(phone or "", None))
    except phonenumbers.NumberParseException:
        return ()
    return _zones_by_country().get(region or "", ())


@cache
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            if name in ZONES:
                found.setdefault(country, []).append(name)
    return {country: tuple(names) for country, names in found.items()}


def heeding(clock: Clock, phone: str | None) -> Clock:
    """Return the clock on which also the hours are quiet at which nobody may be texted; `phone` if its zone is a guess.

    Who wants quiet whenever they may be texted wants no texts, and yet chose them: then only those hours are quiet.
    """
    zones = tuple(zone(name) for name in zones_of(phone)) if phone else ()
    on_top = replace(clock, texting=zones or (clock.zone,))
    alone = replace(on_top, quiet_from=time(0), quiet_to=time(0))
    return next((one for one in (on_top, alone) if _is_ever_open(one)), replace(alone, texting=(clock.zone,)))


def _is_ever_open(clock: Clock) -> bool:
    """Whether there is a time to text them, in winter and in summer."""
    days = (datetime(2026, 1, 14, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC))
    return all(any(not clock.is_quiet(day + n * LOOKS_EVERY) for n in range(144)) for day in days)
