"""The scheduler as a whole: an event in by the bus, a nudge out by the bus, and a clean stop."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.scheduler import app
from shared import events, settings
from shared.bus import LocalBus, Message
from shared.events import FollowUpChanged, MeetingLogged, NudgeDue
from shared.settings import Settings, SettingsError
from tests.factories import meeting_logged, person


class Recorder:
    """A service that keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[events.Event] = []

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        self.received += [events.read(document) for body in bodies for document in events.split(body)]

    async def park(self, bodies: Sequence[bytes], reason: str) -> None:
        raise AssertionError(reason)

    async def later(self) -> int:
        return 0


def config(database_url: str, **given: Any) -> Settings:
    return settings.read(database_url=SecretStr(database_url), **given)


async def test_a_meeting_comes_in_and_a_nudge_goes_out(database_url: str) -> None:
    everybody = LocalBus()
    notifier, intake, stop = Recorder(), Recorder(), asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    now = datetime.now(UTC)
    event = meeting_logged(owner=person(), plan="demo", logged_at=now, met_at=now)
    async with asyncio.TaskGroup() as group:
        consumers = [
            group.create_task(everybody.consume("notifier", [NudgeDue.type], notifier)),
            group.create_task(everybody.consume("intake", [FollowUpChanged.type], intake)),
        ]
        running = group.create_task(app.run(config(database_url), everybody, stop, port=0, started=port.set_result))
        async with asyncio.timeout(30), aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{await port}"
            while (await client.get(f"{url}/readyz")).status != 200:
                await asyncio.sleep(0.01)
            message = Message(
                routing_key=MeetingLogged.type,
                content_type=events.CONTENT_TYPE,
                body=event.to_json(),
                id=str(event.id),
            )
            await everybody.publish([message])
            while not notifier.received:
                await asyncio.sleep(0.01)
            while len(intake.received) < 4:  # three planned, one nudged
                await asyncio.sleep(0.01)
            metrics = await (await client.get(f"{url}/metrics")).text()
        stop.set()
        await asyncio.wait_for(running, 30)
        for consumer in consumers:
            consumer.cancel()
    (nudge,) = notifier.received
    assert isinstance(nudge, NudgeDue)
    assert [one.meeting for one in nudge.data.follow_ups] == [event.data.meeting.id]
    assert "afterhello_follow_up_lateness_seconds_count" in metrics


async def test_a_wrong_plan_stops_the_start_in_one_line(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[steps]]\nafter = "soon"\nplaybook = "ask"\n')
    with pytest.raises(SettingsError) as found:
        await app.run(config(database_url, plans_dir=tmp_path), LocalBus(), asyncio.Event())
    assert str(found.value).startswith(f"{tmp_path / 'mine.toml'}: step 1 (line 2): `after`: 'soon' is no offset")
    assert "\n" not in str(found.value)


async def test_without_a_database_it_says_which_setting_is_missing() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        await app.run(settings.read(), LocalBus(), asyncio.Event())


async def test_a_plan_counts_that_was_right_last_though_nothing_was_planned_meanwhile(
    database_url: str, tmp_path: Path
) -> None:
    mine, stop = tmp_path / "mine.toml", asyncio.Event()
    mine.write_text('[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            group.create_task(app.run(config(database_url, plans_dir=tmp_path), LocalBus(), stop))
            while not [one for one in logs if one["event"] == "service.started"]:
                await asyncio.sleep(0.01)
            mine.write_text('[[steps]]\nafter = "12 days"\nplaybook = "ask"\n')
            while not [one for one in logs if one["event"] == "plans.read"]:
                await asyncio.sleep(0.01)
            stop.set()
