"""The contract of the bus, on both transports."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.intake.handlers import ROUTES as INTAKE_ROUTES
from services.notifier.handlers import ROUTES as NOTIFIER_ROUTES
from services.scheduler.handlers import routes as scheduler_routes
from services.scheduler.plan import Plans
from shared import dead_letter
from shared.bus import CONSUMERS, Bus, LocalBus, Message, NotAllSafe
from shared.db import Pool
from shared.events import EVENTS
from shared.rabbit import RabbitBus
from tests.factories import acted, meeting_logged
from tests.servers import rabbitmq
from tests.servers.waiting import until
from tests.shared.bus_contract import MakeBus, Recorder, add, consuming, recorder, relay_all


@pytest.fixture(params=["local", "rabbit"])
async def make_bus(request: pytest.FixtureRequest, servers: Path, bus_prefix: str) -> AsyncIterator[MakeBus]:
    """Makes what each process of an installation has: with RabbitMQ a bus of its own, else the one they share."""
    if request.param == "local":
        local = LocalBus()
        yield lambda: local
        return
    url = rabbitmq.server(servers)
    async with AsyncExitStack() as stack:

        def make() -> Bus:
            bus = RabbitBus(url, prefix=bus_prefix)
            stack.push_async_callback(bus.close)
            return bus

        yield make


@pytest.fixture
async def scheduler(scheduler_pool: Pool) -> Recorder:
    return await recorder(scheduler_pool, "scheduler")


@pytest.fixture
async def notifier(notifier_pool: Pool) -> Recorder:
    return await recorder(notifier_pool, "notifier")


async def test_every_event_that_was_added_takes_effect_once(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    events = [meeting_logged() for _ in range(250)]
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        await add(intake_pool, events)
        await relay_all(intake_pool, make_bus())

        await until(lambda: scheduler.has_once(events))
    assert max(scheduler.batches) > 1


async def test_what_is_published_ten_times_takes_effect_once(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    events = [meeting_logged() for _ in range(20)]
    last = meeting_logged()
    bus = make_bus()
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        for _ in range(10):
            await add(intake_pool, events)
            await relay_all(intake_pool, bus)
        await add(intake_pool, [last])
        await relay_all(intake_pool, bus)

        await until(lambda: scheduler.has_once([*events, last]))


async def test_what_is_published_before_its_consumer_starts_waits_for_it(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    events = [meeting_logged() for _ in range(3)]
    await add(intake_pool, events)
    bus = make_bus()
    relaying = asyncio.create_task(relay_all(intake_pool, bus))
    await asyncio.sleep(0)

    async with consuming(make_bus(), "scheduler", scheduler.receive):
        await until(lambda: scheduler.has_once(events))
        await relaying


async def test_every_service_that_takes_a_type_gets_it(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder, notifier: Recorder
) -> None:
    event, for_one = acted(), meeting_logged()
    async with (
        consuming(make_bus(), "scheduler", scheduler.receive),
        consuming(make_bus(), "notifier", notifier.receive),
    ):
        await add(intake_pool, [event, for_one])
        await relay_all(intake_pool, make_bus())

        await until(lambda: scheduler.has_once([event, for_one]))
        await until(lambda: notifier.has_once([event]))


async def test_two_instances_of_a_service_share_its_events(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    other = Recorder(scheduler.pool, "scheduler")
    bus = make_bus()
    events = [meeting_logged() for _ in range(200)]
    async with (
        consuming(make_bus(), "scheduler", scheduler.receive),
        consuming(make_bus(), "scheduler", other.receive),
    ):
        for event in events:
            await add(intake_pool, [event])
            await relay_all(intake_pool, bus)

        await until(lambda: scheduler.has_once(events))
    assert sum(scheduler.batches) + sum(other.batches) == 200
    assert scheduler.batches
    assert other.batches


async def test_a_batch_with_one_poisoned_event_is_applied_but_for_that(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    bad, good = meeting_logged(), [meeting_logged() for _ in range(9)]
    scheduler.poison.add(bad.id)
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        await add(intake_pool, [*good[:4], bad, *good[4:]])
        await relay_all(intake_pool, make_bus())

        await until(lambda: scheduler.has_once(good))

    async with scheduler.pool.acquire() as conn:
        [letter] = await dead_letter.list_(conn)
    assert (letter.id, letter.state, letter.document) == (bad.id, "retrying", bad.to_json())
    assert letter.reason == "Poison: cannot bear 1"
    assert "Traceback" in (letter.detail or "")


async def test_what_failed_is_tried_again_by_itself_and_takes_effect_once_it_can(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.RETRY_IDLE_SECONDS", 0.05)
    event = meeting_logged()
    scheduler.poison.add(event.id)
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        await add(intake_pool, [event])
        await relay_all(intake_pool, make_bus())

        async def is_kept() -> bool:
            return bool(await scheduler.pool.fetchval("SELECT count(*) FROM dead_letter WHERE state = 'retrying'"))

        await until(is_kept)
        scheduler.poison.clear()
        await until(lambda: scheduler.has_once([event]))

        assert await scheduler.pool.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_a_body_that_is_no_event_is_kept_and_its_neighbours_take_effect(
    make_bus: MakeBus, scheduler: Recorder
) -> None:
    good = [meeting_logged(), meeting_logged()]
    bodies = [good[0].to_json(), b"\x00\xff not JSON", good[1].to_json()]
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        bus = make_bus()
        await until(lambda: published(bus, bodies))

        await until(lambda: scheduler.has_once(good))

        async def is_kept() -> bool:
            return bool(await scheduler.pool.fetchval("SELECT count(*) FROM dead_letter"))

        await until(is_kept)
    async with scheduler.pool.acquire() as conn:
        [letter] = await dead_letter.list_(conn)
    assert (letter.state, letter.document) == ("dead", bodies[1])
    assert letter.reason.startswith("not JSON")


async def test_events_come_again_when_the_database_goes_away_in_the_middle(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    event = meeting_logged()
    receive = scheduler.receive
    failures = [ConnectionResetError(), TimeoutError()]

    class Interrupted:
        async def __call__(self, bodies: Sequence[bytes]) -> None:
            if failures:
                raise failures.pop()
            await receive(bodies)

        park = receive.park
        later = receive.later

    async with consuming(make_bus(), "scheduler", Interrupted()):
        await add(intake_pool, [event])
        await relay_all(intake_pool, make_bus())

        await until(lambda: scheduler.has_once([event]))
    assert await scheduler.pool.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_an_event_that_arrived_although_its_confirmation_was_lost_takes_effect_once(
    make_bus: MakeBus, intake_pool: Pool, scheduler: Recorder
) -> None:
    bus = make_bus()
    lost = ["the confirmation was lost", "the confirmation was lost"]

    class Forgetful(LocalBus):
        async def publish(self, messages: Sequence[Message]) -> None:
            await bus.publish(messages)
            if lost:
                raise NotAllSafe(lost.pop(), [message.id for message in messages])

    events = [meeting_logged() for _ in range(3)]
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        await add(intake_pool, events)
        await relay_all(intake_pool, Forgetful())

        await until(lambda: scheduler.has_once(events))
    assert not lost


async def test_an_event_that_nobody_takes_is_an_error_and_its_neighbours_leave(
    make_bus: MakeBus, scheduler: Recorder
) -> None:
    event = meeting_logged()
    async with consuming(make_bus(), "scheduler", scheduler.receive):
        bus = make_bus()
        good, bad = message(event.to_json()), message(b"{}", routing_key="afterhello.nobody.v1")
        await until(lambda: published(bus, [meeting_logged().to_json()]))

        with pytest.raises(NotAllSafe, match=r"afterhello\.nobody\.v1") as caught:
            await bus.publish([bad, good])

        assert caught.value.messages == {bad.id}
        await until(lambda: has(scheduler, event.id))


def message(body: bytes, *, routing_key: str = "afterhello.meeting.logged.v1") -> Message:
    return Message(routing_key=routing_key, content_type="application/cloudevents+json", body=body, id=str(hash(body)))


async def published(bus: Bus, bodies: Sequence[bytes]) -> bool:
    try:
        await bus.publish([message(body) for body in bodies])
    except NotAllSafe:
        return False
    return True


async def has(service: Recorder, id: object) -> bool:
    return id in await service.effects()


def test_the_table_of_who_takes_what_says_what_the_services_handle() -> None:
    handled = {
        "intake": INTAKE_ROUTES,
        "scheduler": scheduler_routes(Plans.read(None)),
        "notifier": NOTIFIER_ROUTES,
    }
    assert {name: {route.event.type for route in routes} for name, routes in handled.items()} == CONSUMERS


def test_every_event_has_a_consumer() -> None:
    assert frozenset().union(*CONSUMERS.values()) == EVENTS.keys()


async def test_a_service_that_takes_more_than_the_table_says_is_refused(make_bus: MakeBus, scheduler: Recorder) -> None:
    with pytest.raises(ValueError, match=r"CONSUMERS does not say that scheduler takes afterhello\.nudge\.due\.v1"):
        await make_bus().consume("scheduler", ["afterhello.nudge.due.v1"], scheduler.receive)
