"""Mail servers in the test process: a real one that takes everything, and one that answers as it is told."""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

HANG: Final = "hang"
CUT: Final = "cut"
Answer = str | asyncio.Event  # a reply, without its line end; HANG; CUT; or the usual reply once the event is set


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as it came over the wire."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: str) -> str:
        """Return the text of the part `plain` or `html`."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())


class Mailbox:
    """A real SMTP server (aiosmtpd) that takes every mail."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.url = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        for recipient in envelope.rcpt_tos:
            self.received.append(Received(envelope.mail_from or "", recipient, raw))
        return "250 2.0.0 taken"


@asynccontextmanager
async def mailbox_server() -> AsyncIterator[Mailbox]:
    """A mail server that takes everything."""
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    mailbox.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}?starttls=0"
    async with server:
        yield mailbox


class Scripted:
    """A mail server that answers as it is told, at each stage: banner, ehlo, starttls, auth, mail, rcpt, data, dot."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []  # whose last dot came, whatever was answered to it
        self.begun: list[str] = []  # recipients for whose mail DATA was said
        self.commands: list[str] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.host = "127.0.0.1"
        self.port = 0
        self.offers = ["SIZE 10000000", "8BITMIME"]
        self.decide: Callable[[str, str], Answer | None] = lambda stage, recipient: None
        self._tls = tls
        self._stages: set[str] = set()  # at which a client waits
        self._next: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}?starttls=0"

    def answer(self, stage: str, *answers: Answer) -> None:
        """Give these answers at this stage, one a time, then the usual one again."""
        self._next[stage].extend(answers)

    def always(self, stage: str, answer: Answer | None) -> None:
        """Give this answer at this stage from now on; None: the usual one."""
        if answer is None:
            self._always.pop(stage, None)
        else:
            self._always[stage] = answer

    def waits_at(self, stage: str) -> bool:
        """Whether a client has come as far as this stage and waits for our answer."""
        return stage in self._stages

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        with suppress(OSError, _Cut, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await self._talk(reader, writer)
        self.open -= 1
        self._tasks.discard(task)
        writer.transport.abort()

    def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def _say(self, writer: asyncio.StreamWriter, stage: str, usual: str, recipient: str = "") -> str:
        answer = self.decide(stage, recipient)
        if answer is None:
            answer = self._next[stage].popleft() if self._next[stage] else self._always.get(stage)
        if answer is HANG or isinstance(answer, asyncio.Event):
            self._stages.add(stage)
            await (answer if isinstance(answer, asyncio.Event) else asyncio.Event()).wait()
            self._stages.discard(stage)
            answer = None
        if answer is CUT:
            raise _Cut
        reply = answer if isinstance(answer, str) else usual
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return reply

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = recipient = ""
        await self._say(writer, "banner", "220 scripted.example ESMTP")
        while line := await reader.readline():
            command = line.decode("utf-8", "replace").strip()
            self.commands.append(command)
            word = command.upper().split(" ")[0].split(":")[0]
            match word:
                case "EHLO" | "HELO":
                    offers = [*self.offers, *(["STARTTLS"] if self._tls and "STARTTLS" not in self.offers else [])]
                    lines = ["scripted.example", *offers]
                    usual = "\r\n".join(f"250-{text}" for text in lines[:-1]) + f"\r\n250 {lines[-1]}"
                    await self._say(writer, "ehlo", usual)
                case "STARTTLS":
                    reply = await self._say(writer, "starttls", "220 2.0.0 go ahead")
                    if reply.startswith("220") and self._tls is not None:
                        await writer.start_tls(self._tls)
                case "AUTH":
                    await self._say(writer, "auth", "235 2.7.0 welcome")
                case "MAIL":
                    sender = command.partition("<")[2].partition(">")[0]
                    await self._say(writer, "mail", "250 2.1.0 ok")
                case "RCPT":
                    recipient = command.partition("<")[2].partition(">")[0]
                    await self._say(writer, "rcpt", "250 2.1.5 ok", recipient)
                case "DATA":
                    self.begun.append(recipient)
                    reply = await self._say(writer, "data", "354 go on", recipient)
                    if reply.startswith("354"):
                        raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                        self.received.append(Received(sender, recipient, raw))
                        await self._say(writer, "dot", "250 2.0.0 taken", recipient)
                case "QUIT":
                    await self._say(writer, "quit", "221 2.0.0 bye")
                    return
                case _:
                    await self._say(writer, word.lower(), "250 2.0.0 ok")


class _Cut(Exception):
    """The script says to break the connection here."""


@asynccontextmanager
async def scripted_server(*, tls: ssl.SSLContext | None = None, at_once: bool = False) -> AsyncIterator[Scripted]:
    """A mail server that does as it is told; with `at_once` it speaks TLS from the start."""
    scripted = Scripted(tls=None if at_once else tls)
    server = await asyncio.start_server(
        scripted.serve, "127.0.0.1", 0, ssl=tls if at_once else None, limit=2**22, backlog=100
    )
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        scripted.stop()
        await server.wait_closed()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server that takes everything; `mailbox.url` is its SMTP_URL, `mailbox.received` the mails."""
    async with mailbox_server() as mailbox:
        yield mailbox


@pytest.fixture
async def smtp() -> AsyncIterator[Scripted]:
    """A mail server that answers as it is told."""
    async with scripted_server() as scripted:
        yield scripted
