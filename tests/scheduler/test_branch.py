"""Branches: what goes out depends on how the step before turned out, as known when the branch falls due."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.scheduler import plan_file
from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from services.scheduler.plan_file import PlanError
from shared.db import Pool
from shared.events import Event
from shared.receive import receiver
from tests.factories import acted, meeting_logged, person, touched
from tests.scheduler.drive import ANY_TIME, assert_told, fire, make_due, nudges, rows

ADA = person(**ANY_TIME)
NOW = datetime.now(UTC)
PLAN = """
[[steps]]
after = "1 day"
playbook = "say-hello"
[[steps]]
after = "1 week"
playbook = "call"
on = "{on}"
"""

ASK = '[[steps]]\nafter = "1 day"\nplaybook = "ask"\n'


async def receive(pool: Pool, plans_dir: Path, *given: Event) -> None:
    await receiver(pool, routes(Plans.read(plans_dir)), service="scheduler")([event.to_json() for event in given])


@pytest.mark.parametrize(
    ("happened", "taken"),
    [
        ("nothing", {"silent"}),
        ("replied", {"replied"}),
        ("replied to the one before", {"silent"}),
        ("logged", set()),
        ("done", {"done"}),
        ("done and replied", {"done", "replied"}),
    ],
)
@pytest.mark.parametrize("on", ["replied", "done", "silent"])
async def test_a_branch_is_taken_by_what_has_happened_since_the_step_before(
    scheduler_pool: Pool, tmp_path: Path, on: str, happened: str, taken: set[str]
) -> None:
    (tmp_path / "branching.toml").write_text(PLAN.format(on=on))
    event = meeting_logged(owner=ADA, plan="branching", met_at=NOW, logged_at=NOW)
    connection = event.data.meeting.connection
    await receive(scheduler_pool, tmp_path, event)
    first, second = [row["id"] for row in await rows(scheduler_pool)]
    await make_due(scheduler_pool, NOW + timedelta(days=30), second)
    await make_due(scheduler_pool, NOW - timedelta(hours=1), first)
    await fire(scheduler_pool)
    for what, minutes in {"replied": 30, "replied to the one before": 90, "logged": 30}.items():
        if what == happened or (what == "replied" and happened == "done and replied"):
            how = "logged" if what == "logged" else "replied"
            touch = touched(connection, how, person=ADA.id, at=NOW - timedelta(minutes=minutes))  # type: ignore[arg-type]
            await receive(scheduler_pool, tmp_path, touch)
    if happened.startswith("done"):
        act = acted("done", person=ADA.id, connection=connection, follow_up=first, at=NOW)
        await receive(scheduler_pool, tmp_path, act)

    await make_due(scheduler_pool, NOW, second)
    await fire(scheduler_pool)

    end = (await rows(scheduler_pool))[1]
    assert (end["reason"] or end["state"]) == ("nudged" if on in taken else "superseded")
    assert len(await nudges(scheduler_pool)) == (2 if on in taken else 1)
    await assert_told(scheduler_pool)


async def test_a_branch_waits_with_the_step_before_that_was_put_off(scheduler_pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "branching.toml").write_text(PLAN.format(on="silent"))
    await receive(scheduler_pool, tmp_path, meeting_logged(owner=ADA, plan="branching", met_at=NOW, logged_at=NOW))
    first, second = [row["id"] for row in await rows(scheduler_pool)]
    await receive(scheduler_pool, tmp_path, acted("later", person=ADA.id, follow_up=first, span="1 month", at=NOW))
    await make_due(scheduler_pool, NOW, second)
    await fire(scheduler_pool)
    assert await nudges(scheduler_pool) == []
    waits = (await rows(scheduler_pool))[1]
    assert waits["state"] == "waiting"
    assert NOW < waits["due_at"] < NOW + timedelta(days=5)
    await assert_told(scheduler_pool)


async def test_a_branch_not_taken_does_not_push_aside_what_is_due_beside_it(
    scheduler_pool: Pool, tmp_path: Path
) -> None:
    (tmp_path / "branching.toml").write_text(PLAN.format(on="replied"))
    await receive(scheduler_pool, tmp_path, meeting_logged(owner=ADA, plan="branching", met_at=NOW, logged_at=NOW))
    first, second = [row["id"] for row in await rows(scheduler_pool)]
    await make_due(scheduler_pool, NOW - timedelta(hours=2), first)
    await make_due(scheduler_pool, NOW - timedelta(hours=1), second)
    await scheduler_pool.execute("UPDATE follow_ups SET step = 5 WHERE id = $1", second)  # nothing right before it
    await fire(scheduler_pool)
    assert [row["reason"] or row["state"] for row in await rows(scheduler_pool)] == ["nudged", "superseded"]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            '[[steps]]\nafter = "1 day"\nplaybook = "ask"\non = "done"\n',
            "step 1 (line 4): `on` is about the step before",
        ),
        (
            '[[steps]]\nevery = "1 day"\ntimes = 2\nplaybook = "ask"\n'
            '[[steps]]\nafter = "9 days"\nplaybook = "ask"\non = "done"\n',
            "step 2 (line 8): `on` is about the step before, and one with `every` has no single outcome",
        ),
        (
            f'{ASK}{ASK}on = "silence"\n',
            "step 2 (line 7): `on` must be one of replied, done, silent, not 'silence' (is 'silent' meant?)",
        ),
    ],
)
def test_a_branch_that_cannot_be_is_refused_in_words(tmp_path: Path, text: str, mistake: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(PlanError) as found:
        plan_file.read(file)
    assert found.value.mistakes[0].removeprefix(f"{file}: ").startswith(mistake)
