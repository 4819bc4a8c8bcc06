"""`afterhello plan apply`: what a changed plan file makes of what was planned by it before."""

import asyncio
from collections import Counter
from uuid import UUID

from services.scheduler.applying import Applied, apply
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan_file import Plan
from shared import db, wake
from shared.command import connection, show, show_json

SHOWN = 50


def apply_plan(plan: Plan, *, yes: bool, as_json: bool) -> None:
    """Show what the plan as it is now changes, and with `yes` do it."""
    rows = [_row(before, after) for before, after in asyncio.run(_apply(plan, write=yes))]
    if as_json:
        show_json({"plan": plan.name, "applied": yes, "changes": rows})
        return
    show(rows[:SHOWN], as_json=False, empty=f"Everything is planned as {plan.name} has it.")
    if rows:
        counts = ", ".join(f"{count} {what}" for what, count in Counter(row["change"] for row in rows).items())
        more = f" ({len(rows) - SHOWN} more than shown)" if len(rows) > SHOWN else ""
        print(
            f"{counts}{more}"
            + ("" if yes else f"; nothing was changed: `afterhello plan apply {plan.name} --yes` does it")
        )


async def _apply(plan: Plan, *, write: bool) -> list[tuple[FollowUp | None, FollowUp]]:
    changes: list[tuple[FollowUp | None, FollowUp]] = []
    async with connection("scheduler") as conn:
        after = UUID(int=0)
        while applied := await _batch(conn, plan, after, write=write):
            changes += applied.changed
            after = applied.last
        if write:
            await wake.notify(conn, "scheduler", "due")
    return changes


async def _batch(conn: db.Connection, plan: Plan, after: UUID, *, write: bool) -> Applied | None:
    transaction = conn.transaction()
    await transaction.start()
    done = False
    try:
        applied = await apply(conn, plan, await db.now(conn), after=after)
        done = True
        return applied
    finally:
        await (transaction.commit() if done and write else transaction.rollback())


def _row(before: FollowUp | None, after: FollowUp) -> dict[str, object]:
    change = "new" if before is None else "moves" if after.state == "waiting" else "ends"
    return {
        "change": change,
        "meeting": str(after.meeting_id),
        "step": after.step,
        "occurrence": after.occurrence,
        "playbook": after.playbook,
        "was": before and before.local_time.isoformat(),
        "is": after.local_time.isoformat() if after.state == "waiting" else after.reason or after.state,
    }
