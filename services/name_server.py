"""What the name servers say, as far as receivers of our mails ask them."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import dns.asyncresolver
from dns.exception import DNSException
from dns.name import LabelTooLong, NameTooLong
from dns.resolver import NXDOMAIN

PATIENCE_SECONDS: Final = 5.0  # a question

Address = IPv4Address | IPv6Address


class Silent(Exception):
    """No name server answered: nothing can be told. The message says why, in words."""


class Names:
    """Asks the name servers of this machine, or others; once they were silent it asks no more."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver
        self._silent: Silent | None = None
        self._is_of_the_internet = False

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of the name, none when there are none; raises `Silent`."""
        return [b"".join(record.strings).decode("utf-8", "replace") for record in await self._ask(name, "TXT")]

    async def addresses(self, name: str) -> list[Address]:
        """Return the addresses of the host, which may be one itself; raises `Silent`."""
        try:
            return [ip_address(name)]
        except ValueError:
            pass
        found = [*await self._ask(name, "A"), *await self._ask(name, "AAAA")]
        return [ip_address(record.address) for record in found]

    async def mail_servers(self, name: str) -> list[str]:
        """Return the hosts that take mail for the domain; raises `Silent`."""
        return [record.exchange.to_text(omit_final_dot=True) for record in await self._ask(name, "MX")]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        if self._silent is not None:
            raise self._silent
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
                self._resolver.lifetime = PATIENCE_SECONDS
            found = await self._records(self._resolver, name.rstrip(".") + ".", kind)
            if not found and not await self._knows_names(self._resolver):
                self._silent = Silent("DNS cannot be asked from here: who answers knows nothing, not even of .com")
                raise self._silent
        except (DNSException, OSError) as error:
            words = " ".join(str(error).split())[:160] or type(error).__name__
            self._silent = Silent(f"DNS cannot be asked from here: {words}")
            raise self._silent from error
        return found

    async def _knows_names(self, resolver: dns.asyncresolver.Resolver) -> bool:
        """Whether who knows nothing of a name knows names at all: behind some walls nobody does."""
        if not self._is_of_the_internet:
            self._is_of_the_internet = any([await self._records(resolver, name, "NS") for name in (".", "com.")])
        return self._is_of_the_internet

    async def _records(self, resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> list[Any]:
        try:
            return list(await resolver.resolve(name, kind, raise_on_no_answer=False))
        except (NXDOMAIN, LabelTooLong, NameTooLong):
            return []
