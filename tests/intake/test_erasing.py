"""Somebody is erased: nothing is kept of them in intake, and nothing goes to them when an old form brings them back."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.intake.handlers import ROUTES
from shared import dead_letter, stops
from shared.events import (
    AddressSuppressed,
    MeetingChanged,
    MeetingsForgotten,
    PersonErased,
    read,
)
from shared.links import Leaving, Links
from shared.receive import receiver
from tests.intake.rows import Logged, delivery_changed, follow_up_changed
from tests.intake.serving import Intake, submission
from tests.servers.dump import where

ADA, ERIN = "Ada.Canary@school.example", "erin-canary@district.example"
WORDS = ("canary",)


def meeting(**given: Any) -> dict[str, Any]:
    """A submission with a canary wherever somebody may write."""
    owner = {"email": ADA, "name": "Ada Canary", "phone": "+15085550198", "time_zone": "America/New_York"}
    contact = {"name": "Erin Canary", "email": ERIN, "links": ["https://canary.example/erin"], "consent": True}
    event = {"name": "Canary 2026", "kind": "conference", "hashtag": "canary", "place": "Canary"}
    words = {"notes": "canary", "topics": ["canary"], "promise": "canary", "document": "https://canary.example/"}
    return {**submission(owner=owner, contact=contact, event=event, **words), **given}


async def send(intake: Intake, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    token = await intake.token()
    async with intake.client.request(method, f"/api/v1{path}", json=body, headers=token | headers) as answer:
        return answer.status, await answer.json(content_type=None) if answer.content_type.endswith("json") else None


async def left(intake: Intake, *words: str) -> dict[str, list[str]]:
    async with intake.pool.acquire() as conn:
        return await where(conn, *(words or WORDS))


async def told(intake: Intake, kind: type) -> list[Any]:
    rows = await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")
    return [event.data for event in (read(row["document"]) for row in rows) if isinstance(event, kind)]  # type: ignore[attr-defined]


async def person_of(intake: Intake) -> UUID:
    id: UUID = await intake.pool.fetchval("SELECT id FROM people")
    return id


async def test_nothing_is_left_of_who_is_erased(intake: Intake) -> None:
    source = await intake.source("standard", mapping={}, fixed={})
    status, logged = await send(intake, "POST", "/meetings", meeting(), **{"Idempotency-Key": f"of {ADA}"})
    assert status == 201
    assert (await source.send(meeting(contact={"name": "Zoe Canary"}))).status == 202
    assert (await source.send(meeting(contact=None), id="msg_2")).status == 422  # kept as rejected
    hers = await intake.source("standard", name="Hers", owner=ADA)
    # Of these the address says nothing: only the meeting that they became does.
    assert (await hers.send(meeting(owner={"name": "Ada Canary"}, contact={"name": "Kim Canary"}))).status == 202
    assert (await hers.send(meeting(owner={}, contact={"email": "x"}), id="msg_2")).status == 422
    async with intake.client.post(
        "/api/v1/meetings", json={"notes": "canary"}, headers=await intake.token(owner=ADA)
    ) as a:
        assert a.status == 422
    lee = meeting(contact={"name": "Lee Canary"})
    assert (await send(intake, "POST", "/meetings", lee, **{"Idempotency-Key": "the second"}))[0] == 201
    await intake.token(owner=ADA)
    what = logged["meetings"][0]
    await send(intake, "POST", f"/connections/{what['connection']}/touches", {"note": "canary"})
    await send(intake, "POST", f"/follow-ups/{what['follow_ups'][0]['id']}/acts", {"act": "later", "for": "1 week"})
    one = Logged(
        person=await person_of(intake), connection=what["connection"], meeting=what["id"],
        follow_up=what["follow_ups"][0]["id"], nudge=UUID(int=5),
    )  # fmt: skip
    late = [follow_up_changed(one, state="nudged", nudge=one.nudge), delivery_changed(one)]
    receive = receiver(intake.pool, ROUTES, service="intake")
    await receive([event.to_json() for event in late])
    async with intake.pool.acquire() as conn:
        await dead_letter.keep(conn, UUID(int=1), ADA.encode(), type=None, reason=ADA, state="dead")
        await conn.execute(
            "INSERT INTO suppressed (address, channel, reason, at) VALUES (lower($1), 'email', 'bounced', now())", ADA
        )
    assert len(await left(intake)) == 1

    status, answer = await send(intake, "DELETE", f"/people/{ADA.upper()}")

    assert status == 202
    assert (answer["person"], answer["meetings"], answer["disabled_sources"]) == (str(one.person), 4, ["Hers"])
    assert "scheduler and the notifier" in answer["complete"]
    # On its way to the others are the addresses alone, by which they find what they keep.
    [erased] = await told(intake, PersonErased)
    assert (erased.person, set(erased.addresses)) == (one.person, {ADA.lower(), "+15085550198"})
    await intake.pool.execute("DELETE FROM outbox")
    assert await left(intake, "canary", "5550198") == {}
    await receive([event.model_copy(update={"id": UUID(int=9 + n)}).to_json() for n, event in enumerate(late)])
    assert [await intake.count(table) for table in ("people", "follow_ups", "nudges", "happenings")] == [0] * 4
    assert await intake.pool.fetchval("SELECT count(*) FROM stops.stops WHERE id = $1", one.person) == 1
    assert (await send(intake, "GET", f"/people/{ADA}"))[0] == 404
    assert (await send(intake, "DELETE", f"/people/{ADA}"))[0] == 404


async def test_the_form_that_sent_it_sends_it_again_and_nothing_is_logged(intake: Intake) -> None:
    source = await intake.source()
    body = meeting()
    first = await (await source.send(body)).json()
    await send(intake, "DELETE", f"/people/{ADA}")

    again = await source.send(body)

    assert (again.status, (await again.json())["submission"]) == (200, first["submission"])
    assert await intake.count("people") == 0


async def test_who_is_brought_back_by_a_form_is_not_written_to(intake: Intake) -> None:
    source = await intake.source()
    await source.send(meeting())
    await send(intake, "DELETE", f"/people/{ADA}")
    assert await intake.count("erased_addresses") == 2
    await intake.pool.execute("DELETE FROM outbox")

    assert (await source.send(meeting(), id="msg_2")).status == 202

    person = await person_of(intake)
    suppressed = await told(intake, AddressSuppressed)
    assert {(one.address, one.channel, one.reason, one.person) for one in suppressed} == {
        (ADA, "email", "erased", person), ("+15085550198", "sms", "erased", person),
    }  # fmt: skip
    async with intake.pool.acquire() as conn, conn.transaction():
        standing = await stops.standing(conn, person=person, connections=[])
    assert {stop.channel for stop in standing} == {"email", "sms"}
    assert await intake.count("erased_addresses") == 0  # from now on it is a suppression like any other
    await intake.pool.execute("DELETE FROM outbox")
    await source.send(meeting(notes="again"), id="msg_3")
    assert await told(intake, AddressSuppressed) == []


async def test_a_contact_is_forgotten_by_everybody_who_met_them(intake: Intake) -> None:
    bo = {"email": "bo@school.example", "name": "Bo"}
    for owner in ({"email": "ada@school.example"}, bo):
        await send(intake, "POST", "/meetings", meeting(owner=owner))
    await send(intake, "POST", "/meetings", submission(owner=bo, contact={"name": "Zoe"}, notes="stays"))
    await intake.pool.execute("DELETE FROM outbox")

    status, answer = await send(intake, "DELETE", f"/people/{ERIN}")

    assert (status, answer["person"], answer["connections"]) == (202, None, 2)
    changed = await told(intake, MeetingChanged)
    assert [(one.meeting.state, one.meeting.contact.name, one.meeting.notes) for one in changed] == [
        ("stopped", "forgotten", None)
    ] * 2
    gone = await told(intake, MeetingsForgotten)
    assert {one.addresses for one in gone} == {(ERIN,)}
    assert all(len(one.meetings) == 1 and one.follow_ups for one in gone)
    await intake.pool.execute("DELETE FROM outbox")
    assert await left(intake) == {}
    assert await intake.pool.fetchval("SELECT contact ->> 'name' FROM connections") == "Zoe"
    assert len(await left(intake, "stays")) == 1

    await send(intake, "POST", "/meetings", meeting(owner=bo))
    assert [(one.address, one.reason) for one in await told(intake, AddressSuppressed)] == [(ERIN, "erased")]


@pytest.mark.parametrize("whom", [ADA.lower(), ERIN])
async def test_the_address_is_taken_out_of_what_others_wrote(intake: Intake, whom: str) -> None:
    await send(intake, "POST", "/meetings", meeting())
    note = f"met {whom.upper()}, not x{whom}"
    said = submission(owner={"email": "bo@school.example"}, contact={"name": "Zoe"}, notes=note, topics=[whom, "fine"])
    _, logged = await send(intake, "POST", "/meetings", said)
    connection = logged["meetings"][0]["connection"]
    await send(intake, "POST", f"/connections/{connection}/touches", {"note": f"with {whom}."})
    await intake.pool.execute("DELETE FROM outbox")

    assert (await send(intake, "DELETE", f"/people/{whom}"))[0] == 202

    [changed] = [one for one in await told(intake, MeetingChanged) if one.meeting.contact.name == "Zoe"]
    assert (changed.meeting.notes, changed.meeting.topics) == (f"met [erased], not x{whom}", ("[erased]", "fine"))
    assert await intake.pool.fetchval("SELECT note FROM touches") == "with [erased]."
    _, shown = await send(intake, "GET", f"/meetings/{logged['meetings'][0]['id']}")
    assert (shown["notes"], shown["topics"]) == (changed.meeting.notes, ["[erased]", "fine"])


async def test_a_token_of_one_owner_erases_that_owner_alone(intake: Intake) -> None:
    await send(intake, "POST", "/meetings", meeting())
    hers, others = await intake.token(owner=ADA), await intake.token(owner="bo@school.example")
    for path, token in ((ADA, others), (ERIN, hers)):
        async with intake.client.delete(f"/api/v1/people/{path}", headers=token) as answer:
            assert answer.status == 404
    assert await intake.count("meetings") == 1
    async with intake.client.delete(f"/api/v1/people/{ADA}", headers=hers) as answer:
        assert answer.status == 202
    async with intake.client.get(f"/api/v1/people/{ADA}", headers=hers) as answer:
        assert answer.status == 401


async def test_of_two_who_share_a_number_none_is_erased_by_it(intake: Intake) -> None:
    for name in ("ada", "bo"):
        owner = {"email": f"{name}@school.example", "phone": "+15085550198"}
        await send(intake, "POST", "/meetings", meeting(owner=owner))
    assert (await send(intake, "DELETE", "/people/+15085550198"))[0] == 409

    await send(intake, "DELETE", "/people/ada@school.example")

    [erased] = await told(intake, PersonErased)
    assert erased.addresses == ("ada@school.example",)
    assert await intake.pool.fetchval("SELECT phone FROM people") == "+15085550198"


async def test_the_old_link_of_who_was_erased_keeps_nothing_and_its_button_brings_them_back(
    intake: Intake, keys: tuple[SecretStr, ...]
) -> None:
    await send(intake, "POST", "/meetings", meeting())
    leaving = Leaving(person=await person_of(intake), channel="email", address=ADA)
    path = Links("", keys).leave(leaving)
    await send(intake, "DELETE", f"/people/{ADA}")
    await intake.pool.execute("DELETE FROM outbox")

    async with intake.client.post(path, data={"List-Unsubscribe": "One-Click"}) as answer:
        page = await answer.text()
        assert answer.status == 200 and "is stopped" in page
    assert await left(intake) == {}
    proof = unescape(re.findall(r'name="proof" value="([^"]+)"', page)[0])
    async with intake.client.post(f"{path}/again", data={"proof": proof}) as answer:
        assert answer.status == 200

    await send(intake, "POST", "/meetings", meeting())
    assert [one.channel for one in await told(intake, AddressSuppressed)] == ["sms"]


async def test_what_is_kept_of_somebody_can_be_looked_at(intake: Intake) -> None:
    source = await intake.source("standard", name="Sign-up", note="May we remind you?")
    await source.send(meeting())
    await send(intake, "POST", "/meetings", meeting(owner={"email": "bo@school.example"}, notes="of Erin, by Bo"))

    status, found = await send(intake, "GET", f"/people/{ADA}/export")

    assert status == 200
    assert found["person"]["email"] == ADA and found["person"]["confirmed"] is True
    mail, text = found["consents"]
    assert (mail["channel"], mail["address"], mail["source"]) == ("email", ADA, "Sign-up")
    assert mail["wording"] == "May we remind you?" and mail["confirmed_at"] == mail["at"]
    assert (text["channel"], text["address"]) == ("sms", "+15085550198")
    [connection] = found["connections"]
    assert connection["contact"]["email"] == ERIN
    assert [one["address"] for one in connection["consents"]] == [ERIN]
    [one] = connection["meetings"]
    assert one["notes"] == "canary" and one["timeline"][0]["what"] == "logged"
    [sent] = found["submissions"]
    assert sent["source"] == "Sign-up" and sent["body"]["promise"] == "canary"
    assert "bo@school.example" not in str(found)

    status, found = await send(intake, "GET", f"/people/{ERIN}/export")
    assert status == 200 and "person" not in found
    assert sorted(one["notes"] for one in found["as_contact"]) == ["canary", "of Erin, by Bo"]
    assert "bo@school.example" not in str(found) and ADA not in str(found)
    async with intake.client.get(f"/api/v1/people/{ADA}/export", headers=await intake.token(owner="bo@x.example")) as a:
        assert a.status == 404
    assert (await send(intake, "GET", "/people/nobody@school.example/export"))[0] == 404
