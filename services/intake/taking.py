"""A delivery of a known sender is taken: stored as what it means, or kept with the reason why it was not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import structlog

from services.intake import agenda, forgiving, guard, logbook, mapping, meeting, prompting, readers, store
from services.intake.agenda import Told
from services.intake.answers import Booking, Gathered, Submission
from services.intake.body import CONTACTS, FieldError, Invalid
from services.intake.mapping import NOTHING, LeftOut, Mapped
from services.intake.meeting import Defaults, Submitted
from services.intake.providers import eventbrite
from services.intake.sources import Source
from services.intake.store import Accepted, Received
from shared import db
from shared.db import Connection, Pool
from shared.problem import Problem
from shared.retry import TryAgain

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """Takes deliveries, whether they come just now or were kept."""

    pool: Pool
    plans: Collection[str]  # the names of those there are
    defaults: Defaults
    public_url: str
    eventbrite_api: str = eventbrite.API  # another in tests alone

    async def whole(self, source: Source, body: bytes, secret: str) -> bytes:
        """Return the body with what it may only point to; meanwhile no connection to the database is held."""
        return await readers.whole(source, body, secret, eventbrite_api=self.eventbrite_api)

    async def take(
        self, received: Received, delivery: Submission | Booking | Gathered, source: Source, traceparent: str | None
    ) -> tuple[Accepted, bool]:
        """Return what it became, and whether that is so only since now; raises the `Problem` it is kept with."""
        received = self._keepable(received).named(delivery.key)
        async with self.pool.acquire() as conn:
            if before := await store.recognise(conn, received):
                return before, False
        defaults = self.defaults.of_source(plan=source.plan, zone=source.zone, owner=source.owner, origin=source.origin)
        try:
            match delivery:
                case Submission():
                    accepted = await self._log(received, delivery, source, defaults, traceparent)
                case Booking():
                    accepted = await self._book(received, delivery, source, defaults, traceparent)
                case Gathered():
                    accepted = await self._ask(received, delivery, source, defaults, traceparent)
        except Invalid as invalid:
            refused = bare(received) if guard.is_refusal(invalid.errors) else received
            return await self.reject(refused, unfit(invalid.errors))
        return (accepted, True) if accepted else await self._before(received)

    async def reject(self, received: Received, problem: Problem) -> tuple[Accepted, bool]:
        """Keep it with its reason and raise the problem; unless the same was accepted in this very moment."""
        reason = {"status": problem.status, "title": problem.title, "errors": list(problem.errors)}
        async with self.pool.acquire() as conn:
            if await store.reject(conn, self._keepable(received), reason):
                raise problem
        return await self._before(received)

    def _keepable(self, received: Received) -> Received:
        """What of it may be kept: nothing, if what the guard looks for stands anywhere in it."""
        return received if self.defaults.guard.may_keep(received.body) else bare(received)

    async def _before(self, received: Received) -> tuple[Accepted, bool]:
        async with self.pool.acquire() as conn:
            before = await store.recognise(conn, received)
        assert before is not None, "it is there, or we would have stored it"
        return before, False

    async def _log(
        self,
        received: Received,
        delivery: Submission,
        source: Source,
        defaults: Defaults,
        traceparent: str | None,
        left_out: LeftOut = NOTHING,
    ) -> Accepted | None:
        mapped = _mapped(delivery, source, left_out)

        async def work(conn: Connection) -> logbook.Logged | None:
            asking = defaults.asking(mapped.questions)
            return await logbook.log(conn, received, submitted, defaults=asking, traceparent=traceparent)

        try:
            submitted = meeting.read(mapped.document, plans=self.plans, defaults=defaults)
            logged = await db.in_transaction(self.pool, work)
        except Invalid as invalid:
            if wrong := forgiving.wrong_guesses(mapped, invalid.errors):
                return await self._log(received, delivery, source, defaults, traceparent, {**left_out, **wrong})
            raise Invalid(explained(invalid.errors, mapped, delivery)) from None
        if logged is None:
            return None
        if left_out:
            log.info("submission.guesses_left_out", submission=str(logged.submission), fields=sorted(left_out))
        return Accepted(submission=logged.submission, meetings=tuple(one.id for one in logged.meetings))

    async def _book(
        self, received: Received, delivery: Booking, source: Source, defaults: Defaults, traceparent: str | None
    ) -> Accepted | None:
        submitted = attending(delivery, source, defaults, self.plans)
        told = Told(booking=delivery, submitted=submitted, defaults=defaults, now=received.at, traceparent=traceparent)
        return await db.in_transaction(self.pool, lambda conn: agenda.apply(conn, received, told))

    async def _ask(
        self, received: Received, delivery: Gathered, source: Source, defaults: Defaults, traceparent: str | None
    ) -> Accepted | None:
        mapped = _mapped(Submission(key=delivery.key, answers=delivery.answers), source)
        try:
            submitted = meeting.read(mapped.document, plans=self.plans, defaults=defaults, about="gathering")
        except Invalid as invalid:
            raise Invalid(prompting.hostless(invalid.errors)) from None
        return await db.in_transaction(
            self.pool,
            lambda conn: prompting.ask(
                conn,
                received,
                delivery,
                submitted,
                defaults=defaults,
                public_url=self.public_url,
                traceparent=traceparent,
            ),
        )


def attending(booking: Booking, source: Source, defaults: Defaults, plans: Collection[str]) -> dict[str, Submitted]:
    """Return what a booking says of each attendee, by their keys; raises `Invalid` naming every field that is wrong.

    Only an event that says that a booking stands has to say everything: the others speak of what is known.
    """
    found: dict[str, Submitted] = {}
    contacts: set[str] = set()
    errors: list[FieldError] = []
    said = [one for one in booking.attendees if one.answers and booking.what in {"booked", "over"}]
    if len(said) > CONTACTS:
        raise Invalid([FieldError(field="contacts", problem=f"must be at most {CONTACTS}")])
    for attendee in said:
        try:
            said_of = Submission(key=booking.key, answers=attendee.answers)
            one = _attending(said_of, source, defaults, plans)
        except Invalid as invalid:
            errors += [error for error in invalid.errors if error not in errors]
            continue
        if one.contacts[0].key not in contacts:  # mapped to the same contact twice, it is one
            contacts.add(one.contacts[0].key)
            found[attendee.key] = one
    if errors:
        raise Invalid(errors)
    return found


def _attending(
    submission: Submission, source: Source, defaults: Defaults, plans: Collection[str], left_out: LeftOut = NOTHING
) -> Submitted:
    mapped = _mapped(submission, source, left_out)
    try:
        return meeting.read(mapped.document, plans=plans, defaults=defaults, about="booking")
    except Invalid as invalid:
        if not (wrong := forgiving.wrong_guesses(mapped, invalid.errors)):
            raise Invalid(mapping.explained(invalid.errors, mapped)) from None
    return _attending(submission, source, defaults, plans, {**left_out, **wrong})


def explained(errors: Sequence[FieldError], mapped: Mapped, submission: Submission) -> Sequence[FieldError]:
    """Return the errors; those of a form name the questions that were looked for."""
    return errors if submission.document is not None else mapping.explained(errors, mapped)


def bare(received: Received) -> Received:
    """Return it without what was sent: that is not to be kept."""
    return replace(received, headers={}, body=b"")


def unfit(errors: Sequence[FieldError]) -> Problem:
    """A submission that can be read, and is no meeting."""
    return Problem(422, "Some fields are missing or wrong", errors=[{**error} for error in errors])


def unfetched(error: TryAgain) -> Problem:
    """What it points to cannot be had for now: the sender may come again, and so may `source replay`."""
    said = FieldError(field="body", problem=f"points to what cannot be fetched: {error.reason}")
    return Problem(503, "Not available for the moment", errors=[{**said}], headers={"Retry-After": "60"})


def _mapped(submission: Submission, source: Source, left_out: LeftOut = NOTHING) -> Mapped:
    known = bool(source.owner) or forgiving.names_owner(submission)
    return mapping.apply(
        submission, mapping=source.mapping, fixed=source.fixed, owner_is_known=known, left_out=left_out
    )
