"""Years of many educators, checked one by one: they know nothing of one another, so each process takes its share."""

import gc
import multiprocessing
from collections.abc import Iterable

from services.scheduler.plan import Plans
from tests.simulation.expected import misplaced
from tests.simulation.report import Report
from tests.simulation.rules import Violation, broken
from tests.simulation.waits import waits
from tests.simulation.year import Year

SHARE = 50  # educators a task


def simulate(educators: int, *, seed: str, processes: int = 1) -> Report:
    """Return what these educators' years come to; the same for the same seed, however many processes."""
    shares = [(range(first, min(first + SHARE, educators)), seed) for first in range(0, educators, SHARE)]
    report = Report()
    if processes == 1:
        for share in shares:
            report.merge(_years(share))
        return report
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_collect_seldom) as pool:
        for part in pool.imap(_years, shares):
            report.merge(part)
    return report


def _years(share: tuple[Iterable[int], str]) -> Report:
    numbers, seed = share
    plans = Plans.read(None)
    report = Report()
    for number in numbers:
        record = Year(plans, number, seed).live()
        waited = waits(record)
        violations = [
            *broken(record),
            *(Violation("none starves", number, what) for what in waited.starved),
            *(Violation("where the plan has it", number, what) for what in misplaced(record, plans)),
        ]
        report.add(record, waited, violations)
    return report


def _collect_seldom() -> None:
    """Years hold no cycles, and the collector would look for some in every one."""
    gc.freeze()
    gc.disable()
