"""An intake that listens on a port of its own, and senders that know its secrets."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientResponse, ClientSession, web
from pydantic import SecretStr

from services.intake import app as intake
from services.intake import sources, tokens
from services.intake.providers import PROVIDERS, eventbrite
from services.scheduler.plan import Plans
from services.scheduler.planner import Planner
from shared import settings
from shared.db import Pool
from shared.signing import Box
from shared.web import application, runner
from tests.intake import senders

PLANNER = Planner(Plans.read(None))
TYPEFORM = (Path(__file__).parent / "payloads" / "typeform" / "form_response.json").read_bytes()
KNOWN_ANSWER = "sha256=VsvwNrh0fT5VWF+05H3azXZXJyFkhHTtONMxIVm6PZ4="
NAME = {"contact.name": "readable_ref_short_text"}
ONE_MEETING = {"submissions": 1, "people": 1, "connections": 1, "meetings": 1, "outbox": 1}


@asynccontextmanager
async def serving(
    pool: Pool, keys: tuple[SecretStr, ...], *, eventbrite_api: str = eventbrite.API, **given: Any
) -> AsyncIterator["Intake"]:
    """Serve intake's routes on this pool."""
    config = settings.read(secret_key=keys, public_url="https://hello.school.example", **given)
    app = application()
    intake.add_routes(app, pool, config, PLANNER, eventbrite_api=eventbrite_api)
    running = runner(app, shutdown_timeout=1)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0)
    await site.start()
    try:
        async with ClientSession(f"http://127.0.0.1:{site.port}") as client:
            yield Intake(client=client, pool=pool, box=Box(keys), port=site.port)
    finally:
        await running.cleanup()


@dataclass(frozen=True, slots=True)
class Intake:
    """What the tests talk to."""

    client: ClientSession
    pool: Pool
    box: Box
    port: int

    async def source(self, provider: str = "standard", name: str | None = None, **given: Any) -> "Sender":
        """Add a source and return who submits to it."""
        path = sources.new_path()
        secret: str = given.pop("secret", PROVIDERS[provider].new_secret()) or ""
        fields: dict[str, Any] = {"mapping": {}, "fixed": {}} | given
        async with self.pool.acquire() as conn:
            source = await sources.add_source(
                conn, self.box, provider=provider, name=name or path, path=path, secret=secret, **fields
            )
        return Sender(intake=self, provider=provider, path=f"/hooks/{path}", secret=secret, source=source)

    async def token(self, owner: str | None = None) -> dict[str, str]:
        """Add an API token and return the headers that carry it."""
        text = secrets.token_urlsafe(24)
        async with self.pool.acquire() as conn:
            await tokens.add_token(conn, name=text, text=text, owner=owner)
        return {"Authorization": f"Bearer {text}"}

    async def count(self, table: str, where: str = "true") -> int:
        value: int = await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE {where}")
        return value

    async def events(self) -> list[dict[str, Any]]:
        """Return what waits in the outbox, oldest first."""
        rows = await self.pool.fetch("SELECT document FROM outbox ORDER BY id")
        return [orjson.loads(row["document"]) for row in rows]

    async def stored(self) -> dict[str, int]:
        """Return how many there are of what a submission can leave behind."""
        tables = ("submissions", "people", "connections", "meetings", "outbox")
        return {table: count for table in tables if (count := await self.count(table))}


@dataclass(frozen=True, slots=True)
class Sender:
    """A form tool that signs what it sends."""

    intake: Intake
    provider: str
    path: str
    secret: str
    source: sources.Source

    def signed(self, body: bytes, *, id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
        """Return the headers with which the provider sends this body."""
        return senders.signed(self.provider, body, self.secret, id=id, at=at)

    async def send(self, body: bytes | dict[str, Any], *, id: str = "msg_1", **headers: str) -> ClientResponse:
        """Send this body, signed; `headers` are added, or put in place of the provider's."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self.signed(raw, id=id) | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.intake.client.post(self.path, data=raw, headers=sent)


def standard_signature(body: bytes, secret: str, *, id: str, at: datetime | None = None) -> dict[str, str]:
    return senders.signed("standard", body, secret, id=id, at=at)


def typeform_signature(body: bytes, secret: str) -> str:
    return senders.signed("typeform", body, secret)["Typeform-Signature"]


def submission(**given: Any) -> dict[str, Any]:
    """Return a submission as the contract shows it, logged minutes after they met."""
    met_at = (datetime.now(UTC) - timedelta(minutes=20)).replace(microsecond=0)
    return {
        "owner": {"email": "ada@school.example", "name": "Ada", "time_zone": "America/New_York", "channel": "email"},
        "contact": {"name": "Erin", "email": "erin@district.example", "links": ["https://bsky.app/profile/erin"]},
        "event": {"name": "MassCUE 2026", "kind": "conference", "hashtag": "masscue", "place": "Foxborough"},
        "met_at": met_at.isoformat(),
        "notes": "robotics club swap",
        "topics": ["robotics"],
        "promise": "send the rubric",
        "document": "https://docs.example/rubric",
        "plan": "conference",
    } | given
