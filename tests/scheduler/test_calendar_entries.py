"""A step with `calendar = true`: its nudge says so, also when it was put off, and no other does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from services.scheduler.plan_file import PlanError
from shared.db import Pool
from shared.receive import receiver
from tests.factories import acted, meeting_logged, person
from tests.scheduler.drive import ANY_TIME, fire, make_due, nudges, rows

PLAN = """
[[steps]]
after = "1 day"
playbook = "call"
calendar = true
[[steps]]
after = "2 days"
playbook = "call"
"""


async def test_a_nudge_knows_that_its_plan_wants_an_entry(scheduler_pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "calls.toml").write_text(PLAN)
    take = receiver(scheduler_pool, routes(Plans.read(tmp_path)), service="scheduler")
    now = datetime.now(UTC)
    logged = meeting_logged(owner=person(**ANY_TIME), plan="calls", logged_at=now, met_at=now)
    await take([logged.to_json()])
    first, second = sorted(await rows(scheduler_pool), key=lambda row: int(row["step"]))

    await make_due(scheduler_pool, now - timedelta(hours=3), first["id"])
    await fire(scheduler_pool)
    about = {"person": first["person_id"], "connection": first["connection_id"], "follow_up": first["id"]}
    await take([acted("later", **about, span="1 week", at=now).to_json()])
    await make_due(scheduler_pool, now - timedelta(hours=2), first["id"])
    await fire(scheduler_pool)
    await make_due(scheduler_pool, now - timedelta(hours=1), second["id"])
    await fire(scheduler_pool)

    wanted = [(one.step, one.calendar) for nudge in await nudges(scheduler_pool) for one in nudge.follow_ups]
    assert sorted(wanted) == [(1, True), (1, True), (2, False)]


def test_a_contact_gets_no_entry(tmp_path: Path) -> None:
    (tmp_path / "calls.toml").write_text(PLAN.replace("calendar = true", 'calendar = true\nto = "contact"'))
    with pytest.raises(PlanError, match="a contact gets no entry for their calendar"):
        Plans.read(tmp_path)
