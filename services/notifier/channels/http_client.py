"""HTTP as a channel needs it: one bounded request, no redirects, and every error sorted into before or after."""

from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from yarl import URL

from services.notifier.channels.receipt import Receipt, Unknown
from services.notifier.channels.sms_codes import UNREACHABLE

ANSWER_BYTES: Final = 64 * 1024
# Raised before the first byte of a request could leave.
NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientSSLError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ConnectionTimeoutError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTimeouts:
    """Seconds for reaching the server, and for all of a request."""

    connect: float = 10
    total: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    retry_after: timedelta | None


class Failed(Exception):
    """There is no answer; the receipt says what that means. Its words name no address: there may be a secret in it."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.reply)
        self.receipt = receipt


class _Cut(Exception):
    """The connection ended before the answer came."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET whose connection was cut: a gateway may have sent the text."""
    try:
        return await handler(request)
    except NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Cut(type(error).__name__) from None


class HttpClient:
    """Makes requests; opened by the first one, to be closed."""

    def __init__(self, timeouts: HttpTimeouts, *, unknown: Unknown) -> None:
        self._timeouts = timeouts
        self._unknown = unknown
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, url: URL, **given: Any) -> Answer:
        """Return the answer, at most so many bytes of it; raises `Failed`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeouts.total, sock_connect=self._timeouts.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_once,),
            )
        try:
            async with self._session.request(method, url, allow_redirects=False, **given) as response:
                body = b""
                while (room := ANSWER_BYTES - len(body)) and (chunk := await response.content.read(room)):
                    body += chunk
                retry_after = _seconds(response.headers.get("Retry-After"), response.headers.get("Date"))
                return Answer(status=response.status, body=body, retry_after=retry_after)
        except NOT_SENT as error:
            reply = f"not reached: {type(error).__name__}"
            raise Failed(Receipt(outcome="held", reason="unreachable", reply=reply, pause=UNREACHABLE)) from None
        except (_Cut, aiohttp.ClientError, TimeoutError, OSError) as error:
            reply = f"no answer: {error if isinstance(error, _Cut) else type(error).__name__}"
            receipt = Receipt(outcome="unknown", reason="unknown", reply=reply, unknown=self._unknown)
            raise Failed(receipt) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _seconds(text: str | None, date: str | None) -> timedelta | None:
    """A Retry-After: seconds, or a moment by the clock that the answer's own Date is of."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**6))
    try:
        return max(parsedate_to_datetime(text) - parsedate_to_datetime(date or ""), timedelta())
    except (TypeError, ValueError):
        return None
