"""A server in the test process that speaks Twilio's Messages API (2010-04-01), and answers as it is told."""

import asyncio
import base64
import hashlib
import hmac
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

ACCOUNT: Final = "AC0123456789abcdef0123456789abcdef"
TOKEN: Final = "a token that only this server knows"
NUMBER: Final = "+15085550100"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request is answered with in place of the usual."""

    status: int = 201
    code: int | None = None  # one of Twilio's own
    headers: dict[str, str] = field(default_factory=dict)
    accepts: bool = False  # the message is made all the same
    silent: bool = False  # nothing is answered, ever
    cut: bool = False  # the connection ends instead


LOST_AFTER_ACCEPT: Final = Answer(accepts=True, silent=True)
CUT_AFTER_ACCEPT: Final = Answer(accepts=True, cut=True)
LOST: Final = Answer(silent=True)


class TwilioServer:
    """One account, its messages, and the script of its faults."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []  # the oldest first
        self.requests: list[str] = []
        self.callbacks: dict[str, str] = {}  # of messages, by sid
        self.base = ""
        self.account_status = "active"
        self.keeps_bodies = True
        self._next: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._ids = itertools.count(1)
        self._silent: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"twilio://{ACCOUNT}:{quote(TOKEN)}@{NUMBER}?api={self.base}"

    def answer(self, what: str, *answers: Answer) -> None:
        """Answer `send`, `list` or `fetch` like this, one a time, then as usual again."""
        self._next[what].extend(answers)

    def always(self, what: str, answer: Answer | None) -> None:
        """Answer like this from now on; None: as usual."""
        if answer is None:
            self._always.pop(what, None)
        else:
            self._always[what] = answer

    def texts(self) -> list[str]:
        """Return the bodies of what we were made to send, the first one first."""
        return [message["body"] for message in self.messages]

    def becomes(self, status: str, code: int | None = None, *, n: int = -1) -> dict[str, Any]:
        """Let a message have this status now, and return it."""
        self.messages[n] |= {"status": status, "error_code": code}
        return self.messages[n]

    async def report(self, client: aiohttp.ClientSession, *, n: int = -1, token: str = TOKEN) -> int:
        """Tell of a message's status where its sender wants to hear of it; return how we were answered."""
        message = self.messages[n]
        url = self.callbacks[message["sid"]]
        form = {"MessageSid": message["sid"], "MessageStatus": message["status"], "To": message["to"], "From": NUMBER}
        form["AccountSid"] = ACCOUNT
        if message["error_code"]:
            form["ErrorCode"] = str(message["error_code"])
        signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        signature = base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()
        async with client.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
            return answer.status

    def application(self) -> web.Application:
        app = web.Application()
        account = f"/2010-04-01/Accounts/{ACCOUNT}"
        app.add_routes(
            [
                web.post(f"{account}/Messages.json", self._send),
                web.get(f"{account}/Messages.json", self._list),
                web.get(f"{account}/Messages/{{sid}}.json", self._fetch),
                web.get(f"{account}.json", self._account),
            ]
        )
        return app

    def stop(self) -> None:
        for task in self._silent:
            task.cancel()

    async def _scripted(self, request: web.Request, what: str, make: Any = None) -> web.StreamResponse | None:
        """The answer of the script, None for the usual one."""
        self.requests.append(what)
        proof = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
        if request.headers.get("Authorization") != proof:
            return _error(401, 20003)
        answer = self._next[what].popleft() if self._next[what] else self._always.get(what)
        if answer is None:
            return None
        if answer.accepts and make:
            make()
        if answer.silent:
            task = asyncio.current_task()
            assert task is not None
            self._silent.add(task)
            await asyncio.Event().wait()
        if answer.cut:
            assert request.transport is not None
            request.transport.abort()
        return _error(answer.status, answer.code, answer.headers)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        answer = await self._scripted(request, "send", lambda: self._make(form))
        if answer is not None:
            return answer
        for code, is_wrong in (
            (21603, not (form.get("From") or form.get("MessagingServiceSid"))),
            (21602, not form.get("Body")),
            (21617, len(form.get("Body", "")) > 1600),
            (21211, not form.get("To", "").startswith("+")),
            (21609, not form.get("StatusCallback", "https://a.example").startswith("http")),
        ):
            if is_wrong:
                return _error(400, code)
        return web.json_response(self._make(form), status=201)

    def _make(self, form: dict[str, str]) -> dict[str, Any]:
        sid = f"SM{next(self._ids):032x}"
        message = {
            "sid": sid,
            "account_sid": ACCOUNT,
            "to": form["To"],
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "body": form["Body"],
            "status": "queued",
            "error_code": None,
            "direction": "outbound-api",
            "date_created": format_datetime(datetime.now(UTC)),
            "date_sent": None,
        }
        self.messages.append(message)
        if "StatusCallback" in form:
            self.callbacks[sid] = form["StatusCallback"]
        return message

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if answer := await self._scripted(request, "list"):
            return answer
        size, page = int(request.query.get("PageSize", 50)), int(request.query.get("Page", 0))
        found = [one for one in reversed(self.messages) if request.query.get("To") in {None, one["to"]}]
        shown = [one if self.keeps_bodies else one | {"body": ""} for one in found[page * size : (page + 1) * size]]
        following = request.rel_url.update_query(Page=page + 1) if len(found) > (page + 1) * size else None
        return web.json_response({"messages": shown, "next_page_uri": following and str(following)})

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        if answer := await self._scripted(request, "fetch"):
            return answer
        found = [one for one in self.messages if one["sid"] == request.match_info["sid"]]
        return web.json_response(found[0]) if found else _error(404, 20404)

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if answer := await self._scripted(request, "account"):
            return answer
        return web.json_response({"sid": ACCOUNT, "status": self.account_status})


def _error(status: int, code: int | None, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"code": code, "message": f"error {code}", "status": status}, status=status, headers=headers or {}
    )


@asynccontextmanager
async def twilio_server() -> AsyncIterator[TwilioServer]:
    """A server with an empty account."""
    server = TwilioServer()
    runner = web.AppRunner(server.application(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{site.port}"
    try:
        yield server
    finally:
        server.stop()
        await runner.cleanup()


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioServer]:
    """Twilio's API; `twilio.url` is its SMS_URL, `twilio.messages` what it was made to send."""
    async with twilio_server() as server:
        yield server
