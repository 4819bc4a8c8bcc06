"""A changed plan file moves nothing by itself; `plan apply` shows what it would move, and moves it on request."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services import cli
from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from shared.db import Pool
from shared.events import Event, MeetingChanged, MeetingData, PersonChanged, PersonData
from shared.receive import receiver
from tests.factories import acted, meeting_logged, person
from tests.scheduler.drive import assert_told, rows

ADA = person()
NOW = datetime.now(UTC)
STEP = '[[steps]]\nafter = "{after}"\nplaybook = "{playbook}"\n'


def plan(*steps: tuple[str, str]) -> str:
    return "".join(STEP.format(after=after, playbook=playbook) for after, playbook in steps)


async def receive(pool: Pool, plans_dir: Path, *given: Event) -> None:
    await receiver(pool, routes(Plans.read(plans_dir)), service="scheduler")([event.to_json() for event in given])


async def test_a_changed_plan_moves_what_waits_only_when_asked_and_shows_it_first(
    scheduler_pool: Pool,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(plan(("1 day", "say-hello"), ("2 weeks", "ask"), ("3 weeks", "call"), ("5 weeks", "laugh")))
    event = meeting_logged(owner=ADA, plan="mine", met_at=NOW, logged_at=NOW)
    other = meeting_logged(owner=ADA, plan="default", met_at=NOW, logged_at=NOW)
    await receive(scheduler_pool, tmp_path, event, other)
    mine = {row["step"]: row for row in await rows(scheduler_pool) if row["meeting_id"] == event.data.meeting.id}
    await receive(scheduler_pool, tmp_path, acted("done", person=ADA.id, follow_up=mine[1]["id"], at=NOW))
    await receive(
        scheduler_pool, tmp_path, acted("later", person=ADA.id, follow_up=mine[3]["id"], span="2 months", at=NOW)
    )
    before = await rows(scheduler_pool)

    file.write_text(plan(("9 days", "shout-out"), ("4 weeks", "ask"), ("4 weeks", "call")))
    renamed = event.data.meeting.model_copy(update={"revision": 2, "notes": "blue scarf"})
    ada = ADA.model_copy(update={"revision": 2, "name": "Ada L."})
    await receive(
        scheduler_pool,
        tmp_path,
        MeetingChanged(time=NOW, subject="x", data=MeetingData(meeting=renamed, owner=ADA)),
        PersonChanged(time=NOW, subject="x", data=PersonData(person=ada)),
    )
    assert await rows(scheduler_pool) == before

    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PLANS_DIR", str(tmp_path))

    async def run(*words: str) -> dict[str, object]:
        capsys.readouterr()
        assert await asyncio.to_thread(cli.main, ["plan", "apply", "mine", "--json", *words]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    shown = await run()
    assert await rows(scheduler_pool) == before
    assert shown["applied"] is False
    changes = {one["step"]: one for one in shown["changes"]}  # type: ignore[attr-defined]
    assert {step: (one["change"], one["playbook"]) for step, one in changes.items()} == {
        2: ("moves", "ask"),
        4: ("ends", "laugh"),
    }
    assert changes[4]["is"] == "rescheduled"

    assert (await run("--yes"))["changes"] == shown["changes"]
    after = {row["id"]: row for row in await rows(scheduler_pool)}
    assert after[mine[1]["id"]]["state"] == "done"
    assert after[mine[2]["id"]]["on_day"] == mine[2]["on_day"] + timedelta(days=14)
    assert after[mine[3]["id"]] == next(row for row in before if row["id"] == mine[3]["id"])  # put off by its owner
    assert (after[mine[4]["id"]]["state"], after[mine[4]["id"]]["reason"]) == ("skipped", "rescheduled")
    assert [row for row in before if row["meeting_id"] == other.data.meeting.id] == [
        row for row in after.values() if row["meeting_id"] == other.data.meeting.id
    ]
    assert (await run())["changes"] == []
    await assert_told(scheduler_pool)


async def test_a_new_step_that_is_past_by_now_never_comes_and_a_waiting_one_comes_soon(
    scheduler_pool: Pool, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(plan(("9 weeks", "ask")))
    met = NOW - timedelta(days=30)
    await receive(scheduler_pool, tmp_path, meeting_logged(owner=ADA, plan="mine", met_at=met, logged_at=met))
    file.write_text(plan(("1 week", "ask"), ("2 weeks", "call"), ("8 weeks", "laugh")))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PLANS_DIR", str(tmp_path))
    assert await asyncio.to_thread(cli.main, ["plan", "apply", "mine", "--yes"]) == 0
    found = await rows(scheduler_pool)
    assert [(row["step"], row["playbook"], row["state"]) for row in found] == [
        (1, "ask", "waiting"),
        (3, "laugh", "waiting"),
    ]
    assert NOW < found[0]["due_at"] < NOW + timedelta(days=5)
    await assert_told(scheduler_pool)
