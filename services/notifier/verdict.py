"""What becomes of a delivery after an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never
from uuid import UUID

from services.notifier.channels.receipt import UNKNOWNS_ALLOWED, Outcome, Receipt
from services.notifier.gate import Go, Skip, Verdict, Wait
from shared.events import NudgeState
from shared.retry import backoff

CRASHES_ALLOWED: Final = 2  # the third in a row quarantines: whatever kills us must not be tried for ever
OPTED_OUT: Final = "opted-out"

AttemptOutcome = Outcome | Literal["aborted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often a delivery has been tried, and how that went."""

    refusals: int = 0
    crashes: int = 0
    unknowns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be written about a delivery, by the one who holds `token` (None: while nobody does)."""

    nudge: UUID
    token: UUID | None
    state: NudgeState = "queued"
    reason: str | None = None
    next_attempt_at: datetime | None = None
    outcome: AttemptOutcome | None = None  # of the attempt that `token` stands for
    reply: str | None = None
    counts: Counts | None = None  # None: as they are
    provider_id: str | None = None  # None: as it is
    ask_at: datetime | None = None  # when to ask the provider what has become of it


def after(
    receipt: Receipt,
    nudge: UUID,
    token: UUID,
    counts: Counts,
    *,
    now: datetime,
    due_at: datetime,
    too_late_after: datetime,
    delays: Sequence[timedelta],
) -> Change:
    """Return what this receipt makes of the delivery."""

    def ended(state: NudgeState, reason: str | None, counts: Counts | None = None) -> Change:
        ask_at = now + receipt.ask_after if state == "sent" and receipt.ask_after is not None else None
        return Change(
            provider_id=receipt.provider_id,
            ask_at=ask_at,
            nudge=nudge,
            token=token,
            state=state,
            reason=reason,
            outcome=receipt.outcome,
            reply=receipt.reply,
            counts=counts,
        )

    def again(at: datetime, reason: str | None, counts: Counts) -> Change:
        return Change(
            nudge=nudge,
            token=token,
            reason=reason,
            next_attempt_at=at,
            outcome=receipt.outcome,
            reply=receipt.reply,
            counts=counts,
        )

    reason = receipt.reason or receipt.outcome
    match receipt.outcome:
        case "sent" | "found":
            return ended("sent", None)
        case "refused" if receipt.suppress and reason == OPTED_OUT:
            return ended("skipped", "suppressed")  # they said so to the carrier: nothing has failed
        case "refused":
            return ended("failed", reason)
        case "unknown":
            unknown = Counts(refusals=counts.refusals, unknowns=counts.unknowns + 1)
            at = now + backoff(unknown.unknowns, delays)
            is_over = receipt.unknown == "leave" or (
                receipt.unknown == "repeat" and unknown.unknowns > UNKNOWNS_ALLOWED
            )
            if is_over or at > too_late_after:
                return ended("failed", "unknown", unknown)
            return again(at, "unknown", unknown)
        case "deferred":
            deferred = Counts(refusals=counts.refusals + 1, unknowns=counts.unknowns)
            at = now + max(backoff(deferred.refusals, delays), receipt.after or timedelta())
            last = too_late_after if receipt.for_at_most is None else min(due_at + receipt.for_at_most, too_late_after)
            return ended("failed", reason, deferred) if at > last else again(at, reason, deferred)
        case "held" | "dropped":
            pause = receipt.pause.first if receipt.pause else timedelta()
            held = Counts(refusals=counts.refusals, unknowns=counts.unknowns)
            return again(now + max(pause, receipt.after or timedelta()), receipt.reason, held)
        case _:
            assert_never(receipt.outcome)


def after_crash(nudge: UUID, token: UUID, counts: Counts, *, phase: str, next_attempt_at: datetime) -> Change:
    """Return what an attempt that nobody ended makes of the delivery: whoever made it died, or lost the lease."""
    data = phase == "data"
    crashed = Counts(refusals=counts.refusals, crashes=counts.crashes + 1, unknowns=counts.unknowns + data)
    outcome: AttemptOutcome = "unknown" if data else "aborted"
    if crashed.unknowns > UNKNOWNS_ALLOWED or crashed.crashes > CRASHES_ALLOWED:
        reason = "unknown" if crashed.unknowns > UNKNOWNS_ALLOWED else "poison"
        return Change(nudge=nudge, token=token, state="failed", reason=reason, outcome=outcome, counts=crashed)
    return Change(
        nudge=nudge,
        token=token,
        reason="unknown" if data else None,
        next_attempt_at=next_attempt_at,
        outcome=outcome,
        counts=crashed,
    )


def after_gate(verdict: Verdict, nudge: UUID, token: UUID | None, *, now: datetime) -> Change:
    """Return what the gate's word makes of a delivery that does not go out now; a changed nudge is looked at afresh."""
    outcome: AttemptOutcome | None = None if token is None else "dropped"
    match verdict:
        case Skip(reason):
            return Change(nudge=nudge, token=token, state="skipped", reason=reason, outcome=outcome)
        case Wait(until):
            return Change(nudge=nudge, token=token, next_attempt_at=until, outcome=outcome)
        case Go():
            return Change(nudge=nudge, token=token, next_attempt_at=now, outcome=outcome)
        case _:
            assert_never(verdict)
