"""What a webhook did not bring, or could not: rows of a file, letters, and submissions that were rejected before.

They go the very way of a webhook's, in one transaction each: kept, logged, told of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.intake import activity, readers, taking
from services.intake.answers import Handshake, Ignored, Unreadable
from services.intake.body import FieldError
from services.intake.sources import Source
from services.intake.store import Received
from services.intake.taking import Taker
from shared.problem import Problem
from shared.retry import TryAgain
from shared.web import bad_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one; `known`: it had become that before."""

    what: Literal["logged", "known", "rejected", "ignored"]
    submission: UUID | None = None
    meetings: Sequence[UUID] = ()
    errors: Sequence[FieldError] = ()
    reason: str | None = None

    def why(self) -> str:
        """Return why nothing came of it, in words."""
        errors = (error["problem"] if error["field"] == "body" else _said(error) for error in self.errors)
        return "; ".join(errors) or self.reason or ""


def _said(error: FieldError) -> str:
    return f"{error['field']} {error['problem']}"


async def take(
    taker: Taker, source: Source, received: Received, *, secret: str = "", traceparent: str | None = None
) -> Outcome:
    """Return what becomes of a submission as its source is set up now; what it only points to is fetched."""
    try:
        try:
            delivery = readers.read(source, received.headers, await taker.whole(source, received.body, secret))
        except ValueError as error:
            accepted, is_new = await taker.reject(received, bad_body(str(error)))
        except Unreadable as error:
            accepted, is_new = await taker.reject(received, bad_body(str(error), status=422))
        except TryAgain as error:
            accepted, is_new = await taker.reject(received, taking.unfetched(error))
        else:
            if isinstance(delivery, Ignored | Handshake):
                return Outcome(what="ignored", reason=getattr(delivery, "reason", "a challenge"))
            accepted, is_new = await taker.take(received, delivery, source, traceparent)
    except Problem as problem:
        errors: list[FieldError] = [{**error} for error in problem.errors]
        return Outcome(what="rejected", errors=errors, reason=problem.title)
    return Outcome(what="logged" if is_new else "known", submission=accepted.submission, meetings=accepted.meetings)


async def retake(taker: Taker, source: Source, submission: UUID, *, secret: str = "") -> Outcome | None:
    """Return what becomes of a rejected submission now; None when it is not rejected any more.

    It counts as received when it was, so who said nothing of the time has met them then.
    """
    async with taker.pool.acquire() as conn:
        received = await activity.find_rejected(conn, submission)
    if received is None:
        return None
    outcome = await take(taker, source, received, secret=secret)
    if outcome.submission is not None and outcome.submission != submission:
        async with taker.pool.acquire() as conn:
            await activity.drop_rejected(conn, submission)
    return outcome
