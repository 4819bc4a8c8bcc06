"""Hosts of gatherings are asked whom they met."""

from collections.abc import Sequence
from datetime import datetime

from services.scheduler import keeping, planning, standing, store
from services.scheduler import prompt as prompts
from services.scheduler.clocks import clock_of
from shared.db import Connection
from shared.events import PromptWanted


async def ask_hosts(conn: Connection, events: Sequence[PromptWanted], now: datetime) -> None:
    """Give each prompt its one follow-up, once, however often it is told."""
    people, _ = await keeping.lock(conn, [event.data.owner for event in events])
    wanted = {
        event.data.prompt: (prompts.prompt(event.data, at=event.time), people[event.data.owner.id])
        for event in events
        if event.data.owner.id in people
    }
    known = await store.meetings(conn, wanted)
    fresh = [(what, host) for id, (what, host) in wanted.items() if id not in known]
    await store.keep_meetings(conn, [(what, host.id) for what, host in fresh])
    against = await standing.against(conn, people.values())
    changed = []
    for what, host in fresh:
        one = prompts.planned(what, host)
        early = await standing.take_early_acts(conn, [one.id(what.id)])
        changed += planning.planned_anew(what, host, clock_of(host), [one], [], against, early)
    await keeping.keep(conn, changed, now)
