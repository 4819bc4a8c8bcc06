"""Who reads what sources hand in: the tools that call us, and what is brought by a file or a letter."""

from collections.abc import Mapping
from typing import Final, Protocol

from services.intake.answers import Delivery
from services.intake.providers import PROVIDERS, eventbrite, mail, roster
from services.intake.sources import Source


class Reader(Protocol):
    """What the module of anything a source can be holds."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return what was delivered; raises `ValueError` for a malformed body, `Unreadable` for another meaning."""


class Pointing(Protocol):
    """What the module of a tool holds besides that sends an address in place of the data."""

    async def fetch(self, body: bytes, secret: str, *, base: str) -> bytes:
        """Return the body with what it points to, for `read`; raises as `read` does, and `TryAgain`."""


# Nobody calls us with these by a path of their own: whoever tries is answered 401.
BROUGHT: Final[Mapping[str, Reader]] = {"csv": roster, "mail": mail}
READERS: Final[Mapping[str, Reader]] = {**PROVIDERS, **BROUGHT}
POINTING: Final[Mapping[str, Pointing]] = {"eventbrite": eventbrite}


async def whole(source: Source, body: bytes, secret: str, *, eventbrite_api: str = eventbrite.API) -> bytes:
    """Return the body with what it may only point to, fetched with the source's secret.

    Raises as the source's reader does, and `TryAgain` when it cannot be fetched for now.
    """
    pointing = POINTING.get(source.provider)
    return await pointing.fetch(body, secret, base=eventbrite_api) if pointing else body


def read(source: Source, headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return what this body is, as the source stands now; raises as its reader does."""
    known = {mail.OWNER: source.owner} if source.provider == "mail" and source.owner else {}
    return READERS[source.provider].read({**headers, **known}, body)
