"""The main job from end to end, in one process and in three: a form's webhook becomes mails, and buttons that work."""

import re
import secrets
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.first_steps import Connected
from tests.servers import postgres
from tests.servers.installation import (
    STEPS,
    Installation,
    in_one_process,
    in_three_processes,
    response,
    start,
)
from tests.servers.waiting import until


@pytest.fixture(params=["one process", "three processes"], scope="module")
async def installation(
    request: pytest.FixtureRequest,
    servers: Path,
    keys: tuple[SecretStr, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Installation]:
    """One for all tests here: each has an owner of its own."""
    folder = tmp_path_factory.mktemp("installation")
    async with postgres.fresh_database(postgres.server(servers), postgres.template(servers)) as database_url:
        if request.param == "one process":
            async with in_one_process(database_url, folder, keys) as one:
                yield one
        else:
            amqp_url, prefix = request.getfixturevalue("rabbit_url"), f"test.{secrets.token_hex(6)}"
            async with in_three_processes(database_url, amqp_url, folder, keys, BUS_PREFIX=prefix) as three:
                await start(three)
                yield three


OWNERS = count(1)


@pytest.fixture
def owner() -> str:
    return f"owner{next(OWNERS)}@school.example"


async def test_a_form_response_becomes_its_mails_and_the_same_again_becomes_none(
    installation: Installation, owner: str
) -> None:
    source = await installation.connect()
    body = response(owner)

    status, answer = await installation.submit(source, body)
    assert status == 202
    assert sorted(answer) == ["meetings", "submission"] and len(answer["meetings"]) == 1
    assert await installation.submit(source, body) == (200, answer)
    await installation.mails_arrive(STEPS, owner)
    assert await installation.submit(source, body) == (200, answer)

    await _come_to(installation, source, answer["meetings"][0], [("nudged", "sent")] * STEPS)
    await until(installation.is_settled)
    assert [(mail.to, mail.subject) for mail in installation.mails(owner)] == [
        (owner, "Say hello to Erin again"),
        (owner, "Keep your promise to Erin"),
        (owner, "Check in with Erin"),
    ]


async def test_one_changed_byte_is_refused_and_leaves_no_trace(installation: Installation, owner: str) -> None:
    source = await installation.connect()
    body = response(owner)
    changed = body.replace(b"Erin", b"Eric")
    assert len(changed) == len(body) and changed != body
    before = await _rows(installation)

    assert (await installation.submit(source, changed, signed=body))[0] == 401

    assert await _rows(installation) == before
    assert installation.mails(owner) == []


async def test_stop_ends_what_waits_and_nothing_comes_any_more(installation: Installation, owner: str) -> None:
    source, meeting = await _nudged(installation, owner)

    await _press(installation, _link(installation.mails(owner)[0].text, "stop"), "stop")

    await _come_to(installation, source, meeting, [("nudged", "sent"), ("stopped", None), ("stopped", None)])
    await until(installation.is_settled)
    assert len(installation.mails(owner)) == 1


async def test_done_is_noted_and_the_plan_goes_on(installation: Installation, owner: str) -> None:
    source, meeting = await _nudged(installation, owner)

    await _press(installation, _link(installation.mails(owner)[0].text, "done"), "done")

    await _come_to(installation, source, meeting, [("done", "sent")])
    assert (await installation.meeting(source, meeting))["state"] == "active"
    await installation.mails_arrive(STEPS, owner)


async def test_later_moves_the_follow_up_and_it_waits_again(installation: Installation, owner: str) -> None:
    source, meeting = await _nudged(installation, owner)
    before = (await installation.meeting(source, meeting))["follow_ups"][0]

    await _press(installation, _link(installation.mails(owner)[0].text, "later"), "later", **{"for": "1 week"})

    await _come_to(installation, source, meeting, [("waiting", "sent")])
    after = (await installation.meeting(source, meeting))["follow_ups"][0]
    assert after["id"] == before["id"]
    assert after["due_at"] > before["due_at"]


async def test_looking_at_a_link_changes_nothing(installation: Installation, owner: str) -> None:
    source, meeting = await _nudged(installation, owner)
    mail = installation.mails(owner)[0]

    for url in (_link(mail.text, "stop"), _link(mail.text, "done"), _leave_link(mail.raw)):
        for method in ("GET", "HEAD"):
            async with installation.client.request(method, url) as answer:
                assert answer.status == 200

    await installation.mails_arrive(STEPS, owner)
    assert (await installation.meeting(source, meeting))["state"] == "active"


async def test_one_click_unsubscribe_stops_every_mail_to_that_person(installation: Installation, owner: str) -> None:
    source, _ = await _nudged(installation, owner)

    async with installation.client.post(
        _leave_link(installation.mails(owner)[0].raw), data={"List-Unsubscribe": "One-Click"}, allow_redirects=False
    ) as answer:
        assert answer.status == 200
    status, logged = await installation.submit(source, response(owner))
    assert status == 202

    await _come_to(installation, source, logged["meetings"][0], [("skipped", None)] * STEPS)
    await until(installation.is_settled)
    assert len(installation.mails(owner)) == 1


async def _rows(installation: Installation) -> dict[str, int]:
    """How much intake has stored."""
    async with installation.database() as conn:
        tables = ("submissions", "meetings", "people", "connections", "outbox")
        return {table: await conn.fetchval(f"SELECT count(*) FROM intake.{table}") for table in tables}


async def _nudged(installation: Installation, owner: str) -> tuple[Connected, str]:
    """A source, and a meeting whose first nudge was sent and is known to intake."""
    source = await installation.connect()
    status, answer = await installation.submit(source, response(owner))
    assert status == 202
    meeting = answer["meetings"][0]
    await _come_to(installation, source, meeting, [("nudged", "sent")])
    return source, meeting


async def _come_to(
    installation: Installation, source: Connected, meeting: str, wanted: list[tuple[str, str | None]]
) -> None:
    """Wait until the meeting's first follow-ups, and their nudges, are in these states."""
    states: list[tuple[str, str | None]] = []

    async def are_there() -> bool:
        follow_ups = (await installation.meeting(source, meeting))["follow_ups"]
        states[:] = [(f["state"], f["nudge"] and f["nudge"]["state"]) for f in follow_ups]
        return states[: len(wanted)] == wanted

    try:
        await until(are_there)
    except AssertionError:
        raise AssertionError(f"{states} instead of {wanted}") from None


def _link(text: str, act: str) -> str:
    return str(re.findall(r"http://\S+/a/[\w.-]+", text)[0]) + f"?act={act}"


def _leave_link(raw: str) -> str:
    return str(re.findall(r"(?im)^list-unsubscribe: <(http[^>]+/u/[^>]+)>", raw)[0])


async def _press(installation: Installation, link: str, act: str, **fields: str) -> None:
    """Open the link and press the button of the page, as a person does."""
    async with installation.client.get(link) as page:
        assert page.status == 200
        proof = re.findall(r'name="proof" value="([^"]+)"', await page.text())[0]
    form = {"proof": proof, "act": act, **fields}
    async with installation.client.post(link.partition("?")[0], data=form) as answer:
        assert answer.status == 200, await answer.text()
