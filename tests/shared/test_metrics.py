"""The names that dashboards and alerts rely on, and gauges that follow the database."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from shared import metrics

NAMES = {
    "afterhello_submissions": {"provider", "outcome"},
    "afterhello_follow_up_lateness_seconds": set(),
    "afterhello_deliveries": {"channel", "outcome"},
    "afterhello_delivery_seconds": set(),
    "afterhello_outbox_rows": {"service"},
    "afterhello_outbox_oldest_seconds": {"service"},
    "afterhello_dead_letters": {"service"},
    "afterhello_due_rows": {"service"},
    "afterhello_channel_paused": {"channel"},
}


def test_the_names_are_those_that_were_published() -> None:
    assert {metric.name for metric in REGISTRY.collect() if metric.name.startswith("afterhello_")} == NAMES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_takes_exactly_its_labels(name: str) -> None:
    [metric] = [value for value in vars(metrics).values() if getattr(value, "_name", None) == name]
    if labels := NAMES[name]:
        metric.labels(**dict.fromkeys(labels, "test"))
    with pytest.raises(ValueError):
        metric.labels(**dict.fromkeys({*labels, "more"}, "test"))


async def test_gauges_are_refreshed_until_the_stop_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0.001)
    stop, calls = asyncio.Event(), 0

    async def refresh() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            stop.set()
        raise ConnectionRefusedError

    async with asyncio.timeout(5):
        await metrics.keep_fresh(refresh)(stop)
    assert calls == 3
