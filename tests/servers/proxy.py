"""A TCP relay in front of a server, to cut, to mute, to refuse: what networks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Proxy:
    """Relays to one server; `url` is the server's with our own port."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self.url = ""
        self.connections = 0  # how many were ever made
        self._writers: set[asyncio.StreamWriter] = set()
        self._accepts = True
        self._speaks = asyncio.Event()
        self._speaks.set()

    def cut(self) -> None:
        """Break every connection, as a pulled plug would; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def mute(self) -> None:
        """Let nothing through any more from the server to its clients; what they send still arrives."""
        self._speaks.clear()

    def unmute(self) -> None:
        self._speaks.set()

    def refuse(self) -> None:
        """Break every connection, and drop new ones at once, as a server does that is down."""
        self._accepts = False
        self.cut()

    def accept(self) -> None:
        self._accepts = True

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._accepts:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            there = await self._open()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        await asyncio.gather(self._copy(reader, there[1], muted=False), self._copy(there[0], writer, muted=True))
        self._writers -= {writer, there[1]}

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder := parse_qs(self._server.query).get("host"):  # a PostgreSQL that listens on a socket in a folder
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{self._server.port or 5432}")
        return await asyncio.open_connection(self._server.hostname, self._server.port)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, muted: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if muted:
                    await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A relay to the server of this URL."""
    self = Proxy(url)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.relay(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    parts = urlsplit(url)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    port = server.sockets[0].getsockname()[1]
    query = "" if "host=" in parts.query else parts.query
    self.url = urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{port}", query=query))
    try:
        yield self
    finally:
        server.close()
        self.unmute()
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
