"""What is stored, and what of it changes when the same people meet again."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.intake import activity, sources, store, tokens
from services.intake.store import Received
from shared import db
from shared.events import new_id
from tests.factories import at
from tests.intake.serving import Intake, Sender, submission

ADA = "ada@school.example"


async def log(sender: Sender, n: int, **given: Any) -> None:
    answer = await sender.send(submission(**given), id=f"msg_{n}")
    assert answer.status == 202, await answer.text()


async def person(intake: Intake) -> dict[str, Any]:
    [row] = await intake.pool.fetch("SELECT * FROM people")
    return dict(row)


async def test_wishes_count_when_the_person_is_new(intake: Intake) -> None:
    sender = await intake.source()
    wishes = {
        "email": ADA, "locale": "es", "send_at": "16:00", "days": ["mon", "fri"], "quiet_from": "20:00",
        "quiet_to": "08:00", "holidays": "US-MA", "breaks": ["2026-12-21..2027-01-02"], "daily_limit": 3,
        "paused_until": "2030-01-01",
    }  # fmt: skip
    await log(sender, 1, owner=wishes)
    before = await person(intake)

    await log(sender, 2, owner={"email": ADA, "send_at": "07:30", "days": ["sun"], "daily_limit": 9, "locale": "de"})

    assert await person(intake) == before
    assert (str(before["send_at"]), before["days"], before["daily_limit"]) == ("16:00:00", ["mon", "fri"], 3)
    assert before["breaks"] == [{"first": "2026-12-21", "last": "2027-01-02"}]
    [first, second] = [event["data"]["owner"] for event in await intake.events()]
    assert first == second
    assert (first["holidays"], first["paused_until"], first["quiet_to"]) == ("US-MA", "2030-01-01", "08:00:00")


async def test_a_name_that_was_unknown_is_added_and_told(intake: Intake) -> None:
    sender = await intake.source()
    await log(sender, 1, owner={"email": ADA})
    await log(sender, 2, owner={"email": "ADA@school.example", "name": "Ada"})
    await log(sender, 3, owner={"email": ADA, "name": "Somebody else"})

    now = await person(intake)
    assert (now["name"], now["email"], now["revision"]) == ("Ada", ADA, 2)
    told = [(e["type"].split(".")[1], e["data"].get("person", e["data"].get("owner"))) for e in await intake.events()]
    assert [(kind, who["name"], who["revision"]) for kind, who in told] == [
        ("meeting", None, 1),
        ("person", "Ada", 2),
        ("meeting", "Ada", 2),
        ("meeting", "Ada", 2),
    ]


async def test_a_zone_gives_way_to_one_that_somebody_nearer_chose(intake: Intake) -> None:
    plain, placed = await intake.source(), await intake.source(zone="Europe/Paris")
    zones = []
    for n, (sender, zone) in enumerate(
        [(plain, None), (placed, None), (plain, None), (plain, "Asia/Tokyo"), (placed, "Europe/Madrid")]
    ):
        await log(sender, n, owner={"email": ADA, "time_zone": zone})
        now = await person(intake)
        zones.append((now["time_zone"], now["time_zone_from"], now["revision"]))
    assert zones == [
        ("UTC", "default", 1),
        ("Europe/Paris", "source", 2),
        ("Europe/Paris", "source", 2),
        ("Asia/Tokyo", "person", 3),
        ("Asia/Tokyo", "person", 3),
    ]


async def test_a_time_without_offset_is_read_in_the_persons_own_zone(intake: Intake) -> None:
    sender = await intake.source(zone="Europe/Paris")
    await log(sender, 1, owner={"email": ADA, "time_zone": "America/New_York"})
    await log(sender, 2, owner={"email": ADA}, met_at="2026-07-01T12:00")
    await log(sender, 3, owner={"email": "bo@school.example"}, met_at="2026-07-01T12:00")

    rows = await intake.pool.fetch("SELECT met_at FROM meetings ORDER BY id OFFSET 1")
    assert [row["met_at"] for row in rows] == [
        at("2026-07-01 12:00", "America/New_York"),
        at("2026-07-01 12:00", "Europe/Paris"),
    ]


async def test_what_is_not_said_of_a_contact_stays_known(intake: Intake) -> None:
    sender = await intake.source()
    known = {"name": "Erin", "email": "erin@district.example", "phone": "+15085550123", "consent": True}
    await log(sender, 1, contact=known | {"links": ["https://x.example/"]})
    await log(sender, 2, contact={"name": "Erin Brown", "email": "Erin@district.example"})
    await log(sender, 3, contact={"name": "Erin", "email": "erin@district.example", "consent": False, "links": []})

    told = [event["data"]["meeting"]["contact"] for event in await intake.events()]
    assert told[1] == told[0] | {"name": "Erin Brown", "email": "Erin@district.example"}
    assert (told[2]["consent"], told[2]["links"], told[2]["phone"]) == (False, [], "+15085550123")
    sent = await intake.pool.fetchval("SELECT sent -> 'contact' FROM meetings ORDER BY id OFFSET 1 LIMIT 1")
    assert (sent["name"], sent["phone"]) == ("Erin Brown", None)


async def test_contacts_are_told_apart_by_address_else_number_else_name_and_by_owner(intake: Intake) -> None:
    sender = await intake.source()
    contacts = [
        {"name": "Erin", "email": "erin@a.example"},
        {"name": "Erin", "email": "erin@b.example"},
        {"name": "Erin", "phone": "+15085550123"},
        {"name": "Erin"},
        {"name": " ERIN "},
        {"name": "E.", "phone": "+1 508 555 0123"},
    ]
    for n, contact in enumerate(contacts):
        await log(sender, n, contact=contact)
    assert await intake.count("connections") == 4

    await log(sender, 9, contact=contacts[0], owner={"email": "bo@school.example"})
    assert await intake.count("connections") == 5


async def test_a_new_person_in_ten_submissions_at_once_is_one_person(intake: Intake) -> None:
    sender = await intake.source()
    met = [{"name": f"Erin {n}"} for n in range(5)]

    def contacts(n: int) -> list[dict[str, str]]:
        return met if n % 2 else met[::-1]  # in opposite orders: who locks in the order given deadlocks

    await asyncio.gather(*(log(sender, n, contact=None, contacts=contacts(n)) for n in range(10)))

    assert await intake.stored() == {"submissions": 10, "people": 1, "connections": 5, "meetings": 50, "outbox": 50}
    assert len({event["data"]["owner"]["id"] for event in await intake.events()}) == 1


async def test_a_meeting_of_a_submission_that_fails_halfway_leaves_nothing(intake: Intake) -> None:
    sender = await intake.source()
    await intake.pool.execute("ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (false)")

    assert (await sender.send(submission())).status == 500

    assert await intake.stored() == {}


@pytest.mark.parametrize(
    "nonsense",
    [
        "UPDATE submissions SET state = 'lost'",
        "UPDATE submissions SET state = 'rejected'",
        "UPDATE submissions SET source = NULL",
        "INSERT INTO submissions (id, source, key, state, body, received_at) "
        "SELECT gen_random_uuid(), source, key, state, body, received_at FROM submissions",
        "UPDATE people SET email = NULL",
        "UPDATE people SET days = '{}'",
        "UPDATE people SET days = '{funday}'",
        "UPDATE people SET channel = 'pigeon'",
        "UPDATE people SET daily_limit = 0",
        "INSERT INTO people (id, email) VALUES (gen_random_uuid(), 'ADA@school.example')",
        "INSERT INTO connections SELECT gen_random_uuid(), person, contact_key, contact FROM connections",
        "UPDATE meetings SET state = 'forgotten'",
        "UPDATE meetings SET connection = gen_random_uuid()",
        "DELETE FROM submissions",
    ],
)
async def test_the_database_refuses_nonsense(intake: Intake, nonsense: str) -> None:
    sender = await intake.source()
    await log(sender, 1)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await intake.pool.execute(nonsense)


async def test_a_rejected_submission_is_one_row_however_often_it_comes(intake: Intake) -> None:
    sender = await intake.source()

    async def reject(title: str) -> UUID | None:
        received = Received(source=sender.source.id, key="k", headers={}, body=b"x", at=at("2026-10-21 12:00"))
        async with intake.pool.acquire() as conn:
            return await store.reject(conn, received, {"title": title, "errors": []})

    first = await reject("a")
    assert first is not None and await reject("b") == first
    assert await intake.pool.fetchval("SELECT reason ->> 'title' FROM submissions") == "b"


async def test_sources_are_listed_with_what_they_handed_in(intake: Intake) -> None:
    busy, quiet = await intake.source(name="Busy"), await intake.source(name="a quiet one")
    await log(busy, 1)
    await log(busy, 2)
    await busy.send({"nonsense": 1}, id="msg_3")

    async with intake.pool.acquire() as conn:
        listed = await activity.list_sources(conn)
        assert await sources.find_source(conn, "BUSY") == busy.source

    assert [(source, activity.accepted, activity.rejected) for source, activity in listed] == [
        (quiet.source, 0, 0),
        (busy.source, 2, 1),
    ]
    assert (listed[0][1].last_at, listed[1][1].last_at is None) == (None, False)


async def test_a_name_is_one_source_and_one_live_token(intake: Intake) -> None:
    await intake.source(name="MassCUE")
    with pytest.raises(asyncpg.UniqueViolationError):
        await intake.source(name="masscue")
    async with intake.pool.acquire() as conn:
        await tokens.add_token(conn, name="script", text="a" * 30)
        with pytest.raises(asyncpg.UniqueViolationError):
            await tokens.add_token(conn, name="Script", text="b" * 30)
        assert await tokens.revoke_token(conn, "SCRIPT") and not await tokens.revoke_token(conn, "script")
        assert await tokens.find_token(conn, "a" * 30) is None
        await tokens.add_token(conn, name="script", text="c" * 30, owner="Ada@School.example")
        found = await tokens.find_token(conn, "c" * 30)
        assert found is not None and found.owner == ADA
        assert [bool(row["revoked_at"]) for row in await tokens.list_tokens(conn)] == [False, True]


async def test_neither_path_nor_secret_nor_token_can_be_read_in_the_database(intake: Intake) -> None:
    sender = await intake.source(name="MassCUE")
    async with intake.pool.acquire() as conn:
        await tokens.add_token(conn, name="script", text="a secret token of the API")

    rows = [
        await intake.pool.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        for table in ("sources", "source_keys", "api_tokens")
    ]

    assert "MassCUE" in rows[0] and "script" in rows[2]
    for secret in (sender.path.removeprefix("/hooks/"), sender.secret.removeprefix("whsec_"), "a secret token"):
        assert not [row for row in rows if secret in row]


async def test_a_meeting_that_nobody_logged_is_not_found(intake: Intake) -> None:
    async with intake.pool.acquire() as conn:
        assert await store.find_meeting(conn, new_id(), owner=None) is None
        assert await store.find_owner(conn, "nobody@school.example") is None
        assert (await db.now(conn)).tzinfo is not None
