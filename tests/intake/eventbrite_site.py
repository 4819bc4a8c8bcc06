"""A server of the test's own that answers as Eventbrite's API does, and what it knows of one event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from shared.http_server import runner

PAYLOADS = Path(__file__).parent / "payloads" / "eventbrite"
TOKEN = "QWERTYUIOPASDFGHJKLZ"
ATTENDEE = "/v3/events/1234567890/attendees/1357924680/"
ORDER = "/v3/orders/1234567890/"

Document = dict[str, Any]


@dataclass(slots=True)
class Api:
    """Answers for these paths what it is told to, to whoever has the token; and keeps how it was asked."""

    base: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[web.Request] = field(default_factory=list)
    waits_for: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.waits_for:
            await self.waits_for.wait()
        if self.status != 200:
            return web.json_response(
                {"error": "AS_TOLD"}, status=self.status, headers={"Location": f"{self.base}/v3/x"}
            )
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "INVALID_AUTH"}, status=401)
        if request.path not in self.documents:
            return web.json_response({"error": "NOT_FOUND"}, status=404)
        document = self.documents[request.path]
        if isinstance(document, bytes):
            return web.Response(body=document, content_type="application/json")
        parts = request.query["expand"].split(",")
        return web.json_response({k: v for k, v in document.items() if k not in {"event", "attendees"} or k in parts})


@asynccontextmanager
async def speaking() -> AsyncIterator[Api]:
    """Serve the API on a port of its own."""
    api = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    running = runner(app, shutdown_timeout=1)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0)
    await site.start()
    api.base = f"http://127.0.0.1:{site.port}"
    try:
        yield api
    finally:
        await running.cleanup()


def attendee(**given: Any) -> Document:
    """Return the attendee of `attendee.updated`, changed so."""
    return deepcopy(_fetched("attendee.updated")) | given


def order(**given: Any) -> Document:
    """Return the order of `order.placed`, changed so."""
    return deepcopy(_fetched("order.placed")) | given


def pointer(action: str = "attendee.updated", path: str = ATTENDEE, *, url: str | None = None) -> Document:
    """Return what the webhook brings."""
    return {"api_url": url or f"https://www.eventbriteapi.com{path}", "config": {"action": action}}


def _fetched(name: str) -> Document:
    document: Document = json.loads((PAYLOADS / f"{name}.fetched.json").read_text())
    return document
