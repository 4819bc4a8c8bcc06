"""Nothing is kept of whom, or by the address of whom, somebody asked not to be kept."""

from datetime import timedelta
from uuid import UUID

from shared import dead_letter
from shared.db import Pool
from shared.events import (
    AddressSuppressed,
    ErasedData,
    ForgottenData,
    MeetingsForgotten,
    PersonErased,
    SuppressedData,
    new_id,
)
from tests.factories import LOGGED_AT, acted, contact, meeting_logged, person, restored
from tests.scheduler.drive import fire, make_due, nudges, receive

CANARY = "canary-7f1c"


def suppressed(address: str) -> AddressSuppressed:
    data = SuppressedData(address=address, channel="email", reason="bounced", at=LOGGED_AT)
    return AddressSuppressed(time=LOGGED_AT, subject="x", data=data)


async def everything(pool: Pool) -> str:
    """All that the schema holds, as text."""
    tables = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'scheduler'::regnamespace"
    )
    rows = []
    for (table,) in tables:
        what = "encode(document, 'escape')" if table in {"outbox", "dead_letter"} else "t::text"
        rows.append(await pool.fetchval(f"SELECT coalesce(string_agg({what}, ' '), '') FROM {table} t"))
    return " ".join(rows).lower()


async def test_of_an_erased_person_nothing_is_left_but_that_they_were_erased(scheduler_pool: Pool) -> None:
    ada = person(email=f"{CANARY}@school.example", name=CANARY, phone="+15085550199")
    logged = meeting_logged(owner=ada, notes=CANARY, contact=contact(name=CANARY))
    await receive(scheduler_pool, logged, acted("later", person=ada.id, follow_up=new_id(), span="1 week"))
    await make_due(scheduler_pool, LOGGED_AT + timedelta(days=1))
    await fire(scheduler_pool, too_late_after=timedelta(days=36500))
    assert len(await nudges(scheduler_pool)) == 1
    await receive(scheduler_pool, suppressed(str(ada.email)), restored("+15085550199", channel="sms"))
    async with scheduler_pool.acquire() as conn:
        await dead_letter.keep(conn, UUID(int=1), str(ada.id).encode(), type=None, reason="x", state="dead")

    erased = ErasedData(person=ada.id, at=LOGGED_AT, addresses=(str(ada.email), "+15085550199"))
    for _ in range(2):
        await receive(scheduler_pool, PersonErased(time=LOGGED_AT, subject=str(ada.id), data=erased))

    left = await everything(scheduler_pool)
    assert CANARY not in left and "5085550199" not in left
    await receive(scheduler_pool, logged.model_copy(update={"id": new_id()}))
    assert CANARY not in await everything(scheduler_pool)


async def test_by_a_forgotten_contacts_address_nothing_is_kept(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, suppressed("erin@district.example"), suppressed("bo@school.example"))

    data = ForgottenData(person=new_id(), meetings=(), addresses=("Erin@district.example",), at=LOGGED_AT)
    await receive(scheduler_pool, MeetingsForgotten(time=LOGGED_AT, subject="x", data=data))

    rows = await scheduler_pool.fetch("SELECT address FROM suppressions")
    assert [row["address"] for row in rows] == ["bo@school.example"]
