"""Eventbrite points to people; they are fetched with the source's token, and met when they came."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from services.intake import readers, source_command, source_takes
from services.intake.answers import Booking, Ignored, Unreadable
from services.intake.providers import PROVIDERS, eventbrite, eventbrite_api
from shared.db import Pool
from shared.retry import TryAgain
from tests.intake.command_line import Run, in_thread
from tests.intake.eventbrite_site import (
    ATTENDEE,
    ORDER,
    PAYLOADS,
    TOKEN,
    Api,
    Document,
    attendee,
    order,
    pointer,
    speaking,
)
from tests.intake.serving import Intake, Sender, serving
from tests.intake.test_payload_mutations import mutated
from tests.intake.test_payloads import differences

OWNER = "ada@school.example"
FETCHED = ("attendee.updated", "order.placed")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with speaking() as served:
        served.documents = {ATTENDEE: attendee(), ORDER: order()}
        yield served


@pytest.fixture
async def pointed(intake_pool: Pool, keys: tuple[SecretStr, ...], api: Api) -> AsyncIterator[Intake]:
    """An intake that takes the test's server for Eventbrite."""
    async with serving(intake_pool, keys, eventbrite_api=api.base) as served:
        yield served


async def eventbrite_source(intake: Intake, **given: Any) -> Sender:
    return await intake.source("eventbrite", "EdCamp", **{"secret": TOKEN, "owner": OWNER} | given)


def combined(action: str, document: Document) -> bytes:
    return json.dumps({"config": {"action": action}, "fetched": document}).encode()


async def reason(intake: Intake) -> str:
    [row] = await intake.pool.fetch("SELECT reason FROM submissions WHERE state = 'rejected'")
    [error] = row["reason"]["errors"]
    return str(error["problem"])


@pytest.mark.parametrize("name", FETCHED)
async def test_whom_it_points_to_is_met_and_thrice_is_once(pointed: Intake, api: Api, name: str) -> None:
    expected = json.loads((PAYLOADS / f"{name}.expect.json").read_text())
    source = await eventbrite_source(pointed)
    body = (PAYLOADS / f"{name}.json").read_bytes()

    answers = [await source.send(body) for _ in range(3)]

    assert [answer.status for answer in answers] == [202, 200, 200], await answers[0].text()
    rows = await pointed.pool.fetch("SELECT sent FROM meetings ORDER BY ordinal")
    assert len(rows) == len(expected["meetings"])
    for row, wanted in zip(rows, expected["meetings"], strict=True):
        assert differences(wanted | {"owner": {"email": OWNER}}, row["sent"]) == []
    keys = [row["key"] for row in await pointed.pool.fetch("SELECT key FROM submissions")]
    assert keys == [expected["key"]]


async def test_it_is_asked_for_with_the_token_and_the_event(pointed: Intake, api: Api) -> None:
    source = await eventbrite_source(pointed)

    assert (await source.send(pointer())).status == 202

    [asked] = api.asked
    assert (asked.method, asked.path, dict(asked.query)) == ("GET", ATTENDEE, {"expand": "event,event.venue"})
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    kept = await pointed.pool.fetchrow("SELECT headers, body FROM submissions")
    assert kept is not None
    assert json.loads(kept["body"]) == pointer()
    assert TOKEN not in str(dict(kept))


async def test_a_ticket_is_one_meeting_whatever_tells_of_it(pointed: Intake, api: Api) -> None:
    source = await eventbrite_source(pointed)
    for minute, action in enumerate(("attendee.updated", "attendee.checked_in", "attendee.updated")):
        api.documents[ATTENDEE] = attendee(changed=f"2026-10-21T13:1{minute}:00Z")
        assert (await source.send(pointer(action))).status == 202
    assert (await source.send(pointer("order.placed", ORDER))).status == 202

    assert sorted(row["sent"]["contact"]["name"] for row in await pointed.pool.fetch("SELECT sent FROM meetings")) == [
        "Erin Guest",
        "Sam Friend",
    ]


@pytest.mark.parametrize(
    "given", [{"checked_in": False, "status": "Attending"}, {"profile": {"name": "Info Requested"}}]
)
async def test_who_has_not_come_or_is_not_known_yet_was_not_met(
    pointed: Intake, api: Api, given: dict[str, Any]
) -> None:
    source = await eventbrite_source(pointed)
    api.documents[ATTENDEE] = attendee(**given)

    answer = await source.send(pointer())

    assert (answer.status, await answer.json()) == (200, {"meetings": []})
    assert await pointed.stored() == {}


