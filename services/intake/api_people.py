"""`/api/v1/people/{email or phone}`: a person's wishes, shown and changed; all that is kept of them, and its end."""

import structlog
from aiohttp import web

from services.intake import erasing, exporting, fields, requests, store_people, wishes, wishing
from services.intake.body import Invalid
from services.intake.erasing import Ambiguous, Erased
from services.intake.meeting import Defaults
from services.intake.requests import MERGE_PATCH, json_response
from services.intake.taking import unfit
from shared import db
from shared.db import Connection, Pool
from shared.events import Person
from shared.problem import Problem
from shared.web import read_body, read_json

log = structlog.get_logger()


def routes(pool: Pool, defaults: Defaults) -> list[web.RouteDef]:
    """Return the routes of people."""
    people = People(pool, defaults)
    return [
        web.get("/api/v1/people/{reached}", people.show),
        web.patch("/api/v1/people/{reached}", people.change),
        web.delete("/api/v1/people/{reached}", people.erase),
        web.get("/api/v1/people/{reached}/export", people.export),
    ]


class People:
    """Answers about people."""

    def __init__(self, pool: Pool, defaults: Defaults) -> None:
        self._pool = pool
        self._defaults = defaults

    async def show(self, request: web.Request) -> web.Response:
        """Answer with a person's wishes."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
            person = await store_people.find(conn, self._reached(request), owner=token.owner)
        return json_response(wishes.shown(_there(person)))

    async def change(self, request: web.Request) -> web.Response:
        """Change what the body names, and answer with all of them; null means as if it had never been said."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
        reached, traceparent = self._reached(request), requests.traceparent(request)
        document = read_json(await read_body(request, types=MERGE_PATCH))

        async def work(conn: Connection) -> Person | None:
            return await wishing.wish(
                conn,
                reached,
                document,
                owner=token.owner,
                default_zone=self._defaults.time_zone,
                served=self._defaults.served,
                guard=self._defaults.guard,
                traceparent=traceparent,
            )

        try:
            person = _there(await db.in_transaction(self._pool, work))
        except Invalid as invalid:
            raise unfit(invalid.errors) from None
        log.info("person.changed", person=str(person.id), fields=sorted(document))
        return json_response(wishes.shown(person))

    async def export(self, request: web.Request) -> web.Response:
        """Answer with everything that intake keeps about a person; with all rights, also as a contact of others.

        What the scheduler and the notifier keep beside that, `afterhello person export` has.
        """
        reached = self._reached(request)
        async with self._pool.acquire(timeout=2) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            token = await requests.token(conn, request)
            person = await store_people.find(conn, reached, owner=token.owner)
            met = [] if token.owner else await exporting.as_contact(conn, reached)
            if person is None and not met:
                raise _nobody()
            found = await exporting.everything(conn, person) if person else {}
        log.info("person.exported", person=str(person.id) if person else None)
        return json_response(found | {"as_contact": met})

    async def erase(self, request: web.Request) -> web.Response:
        """Erase a person and answer 202: here it is done, elsewhere as soon as the event has arrived."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
        reached, traceparent, prints = self._reached(request), requests.traceparent(request), self._defaults.erased
        assert prints is not None

        async def work(conn: Connection) -> Erased | None:
            return await erasing.erase(conn, reached, owner=token.owner, fingerprints=prints, traceparent=traceparent)

        try:
            erased = await db.in_transaction(self._pool, work)
        except Ambiguous:
            raise Problem(409, "Several people share this number; name an e-mail address") from None
        if erased is None:
            raise _nobody()
        log.info("person.erased", person=str(erased.person) if erased.person else None, meetings=erased.meetings)
        return json_response(erasing.shown(erased), status=202)

    def _reached(self, request: web.Request) -> str:
        text = request.match_info["reached"]
        try:
            return fields.email(text) if "@" in text else fields.phone(text, self._defaults.phone_region)
        except ValueError:
            raise _nobody() from None


def _there(person: Person | None) -> Person:
    if person is None:
        raise _nobody()
    return person


def _nobody() -> Problem:
    return Problem(404, "There is no such person")
