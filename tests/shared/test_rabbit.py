"""What only a broker of its own can do to us: stop, fill up, lose a queue, cut the line."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from shared import bus as the_bus
from shared import outbox, topology
from shared.bus import NotAllSafe
from shared.db import Pool
from shared.rabbit import RabbitBus
from shared.retry import TryAgain
from shared.topology import Topology, WrongTopology
from tests.factories import meeting_logged
from tests.servers import rabbitmq
from tests.servers.proxy import proxy
from tests.servers.rabbitmq import Node
from tests.servers.waiting import until
from tests.shared.bus_contract import Recorder, add, consuming, recorder, relay_all


@pytest.fixture
async def scheduler(scheduler_pool: Pool) -> Recorder:
    return await recorder(scheduler_pool, "scheduler")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A broker that this module may stop and start."""
    node = rabbitmq.private_node(tmp_path_factory.mktemp("rabbitmq"))
    yield node
    node.kill()


@asynccontextmanager
async def rabbit_bus(url: str, prefix: str) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(url, prefix=prefix)
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def test_a_broker_that_dies_under_load_and_comes_back_loses_nothing(
    node: Node, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    events = [meeting_logged() for _ in range(600)]
    async with rabbit_bus(node.url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        await until(lambda: has_some(scheduler, bus, intake_pool))
        relaying = asyncio.create_task(keep_adding(intake_pool, bus, events))
        await until(lambda: at_least(scheduler, 100))
        await asyncio.to_thread(node.kill)
        await until(lambda: is_not_ok(bus))
        await asyncio.to_thread(node.start)

        await relaying
        await until(lambda: includes_once(scheduler, events), seconds=60)
        await until(lambda: is_ok(bus))


async def test_a_broker_that_is_absent_at_the_start_is_waited_for(
    node: Node, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    node.kill()
    event = meeting_logged()
    async with rabbit_bus(node.url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        assert await bus.check() == "cannot be reached"
        await add(intake_pool, [event])
        with pytest.raises(TryAgain, match="cannot be reached"):
            await outbox.relay(intake_pool, bus)
        await asyncio.to_thread(node.start)

        await relay_all(intake_pool, bus)
        await until(lambda: scheduler.has_once([event]))


async def test_while_the_broker_is_short_of_memory_nothing_leaves_and_afterwards_all_does_once(
    node: Node, bus_prefix: str, intake_pool: Pool, scheduler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rabbit.CONFIRM_SECONDS", 0.5)
    before, after = meeting_logged(), [meeting_logged() for _ in range(3)]
    async with rabbit_bus(node.url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        await add(intake_pool, [before])
        await relay_all(intake_pool, bus)
        await asyncio.to_thread(node.control, "set_vm_memory_high_watermark", "0")
        try:
            await add(intake_pool, after)
            for _ in range(3):
                with pytest.raises(TryAgain):
                    await outbox.relay(intake_pool, bus)
            assert await bus.check() == "takes no messages for now: it is short of memory or disk"
            await until(lambda: scheduler.has_once([before]))
        finally:
            await asyncio.to_thread(node.control, "set_vm_memory_high_watermark", "0.4")

        await relay_all(intake_pool, bus)
        await until(lambda: scheduler.has_once([before, *after]))
        assert await bus.check() == "ok"


async def test_a_consumer_that_is_cut_off_before_it_acknowledged_gets_its_batch_again(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    event = meeting_logged()
    receive = scheduler.receive
    calls: list[int] = []

    class CutOff:
        async def __call__(self, bodies: Any) -> None:
            calls.append(len(bodies))
            await receive(bodies)
            if len(calls) == 1:
                line.cut()

        park = receive.park
        later = receive.later

    async with (
        proxy(rabbit_url) as line,
        rabbit_bus(rabbit_url, bus_prefix) as out,
        rabbit_bus(line.url, bus_prefix) as bus,
        consuming(bus, "scheduler", CutOff()),
    ):
        await add(intake_pool, [event])
        await relay_all(intake_pool, out)

        await until(lambda: len(calls) == 2)
        assert await scheduler.has_once([event])
        await until(lambda: is_empty(rabbit_url, Topology(bus_prefix).queue("scheduler")))


async def test_a_batch_under_way_is_let_finish_when_its_consumer_stops(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    event = meeting_logged()
    receive = scheduler.receive
    begun, may_go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        async def __call__(self, bodies: Any) -> None:
            begun.set()
            await may_go_on.wait()
            await receive(bodies)

        park = receive.park
        later = receive.later

    async with rabbit_bus(rabbit_url, bus_prefix) as bus:
        async with consuming(bus, "scheduler", Slow()) as task:
            await add(intake_pool, [event])
            await relay_all(intake_pool, bus)
            await begun.wait()
            task.cancel()
            await asyncio.sleep(0)
            may_go_on.set()

        assert await scheduler.has_once([event])
        assert await is_empty(rabbit_url, Topology(bus_prefix).queue("scheduler"))


async def test_a_confirmation_that_never_comes_is_an_unknown_and_the_event_takes_effect_once(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rabbit.CONFIRM_SECONDS", 0.3)
    event = meeting_logged()
    async with (
        proxy(rabbit_url) as line,
        rabbit_bus(rabbit_url, bus_prefix) as bus,
        rabbit_bus(line.url, bus_prefix) as out,
        consuming(bus, "scheduler", scheduler.receive),
    ):
        assert await out.check() == "ok"
        await add(intake_pool, [event])
        line.mute()
        with pytest.raises(NotAllSafe, match="does not answer in time"):
            await outbox.relay(intake_pool, out)
        await until(lambda: scheduler.has_once([event]))  # it had arrived
        line.unmute()

        await relay_all(intake_pool, out)
        assert await intake_pool.fetchval("SELECT count(*) FROM outbox") == 0
        last = meeting_logged()
        await add(intake_pool, [last])
        await relay_all(intake_pool, out)
        await until(lambda: scheduler.has_once([event, last]))


async def test_a_queue_that_was_deleted_is_declared_and_consumed_again(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rabbit_consumer.SILENCE_SECONDS", 0.2)
    events = [meeting_logged(), meeting_logged()]
    async with rabbit_bus(rabbit_url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        await add(intake_pool, events[:1])
        await relay_all(intake_pool, bus)
        await until(lambda: scheduler.has_once(events[:1]))

        names = Topology(bus_prefix)
        async with channel(rabbit_url) as admin:  # deleted and made anew before the consumer's channel has noticed
            await admin.queue_delete(names.queue("scheduler"))
            arguments = names.queues()[names.queue("scheduler")]
            await admin.declare_queue(names.queue("scheduler"), durable=True, arguments=arguments)
        await add(intake_pool, events[1:])
        await relay_all(intake_pool, bus)

        await until(lambda: scheduler.has_once(events))


async def test_an_exchange_that_was_deleted_is_declared_again(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    event = meeting_logged()
    async with rabbit_bus(rabbit_url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        assert await bus.check() == "ok"
        async with channel(rabbit_url) as admin:
            await admin.exchange_delete(bus_prefix)
        await add(intake_pool, [event])
        await relay_all(intake_pool, bus)

        await until(lambda: scheduler.has_once([event]))


async def test_a_queue_declared_otherwise_is_named_with_what_to_do(
    rabbit_url: str, bus_prefix: str, scheduler: Recorder
) -> None:
    name = Topology(bus_prefix).queue("scheduler")
    async with channel(rabbit_url) as admin:
        await admin.declare_queue(name, durable=True)

    async with rabbit_bus(rabbit_url, bus_prefix) as bus:
        with pytest.raises(WrongTopology, match=f"{name}.*delete_queue"):
            await bus.consume("scheduler", [], scheduler.receive)
        with pytest.raises(WrongTopology, match=name):
            await bus.publish([])
        assert name in await bus.check()


async def test_what_came_back_too_often_is_parked_and_takes_effect_in_the_end(
    rabbit_url: str, bus_prefix: str, intake_pool: Pool, scheduler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.RETRY_IDLE_SECONDS", 0.05)
    event = meeting_logged()
    names = Topology(bus_prefix)
    async with rabbit_bus(rabbit_url, bus_prefix) as bus:
        await add(intake_pool, [event])
        await relay_all(intake_pool, bus)
        async with channel(rabbit_url) as killed_again_and_again:
            queue = await killed_again_and_again.get_queue(names.queue("scheduler"), ensure=False)
            for _ in range(topology.DELIVERY_LIMIT + 1):
                got = await queue.get(timeout=5)
                await got.reject(requeue=True)
        await until(lambda: is_empty(rabbit_url, names.queue("scheduler")))

        async with consuming(bus, "scheduler", scheduler.receive):
            await until(lambda: scheduler.has_once([event]))
        await until(lambda: is_empty(rabbit_url, names.dead_queue("scheduler")))


async def test_a_user_who_may_declare_nothing_works_on_what_was_declared_for_it(
    node: Node, bus_prefix: str, intake_pool: Pool, scheduler: Recorder
) -> None:
    user, password = f"user-{bus_prefix}", "narrow"
    await asyncio.to_thread(node.control, "add_user", user, password)
    own = f"^{bus_prefix}[.]scheduler([.]dead)?$"  # as deploy/rabbitmq gives them
    await asyncio.to_thread(node.control, "set_permissions", user, "^$", f"^{bus_prefix}$", own)
    narrow_url = f"amqp://{user}:{password}@127.0.0.1:{node.port}/"
    event = meeting_logged()
    async with rabbit_bus(narrow_url, bus_prefix) as bus, consuming(bus, "scheduler", scheduler.receive):
        assert "run `afterhello migrate`" in await bus.check()

        await topology.declare(node.url, prefix=bus_prefix)
        await add(intake_pool, [event])
        await relay_all(intake_pool, bus)

        await until(lambda: scheduler.has_once([event]))


async def test_a_wrong_password_is_said_in_words(rabbit_url: str, bus_prefix: str) -> None:
    async with rabbit_bus(rabbit_url.replace("afterhello:", "nobody:"), bus_prefix) as bus:
        assert await bus.check() == "refuses our user or password"
    with pytest.raises(TryAgain, match="refuses our user or password"):
        await topology.declare(rabbit_url.replace("afterhello:", "nobody:"), prefix=bus_prefix)


async def test_confirmations_of_a_batch_are_awaited_together(rabbit_url: str, bus_prefix: str) -> None:
    async with rabbit_bus(rabbit_url, bus_prefix) as bus:
        assert await bus.check() == "ok"
        messages = [
            the_bus.Message(routing_key="afterhello.meeting.logged.v1", content_type="", body=b"{}", id=str(n))
            for n in range(500)
        ]
        began = time.monotonic()
        await bus.publish(messages)

        assert time.monotonic() - began < 2  # one by one it takes at least as long as 500 disk writes in a row


async def keep_adding(pool: Pool, bus: RabbitBus, events: list[Any]) -> None:
    for n in range(0, len(events), 20):
        await add(pool, events[n : n + 20])
        await relay_all(pool, bus)


async def has_some(service: Recorder, bus: RabbitBus, pool: Pool) -> bool:
    await add(pool, [meeting_logged()])
    await relay_all(pool, bus)
    return await at_least(service, 1)


async def at_least(service: Recorder, n: int) -> bool:
    return len(await service.effects()) >= n


async def includes_once(service: Recorder, events: list[Any]) -> bool:
    effects = await service.effects()
    return all(effects.get(event.id) == 1 for event in events)


async def is_ok(bus: RabbitBus) -> bool:
    return await bus.check() == "ok"


async def is_not_ok(bus: RabbitBus) -> bool:
    return await bus.check() != "ok"


async def is_empty(url: str, queue: str) -> bool:
    async with channel(url) as admin:
        declared = await admin.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count == 0