@pytest.mark.parametrize("given", [{"cancelled": True}, {"refunded": True}, {"status": "Not Attending"}])
async def test_a_ticket_that_was_given_up_is_no_meeting(pointed: Intake, api: Api, given: dict[str, Any]) -> None:
    source = await eventbrite_source(pointed)
    api.documents[ATTENDEE] = attendee(**given)

    answer = await source.send(pointer())

    assert (answer.status, (await answer.json())["meetings"]) == (200, [])
    assert await pointed.count("meetings") == 0


async def test_a_ticket_given_up_after_the_order_ends_its_meeting_alone(pointed: Intake, api: Api) -> None:
    source = await eventbrite_source(pointed)
    assert (await source.send(pointer("order.placed", ORDER))).status == 202
    api.documents[ATTENDEE] = attendee(cancelled=True, checked_in=False, changed="2026-10-02T12:00:00Z")

    assert (await source.send(pointer())).status == 202

    rows = await pointed.pool.fetch("SELECT sent, state, state_reason FROM meetings ORDER BY ordinal")
    assert [(row["state"], row["state_reason"]) for row in rows] == [("cancelled", "cancelled"), ("active", None)]


async def test_what_else_was_asked_can_be_mapped_by_id_and_by_title(pointed: Intake, api: Api) -> None:
    source = await eventbrite_source(
        pointed, mapping={"promise": "20202022", "notes": "Anything else?"}, fixed={"event.kind": "edcamp"}
    )

    assert (await source.send(pointer())).status == 202

    sent = await pointed.pool.fetchval("SELECT sent FROM meetings")
    assert (sent["promise"], sent["event"]["kind"], sent["notes"]) == ("send the rubric", "edcamp", None)


async def test_a_national_number_is_read_where_there_is_a_region_and_never_costs_the_meeting(
    intake_pool: Pool, keys: tuple[SecretStr, ...], api: Api
) -> None:
    for region, phone in ((None, None), ("US", "+15085550123")):
        api.documents[ATTENDEE] = attendee(
            profile={"name": "Erin", "email": "erin@district.example", "cell_phone": "508-555-0123"}
        )
        async with serving(intake_pool, keys, eventbrite_api=api.base, phone_region=region) as intake:
            source = await intake.source("eventbrite", secret=TOKEN, owner=OWNER)
            answer = await source.send(pointer())
            assert answer.status == 202, await answer.text()
            [id] = (await answer.json())["meetings"]
            sent = await intake_pool.fetchval("SELECT sent FROM meetings WHERE id = $1", id)
            assert sent["contact"]["phone"] == phone


async def test_without_an_owner_it_is_refused_and_names_the_field(pointed: Intake) -> None:
    source = await eventbrite_source(pointed, owner=None)

    answer = await source.send(pointer())

    assert answer.status == 422
    assert "owner.email" in {error["field"] for error in (await answer.json())["errors"]}


@pytest.mark.parametrize("status", [301, 302, 429, 500, 503])
async def test_while_eventbrite_does_not_answer_the_sender_may_come_again(
    pointed: Intake, api: Api, status: int
) -> None:
    source = await eventbrite_source(pointed)
    api.status = status

    answer = await source.send(pointer())

    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert await reason(pointed) == f"points to what cannot be fetched: Eventbrite answers {status}"
    assert len(api.asked) == 1  # no redirect was followed
    api.status = 200
    assert (await source.send(pointer())).status == 202


async def test_a_slow_eventbrite_is_not_waited_for(pointed: Intake, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventbrite_api, "SECONDS", 0.1)
    source = await eventbrite_source(pointed)
    api.waits_for = asyncio.Event()

    answer = await source.send(pointer())
    api.waits_for.set()

    assert answer.status == 503
    assert "does not answer within" in await reason(pointed)


