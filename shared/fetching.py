"""Fetching what somebody else named, without being made to look inside our own network.

https alone and on its own port, no user in the address, every address of the name public and the connection made to one
of those that were looked at, no redirects, an answer within seconds and not larger than it may be.
"""

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.retry import TryAgain

SECONDS: Final = 10
LARGEST: Final = 1024 * 1024
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # any IPv4 address, behind a public face


class Forbidden(ValueError):
    """Why we do not fetch this, in words."""


def allowed(url: str) -> str:
    """Return the address to fetch; raises `Forbidden` for one that we do not."""
    url = "https:" + url.removeprefix("webcal:") if url.startswith("webcal:") else url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Forbidden(f"{url[:80]!r} is no address") from None
    if parts.scheme != "https" or not parts.hostname:
        raise Forbidden("only https:// addresses are read")
    if parts.username or parts.password:
        raise Forbidden("an address with a user or password is not read")
    if port not in {None, 443}:
        raise Forbidden("only the usual port of https is read")
    return url


class PublicOnly(AbstractResolver):
    """Resolves names whose every address is public; aiohttp connects to the very addresses it was given."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        for *_, address in found:
            check_public(str(address[0]))
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=0)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        pass


def check_public(address: str) -> None:
    """Raise `Forbidden` unless this is an address of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    is_tunnel = False
    if isinstance(ip, ipaddress.IPv6Address):
        is_tunnel = ip.teredo is not None or ip in NAT64
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if is_tunnel or not ip.is_global or ip.is_multicast:
        raise Forbidden("its name leads into a private network")


async def fetch(url: str) -> bytes:
    """Return what is at this address. Raises `Forbidden`, or `TryAgain` when it does not answer as it should."""
    url = allowed(url)
    host = urlsplit(url).hostname or ""
    try:
        check_public(host)  # an address is not resolved
    except Forbidden:
        raise
    except ValueError:
        pass  # a name
    connector = aiohttp.TCPConnector(resolver=PublicOnly(), use_dns_cache=False)
    async with aiohttp.ClientSession(
        connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        return await read(session, url)


async def read(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return the body of the answer."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            if response.status != 200:
                raise TryAgain(f"it answers {response.status}")
            body = b""
            async for chunk in response.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > LARGEST:
                    raise TryAgain("it is larger than 1 MiB")
            return body
    except TimeoutError:
        raise TryAgain(f"it does not answer within {SECONDS} seconds") from None
    except (aiohttp.ClientError, OSError) as error:
        raise TryAgain(f"it cannot be reached ({type(error).__name__})") from None
