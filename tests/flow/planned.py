"""Intake with its API and the scheduler with its timers, on one database: what one tells, the other applies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.intake.handlers import ROUTES as INTAKE_ROUTES
from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from shared.bus import Route
from shared.db import Pool
from shared.receive import receiver
from tests.intake.serving import Intake, submission

SCHEDULER_ROUTES = routes(Plans.read(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a client of the API does and sees, and what becomes of it."""

    intake: Intake
    scheduler: Pool
    token: dict[str, str]

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must succeed and return its answer."""
        async with self.intake.client.request(method, f"/api/v1{path}", json=body, headers=self.token) as answer:
            text = await answer.text()
            assert answer.status < 300, text
            return orjson.loads(text) if text else None

    async def log(self, **given: Any) -> dict[str, Any]:
        """Log one meeting and return what was answered about it."""
        [meeting] = (await self.send("POST", "/meetings", submission(**given)))["meetings"]
        found: dict[str, Any] = meeting
        return found

    async def settle(self) -> None:
        """Let each hear what the other has told, until neither has more to tell."""
        while any(
            [
                await hand(self.intake.pool, self.scheduler, "scheduler", SCHEDULER_ROUTES),
                await hand(self.scheduler, self.intake.pool, "intake", INTAKE_ROUTES),
            ]
        ):
            pass

    async def follow_ups(self, meeting: str) -> list[dict[str, Any]]:
        """Return the meeting's follow-ups as the API shows them once everything has settled."""
        await self.settle()
        found: list[dict[str, Any]] = (await self.send("GET", f"/meetings/{meeting}"))["follow_ups"]
        return found


async def hand(told_by: Pool, to: Pool, service: str, known: Sequence[Route[Any]]) -> bool:
    """Let a service hear what another has told; say whether that was anything."""
    types = {route.event.type for route in known}
    rows = await told_by.fetch("DELETE FROM outbox RETURNING id, type, document")
    documents = [row["document"] for row in sorted(rows, key=lambda row: row["id"]) if row["type"] in types]
    await receiver(to, known, service=service)(documents)
    assert [dict(row) for row in await to.fetch("SELECT reason, detail FROM dead_letter")] == []
    return bool(documents)