async def test_an_eventbrite_that_is_not_there_is_told_of(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    async with serving(intake_pool, keys, eventbrite_api="http://127.0.0.1:1") as intake:
        source = await eventbrite_source(intake)
        assert (await source.send(pointer())).status == 503
        assert "cannot be reached" in await reason(intake)


@pytest.mark.parametrize(
    ("status", "says"), [(401, "the token is refused"), (403, "shows it to nobody"), (404, "shows it to nobody")]
)
async def test_what_eventbrite_refuses_is_refused_in_words(pointed: Intake, api: Api, status: int, says: str) -> None:
    source = await eventbrite_source(pointed)
    api.status = status

    answer = await source.send(pointer())

    assert answer.status == 422
    assert says in await reason(pointed)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"{" + b'"a": "' + b"x" * eventbrite_api.LARGEST + b'"}', "256 KiB"),
        (b'{"id": 1, "id": 2}', "same name twice"),
        (b"<html>", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (json.dumps(attendee(event=None)).encode(), "fetched.event"),
        (json.dumps(attendee(id=None)).encode(), "id of an attendee"),
        (json.dumps(attendee(answers="none")).encode(), "answers"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_refused_in_words(
    pointed: Intake, api: Api, document: bytes, says: str
) -> None:
    source = await eventbrite_source(pointed)
    api.documents[ATTENDEE] = document

    answer = await source.send(pointer())

    assert answer.status == 422
    assert says in await reason(pointed)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.eventbriteapi.com/v3/orders/1/",
        "https://www.eventbriteapi.com.evil.example/v3/orders/1/",
        "https://www.eventbriteapi.com@evil.example/v3/orders/1/",
        "https://me@www.eventbriteapi.com/v3/orders/1/",
        "https://eventbriteapi.com/v3/orders/1/",
        "https://WWW.eventbriteapi.com/v3/orders/1/",
        "https://www.eventbriteapi.com:8443/v3/orders/1/",
        "https://www.eventbriteapi.com:x/v3/orders/1/",
        "https://[www.eventbriteapi.com/v3/orders/1/",
        "https://www.eventbriteapi.com/v2/orders/1/",
        "https://www.eventbriteapi.com/v3/../admin/",
        "https://www.eventbriteapi.com/v3/%2e%2e/admin/",
        "https://www.eventbriteapi.com/v3/orders/1/?expand=all",
        "https://www.eventbriteapi.com/v3/orders/1/#x",
        "https://www.eventbriteapi.com\\@evil.example/v3/orders/1/",
        "https://169.254.169.254/v3/orders/1/",
        "//www.eventbriteapi.com/v3/orders/1/",
        "",
    ],
)
async def test_the_token_goes_to_eventbrite_alone(pointed: Intake, api: Api, url: str) -> None:
    source = await eventbrite_source(pointed)

    answer = await source.send({"api_url": url, "config": {"action": "order.placed"}})

    assert answer.status == 422
    assert api.asked == []
    assert "api_url" in await reason(pointed)


async def test_the_usual_port_may_be_named(pointed: Intake) -> None:
    source = await eventbrite_source(pointed)
    assert (await source.send(pointer(url=f"https://www.eventbriteapi.com:443{ATTENDEE}"))).status == 202


@pytest.mark.parametrize("secret", [TOKEN, ""])
async def test_what_is_about_no_people_is_not_fetched(pointed: Intake, api: Api, secret: str) -> None:
    source = await eventbrite_source(pointed, secret=secret)
    for name in ("test", "event.created"):
        answer = await source.send((PAYLOADS / f"{name}.json").read_bytes())
        assert (answer.status, await answer.json()) == (200, {"meetings": []})
    assert api.asked == []
    assert await pointed.stored() == {}


@pytest.mark.parametrize("secret", [TOKEN, ""])
async def test_nobody_can_bring_along_what_is_to_be_fetched(pointed: Intake, api: Api, secret: str) -> None:
    source = await eventbrite_source(pointed, secret=secret)
    forged = pointer() | {"fetched": attendee(id="6", profile={"name": "Mallory"})}

    answer = await source.send(forged)

    assert answer.status == (202 if secret else 422)
    assert [row["sent"]["contact"]["name"] for row in await pointed.pool.fetch("SELECT sent FROM meetings")] == (
        ["Erin Guest"] if secret else []
    )


