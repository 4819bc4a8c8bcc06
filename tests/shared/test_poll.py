import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shared.poll import first_of, poll
from tests.servers.waiting import until


class Loop:
    """A loop under test: its step answers from a list, then with 0."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.steps = 0
        self.stop, self.wake = asyncio.Event(), asyncio.Event()

    async def step(self) -> int:
        self.steps += 1
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    @asynccontextmanager
    async def running(self, idle: float = 3600.0) -> AsyncIterator[None]:
        task = asyncio.create_task(poll("test", self.step, stop=self.stop, wake=self.wake, idle=idle))
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.wait_for(task, 5)


async def test_after_work_it_goes_on_at_once_and_after_none_it_sleeps() -> None:
    loop = Loop(5, 5, 5)
    async with loop.running():
        await until(lambda: loop.steps == 4)
    assert loop.steps == 4


async def test_it_is_woken() -> None:
    loop = Loop()
    async with loop.running():
        await until(lambda: loop.steps == 1)
        loop.wake.set()
        await until(lambda: loop.steps == 2)


async def test_what_arrives_while_it_looks_wakes_it_again() -> None:
    loop = Loop()
    step = loop.step

    async def busy() -> int:
        if loop.steps == 0:
            loop.wake.set()
        return await step()

    loop.step = busy  # type: ignore[method-assign]
    async with loop.running():
        await until(lambda: loop.steps == 2)


async def test_it_looks_again_by_itself() -> None:
    loop = Loop()
    async with loop.running(idle=0.01):
        await until(lambda: loop.steps >= 3)


async def test_how_long_it_sleeps_can_be_asked_each_time() -> None:
    loop = Loop()
    asked = [0.01, 0.01]

    async def idle() -> float:
        return asked.pop(0) if asked else 3600

    task = asyncio.create_task(poll("test", loop.step, stop=loop.stop, wake=loop.wake, idle=idle))
    await until(lambda: loop.steps == 3)
    loop.stop.set()
    await asyncio.wait_for(task, 5)


async def test_an_error_is_waited_out_and_the_pauses_grow_until_it_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[int] = []

    def backoff(failures: int, delays: object) -> timedelta:
        pauses.append(failures)
        return timedelta(seconds=0.001)

    monkeypatch.setattr("shared.poll.backoff", backoff)
    loop = Loop(ValueError("a"), OSError("b"), 1, ValueError("c"))
    async with loop.running():
        await until(lambda: loop.steps == 5)
    assert pauses == [1, 2, 1]


async def test_being_woken_does_not_cut_the_pause_after_an_error_short() -> None:
    loop = Loop(ValueError("down"))
    async with loop.running():
        await until(lambda: loop.steps == 1)
        loop.wake.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert loop.steps == 1


async def test_a_step_under_way_is_let_finish() -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    stop = asyncio.Event()

    async def step() -> int:
        begun.set()
        await may_end.wait()
        ended.set()
        return 1

    task = asyncio.create_task(poll("test", step, stop=stop, wake=asyncio.Event(), idle=3600))
    await begun.wait()
    stop.set()
    may_end.set()
    await asyncio.wait_for(task, 5)
    assert ended.is_set()


async def test_first_of_returns_for_any_of_its_events_or_in_time() -> None:
    never, now = asyncio.Event(), asyncio.Event()
    now.set()
    await asyncio.wait_for(first_of(never, now), 5)
    await asyncio.wait_for(first_of(never, seconds=0.01), 5)
