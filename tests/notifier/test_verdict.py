"""What becomes of a delivery after an attempt."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.notifier.channels.receipt import Outcome, Receipt
from services.notifier.channels.smtp_replies import POLICY
from services.notifier.verdict import Change, Counts, after, after_crash
from tests.factories import at

NOW = at("2026-11-11 15:30")
NUDGE, TOKEN = UUID(int=1), uuid4()
MINUTE = timedelta(minutes=1)
DELAYS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)


def judged(receipt: Receipt, counts: Counts | None = None, *, late: timedelta = timedelta(days=1)) -> Change:
    counts = counts or Counts()
    return after(receipt, NUDGE, TOKEN, counts, now=NOW, due_at=NOW, too_late_after=NOW + late, delays=DELAYS)


def wait(change: Change) -> timedelta:
    assert change.next_attempt_at is not None
    return change.next_attempt_at - NOW


@pytest.mark.parametrize(("refusals", "minutes"), [(0, 1), (1, 5), (2, 15), (3, 30), (4, 60), (40, 60)])
def test_a_deferral_waits_longer_each_time(refusals: int, minutes: int) -> None:
    change = judged(Receipt(outcome="deferred", reason="deferred"), Counts(refusals=refusals))
    assert change.state == "queued" and change.counts == Counts(refusals=refusals + 1)
    assert minutes * MINUTE <= wait(change) <= minutes * MINUTE * 1.1


def test_the_other_side_may_ask_for_a_longer_wait() -> None:
    assert wait(judged(Receipt(outcome="deferred", reason="deferred", after=40 * MINUTE))) == 40 * MINUTE


@pytest.mark.parametrize("outcome", ["deferred", "unknown"])
def test_what_could_only_be_tried_too_late_fails_now(outcome: Outcome) -> None:
    change = judged(Receipt(outcome=outcome, reason=outcome), Counts(refusals=4), late=MINUTE / 2)
    assert (change.state, change.reason) == ("failed", outcome)


def test_some_refusals_are_waited_out_for_a_while_alone() -> None:
    full = Receipt(outcome="deferred", reason="mailbox-full", for_at_most=50 * MINUTE)
    assert judged(full, Counts(refusals=3), late=timedelta(days=7)).state == "queued"
    change = judged(full, Counts(refusals=4), late=timedelta(days=7))
    assert (change.state, change.reason) == ("failed", "mailbox-full")


def test_what_is_held_counts_against_nobody() -> None:
    change = judged(Receipt(outcome="held", reason="policy", pause=POLICY), Counts(refusals=2, crashes=1))
    assert change.state == "queued" and change.counts == Counts(refusals=2)
    assert wait(change) == POLICY.first


def test_an_unknown_end_is_repeated_once() -> None:
    once = judged(Receipt(outcome="unknown", reason="unknown"))
    assert once.state == "queued" and once.counts == Counts(unknowns=1)
    twice = judged(Receipt(outcome="unknown", reason="unknown"), once.counts)
    assert (twice.state, twice.reason) == ("failed", "unknown")


def test_the_third_crash_in_a_row_quarantines() -> None:
    counts = Counts()
    for crashes in (1, 2):
        change = after_crash(NUDGE, TOKEN, counts, phase="lease", next_attempt_at=NOW)
        assert change.state == "queued" and change.outcome == "aborted" and change.counts == Counts(crashes=crashes)
        counts = change.counts
    assert after_crash(NUDGE, TOKEN, counts, phase="lease", next_attempt_at=NOW).reason == "poison"


def test_a_crash_after_the_send_began_is_unknown() -> None:
    change = after_crash(NUDGE, TOKEN, Counts(), phase="data", next_attempt_at=NOW)
    assert change.outcome == "unknown" and change.counts == Counts(crashes=1, unknowns=1)
    assert after_crash(NUDGE, TOKEN, change.counts, phase="data", next_attempt_at=NOW).reason == "unknown"