async def test_the_token_is_sealed_and_in_no_log(pointed: Intake, api: Api) -> None:
    source = await eventbrite_source(pointed)
    with structlog.testing.capture_logs() as logs:
        for api.status in (200, 401, 500):
            await source.send(pointer("attendee.checked_in"))
    assert logs
    assert TOKEN not in str(logs)
    assert TOKEN not in str([dict(row) for row in await pointed.pool.fetch("SELECT * FROM source_keys")])
    assert TOKEN not in str([dict(row) for row in await pointed.pool.fetch("SELECT * FROM submissions")])


async def test_a_replay_fetches_what_could_not_be_fetched(
    run: Run, pointed: Intake, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_takes, "taker", partial(source_command.taker, eventbrite_api=api.base))
    source = await eventbrite_source(pointed, secret="")
    assert (await source.send(pointer())).status == 422

    still = await in_thread(run, "source", "replay", "EdCamp", "--json")
    assert [one["outcome"] for one in still.json] == ["rejected"]
    await in_thread(run, "source", "rotate", "EdCamp", "--secret", TOKEN)
    api.status = 500
    still = await in_thread(run, "source", "replay", "EdCamp", "--json")
    assert ["Eventbrite answers 500" in one["reason"] for one in still.json] == [True]
    api.status = 200
    done = await in_thread(run, "source", "replay", "EdCamp", "--json")

    assert [one["outcome"] for one in done.json] == ["logged"]
    assert await pointed.count("meetings") == 1
    assert await pointed.count("submissions", "state = 'rejected'") == 0


async def test_a_rehearsal_fetches_too_and_logs_nothing(
    run: Run, pointed: Intake, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(readers, "whole", partial(readers.whole, eventbrite_api=api.base))
    await eventbrite_source(pointed)
    file = tmp_path / "pointer.json"
    file.write_text(json.dumps(pointer()))

    done = await in_thread(run, "source", "test", "EdCamp", str(file))
    assert done.status == 0, done.err
    assert "ada@school.example met Erin Guest at EdCamp Boston" in done.out
    api.status = 500
    done = await in_thread(run, "source", "test", "EdCamp", str(file))
    assert (done.status, "Eventbrite answers 500" in done.err) == (2, True)
    assert await pointed.stored() == {}


def test_a_source_is_added_with_a_token_that_can_be_one(run: Run) -> None:
    done = run("source", "add", "eventbrite", "EdCamp", "--secret", TOKEN, "--owner", OWNER)
    assert done.status == 0, done.err
    for wrong in ("", "two words", "line\nbreak", "ключ"):
        with pytest.raises(ValueError, match="private token"):
            PROVIDERS["eventbrite"].check_secret(wrong)


def test_reading_is_pure_over_what_was_fetched() -> None:
    read = PROVIDERS["eventbrite"].read({}, combined("order.placed", order()))
    assert isinstance(read, Booking)
    assert [one.key for one in read.attendees] == ["1357924680", "1357924681"]
    given_up = [one | {"refunded": True} for one in order()["attendees"]]
    ended = PROVIDERS["eventbrite"].read({}, combined("order.refunded", order(attendees=given_up)))
    assert isinstance(ended, Booking)
    assert (ended.what, ended.is_seated, len(ended.attendees)) == ("cancelled", True, 3)
    assert isinstance(PROVIDERS["eventbrite"].read({}, combined("order.placed", order(attendees=[]))), Ignored)
    with pytest.raises(Unreadable, match="API token"):
        PROVIDERS["eventbrite"].read({}, json.dumps(pointer()).encode())


@pytest.mark.parametrize("action", FETCHED)
def test_what_eventbrite_never_answers_is_told_in_words(action: str) -> None:
    document = attendee() if action == "attendee.updated" else order()
    for sent in mutated("eventbrite", combined(action, document), random.Random(7)):
        try:
            assert PROVIDERS["eventbrite"].read({}, sent)
        except (ValueError, Unreadable) as error:
            assert str(error)


async def test_a_body_that_is_no_pointer_is_malformed_before_anything_is_fetched() -> None:
    for body, error in ((b"nothing", ValueError), (b"{}", Unreadable), (b'{"config": {"action": 1}}', Unreadable)):
        with pytest.raises(error):
            await eventbrite.fetch(body, TOKEN)
    with pytest.raises(TryAgain):
        await eventbrite.fetch(json.dumps(pointer()).encode(), TOKEN, base="http://127.0.0.1:1")
