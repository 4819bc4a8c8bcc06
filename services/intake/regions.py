"""The regions whose public holidays are known: countries, and parts of them; pure."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache


def region(text: str) -> str:
    """Return the name of a region, such as US or US-MA, in its own letters; raises `ValueError` when there is none."""
    name = text.strip().upper()
    country, dash, part = name.partition("-")
    parts = table().get(country)
    if parts is None:
        near = get_close_matches(country[:10], table(), n=1)
        meant = f"; is {near[0]} meant?" if near else ""
        raise ValueError(f"must be a region whose public holidays are known, such as US or US-MA{meant}")
    if not dash:
        return country
    for known in parts:
        if known.upper() == part:
            return f"{country}-{known}"
    there_are = f"has {', '.join(parts[:60])}" if parts else "has no parts"
    raise ValueError(f"must be a region whose public holidays are known; {country} {there_are}")


@cache
def table() -> Mapping[str, Sequence[str]]:
    """Return the parts of every country. The first time takes half a second, which most commands need not wait for."""
    import holidays

    countries: Mapping[str, Sequence[str]] = holidays.list_supported_countries()
    return countries
