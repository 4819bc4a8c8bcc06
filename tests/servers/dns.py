"""A name server in the test process: it speaks real DNS, over UDP on loopback, about the names it is given."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest


class NameServer(asyncio.DatagramProtocol):
    """Answers what `say` told it, that there is no such name, or, while it is `silent`, nothing."""

    def __init__(self) -> None:
        self.silent = False
        self.asked: list[str] = []
        self.port = 0
        self._said: dict[str, dict[str, list[str]]] = {".": {"NS": ["a.root.example."]}}
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], self.port, 0.5
        return resolver

    def say(self, name: str, kind: str, *values: str) -> None:
        """Have these records, in the place of those of this kind that the name had."""
        if kind == "TXT":
            values = tuple(" ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255)) for text in values)
        self._said.setdefault(name.lower(), {})[kind] = list(values)

    def forget(self, name: str) -> None:
        """Know the name no more."""
        self._said.pop(name.lower(), None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower() or "."
        self.asked.append(name)
        if self.silent or self._transport is None:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        known = self._said.get(name)
        if known is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif values := known.get(dns.rdatatype.to_text(question.rdtype)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *values))
        self._transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def name_server() -> AsyncIterator[NameServer]:
    """A name server that knows nothing yet."""
    server = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    yield server
    transport.close()
