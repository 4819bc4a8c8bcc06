"""Connections to the mail server: kept open, used one mail after another, dropped after an error or when idle."""

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPResponseException,
    SMTPTimeoutError,
)

from services.notifier.channels.receipt import Receipt
from services.notifier.channels.smtp_replies import TLS, UNREACHABLE, judge, said
from shared.settings import SettingsError

AT_ONCE: Final = 4
IDLE_SECONDS: Final = 20.0
MAILS_A_CONNECTION: Final = 100
GROW_AFTER: Final = 20  # mails taken in a row before one more connection is dared


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds a stage may take (RFC 5321, 4.5.3.2). After the dot a short one would make duplicates."""

    connect: float = 30  # each of: connection, banner, EHLO, STARTTLS, AUTH
    command: float = 300
    data: float = 120
    dot: float = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What `SMTP_URL` says."""

    host: str
    port: int
    tls: str  # "from the start", "starttls" or "none"
    user: str | None
    password: str | None


def server(url: str) -> Server:
    """Return the server of `SMTP_URL`; raises `SettingsError`. Only `?starttls=0` allows clear text."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    if not parts.hostname or options.keys() - {"starttls"} or options.get("starttls", ["1"])[0] not in {"0", "1"}:
        raise SettingsError("SMTP_URL: must be smtp://user:password@host:587, smtps://..., or end in ?starttls=0")
    tls = "from the start" if parts.scheme == "smtps" else "none" if options.get("starttls") == ["0"] else "starttls"
    return Server(
        host=parts.hostname,
        port=parts.port or {"from the start": 465, "starttls": 587, "none": 25}[tls],
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


class NoConnection(Exception):
    """There is none to be had now; the receipt says what that means."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.reply or receipt.reason)
        self.receipt = receipt


class Connections:
    """A pool of connections to one server."""

    def __init__(
        self, server: Server, *, hello: str, timeouts: Timeouts, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self.limit = AT_ONCE  # connections at once; who uses us keeps to it
        self.encryption: str | None = None  # of the connection opened last, such as TLSv1.3
        self._server = server
        self._hello = hello
        self.timeouts = timeouts
        self._tls_context = tls_context
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: list[tuple[SMTP, asyncio.TimerHandle]] = []
        self._mails: dict[SMTP, int] = {}
        self._taken_in_a_row = 0

    async def take(self) -> SMTP:
        """Return a connection at the start of a mail, once one is free: one that has just answered.

        It must be given back or dropped. Raises `NoConnection`.
        """
        while self._in_use >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                with suppress(ValueError):
                    self._waiting.remove(turn)
        self._in_use += 1
        try:
            return await self._reuse() or await self._open()
        except BaseException as error:
            if isinstance(error, NoConnection):
                self.turn_away(error.receipt)
            self._release()
            raise

    def give_back(self, client: SMTP) -> None:
        """Keep the connection for the next mail, for a while."""
        self._mails[client] = self._mails.get(client, 0) + 1
        if not client.is_connected or self._mails[client] >= MAILS_A_CONNECTION or len(self._idle) >= self.limit:
            self.drop(client)
            return
        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop_idle, client)
        self._idle.append((client, timer))
        self._release()

    def drop(self, client: SMTP) -> None:
        """Close the connection without another word."""
        self._forget(client)
        self._release()

    def turn_away(self, receipt: Receipt) -> None:
        """Tell all who wait for a connection what another has just been told: it would not go better for them."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(NoConnection(receipt))

    def fewer(self) -> None:
        """Halve how many connections there may be: the server asked for it."""
        self.limit = max(1, self.limit // 2)
        self._taken_in_a_row = 0

    def one_taken(self) -> None:
        """Note that the server took a mail; after some in a row one more connection may be tried."""
        self._taken_in_a_row += 1
        if self._taken_in_a_row >= GROW_AFTER and self.limit < AT_ONCE:
            self.limit += 1
            self._taken_in_a_row = 0

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            client, timer = self._idle.pop()
            timer.cancel()
            with suppress(SMTPException, OSError):
                await client.quit(timeout=2)
            self._forget(client)

    def _release(self) -> None:
        self._in_use -= 1
        for turn in list(self._waiting)[: max(self.limit - self._in_use, 0)]:
            if not turn.done():
                turn.set_result(None)

    def _forget(self, client: SMTP) -> None:
        self._mails.pop(client, None)
        client.close()

    def _drop_idle(self, client: SMTP) -> None:
        self._idle = [(other, timer) for other, timer in self._idle if other is not client]
        self._forget(client)

    async def _reuse(self) -> SMTP | None:
        """An idle connection, reset; the server may have closed it meanwhile."""
        while self._idle:
            client, timer = self._idle.pop()
            timer.cancel()
            try:
                await client.rset(timeout=min(self.timeouts.connect, 10))
                return client
            except (SMTPException, OSError):
                self._forget(client)
            except BaseException:
                self._forget(client)
                raise
        return None

    async def _open(self) -> SMTP:
        timeout = self.timeouts.connect
        client = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            timeout=timeout,
            use_tls=self._server.tls == "from the start",
            start_tls=False,  # done below, so that each stage is known by its own name
            local_hostname=self._hello,
            tls_context=self._tls_context,
        )
        try:
            await self._greet(client)
        except BaseException:
            client.close()
            raise
        secured = client.get_transport_info("ssl_object")
        self.encryption = secured.version() if secured else None
        return client

    async def _greet(self, client: SMTP) -> None:
        try:
            await client.connect()
            await client.ehlo()
        except SMTPResponseException as error:
            raise NoConnection(judge(error.code, error.message, "connect")) from error
        except (SMTPException, OSError) as error:
            if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
                raise NoConnection(_no_tls(str(error))) from error
            raise NoConnection(_unreachable(error)) from error
        if self._server.tls == "starttls":
            await self._encrypt(client)
        if self._server.user is not None:
            await self._log_in(client, self._server.user)

    async def _encrypt(self, client: SMTP) -> None:
        if not client.supports_extension("starttls"):
            raise NoConnection(_no_tls("the server offers no STARTTLS; SMTP_URL with ?starttls=0 would do without"))
        try:
            await client.starttls()
            await client.ehlo()
        except SMTPTimeoutError as error:
            raise NoConnection(_unreachable(error)) from error
        except (SMTPException, OSError) as error:  # a certificate that is not right, or of another name
            raise NoConnection(_no_tls(str(error))) from error

    async def _log_in(self, client: SMTP, user: str) -> None:
        try:
            await client.login(user, self._server.password or "")
        except SMTPResponseException as error:
            raise NoConnection(judge(error.code, error.message, "login")) from error
        except (SMTPTimeoutError, OSError) as error:
            raise NoConnection(_unreachable(error)) from error
        except SMTPException as error:  # no AUTH offered, or none that we know
            receipt = Receipt(outcome="held", reason="login", reply=said(0, error.message), stop=True, alert=True)
            raise NoConnection(receipt) from error


def _unreachable(error: Exception) -> Receipt:
    """The server is away, or its name cannot be found: nobody's fault that we write to."""
    return Receipt(outcome="held", reason="unreachable", reply=said(0, str(error)), pause=UNREACHABLE)


def _no_tls(why: str) -> Receipt:
    return Receipt(outcome="held", reason="tls", reply=said(0, why), pause=TLS, alert=True)
