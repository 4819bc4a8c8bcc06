"""Who reads what sources hand in: the tools that call us, and what is brought by a file or a letter."""

from collections.abc import Mapping
from typing import Final, Protocol

from services.intake.answers import Delivery
from services.intake.providers import PROVIDERS, mail, roster
from services.intake.sources import Source


class Reader(Protocol):
    """What the module of anything a source can be holds."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return what was delivered; raises `ValueError` for a malformed body, `Unreadable` for another meaning."""


# Nobody calls us with these by a path of their own: whoever tries is answered 401.
BROUGHT: Final[Mapping[str, Reader]] = {"csv": roster, "mail": mail}
READERS: Final[Mapping[str, Reader]] = {**PROVIDERS, **BROUGHT}


def read(source: Source, headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return what this body is, as the source stands now; raises as its reader does."""
    known = {mail.OWNER: source.owner} if source.provider == "mail" and source.owner else {}
    return READERS[source.provider].read({**headers, **known}, body)
