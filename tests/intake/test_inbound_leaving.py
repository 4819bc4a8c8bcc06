"""Mails that unsubscribe, and letters to the log about somebody known."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import letter, sources
from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens
from tests.intake import postmen
from tests.intake.inbound_mail import ADDRESS, ERIN, GIVEN, acted, answer, mail_nudged, touches
from tests.intake.postmen import ADA, VENDORS, Mail
from tests.intake.serving import Intake, serving

vendors = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys, **GIVEN) as served:
        yield served


@pytest.fixture
def tokens(keys: tuple[SecretStr, ...]) -> MailTokens:
    return MailTokens(ADDRESS, keys)


@vendors
@pytest.mark.parametrize("sender", [ADA, "Eve <eve@elsewhere.example>"])
async def test_a_mail_to_the_address_that_unsubscribes_does_so_whoever_sends_it(
    intake: Intake, tokens: MailTokens, vendor: str, sender: str
) -> None:
    what = await mail_nudged(intake.pool)
    given: dict[str, Any] = {"sender": sender, "headers": {"Auto-Submitted": "auto-generated"}}
    for _ in range(2):
        await answer(intake, tokens, what, "", use="unsub", vendor=vendor, subject="unsubscribe", **given)
    assert await acted(intake) == [("stop", "email")]
    [suppressed] = [event for event in await intake.events() if event["type"].endswith("suppressed.v1")]
    assert suppressed["data"]["address"] == "ada@school.example"


async def test_a_mail_that_a_server_sends_back_to_it_does_not(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    await answer(
        intake, tokens, what, "", use="unsub", sender="MAILER-DAEMON@school.example", vendor="mailgun", return_path=""
    )
    assert await acted(intake) == []


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("text", ["stop", "Please unsubscribe me.\n\n> On Wed, Afterhello wrote:\n> Hello Erin"])
async def test_a_contact_who_was_written_to_leaves_by_an_answer(
    intake: Intake, tokens: MailTokens, text: str, together: bool
) -> None:
    what = await mail_nudged(intake.pool)
    contact = new_id()
    await intake.pool.execute("UPDATE nudges SET person = $2 WHERE id = $1", what.nudge, contact)
    ours = tokens.address("reply", what.nudge)
    to = f"{ADA}, {ours}" if together else ours
    await answer(intake, tokens, what, text, sender=f"Erin <{ERIN}>", to=to)
    [suppressed] = [event["data"] for event in await intake.events() if event["type"].endswith("suppressed.v1")]
    assert (suppressed["address"], suppressed["person"]) == (ERIN, str(contact))
    assert await touches(intake) == []  # it is no word to the one they met


async def test_a_contact_who_was_written_to_is_in_touch_by_any_other_answer(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    await intake.pool.execute("UPDATE nudges SET person = $2 WHERE id = $1", what.nudge, new_id())
    await answer(intake, tokens, what, "done", sender=f"Erin <{ERIN}>")
    assert (await touches(intake), await acted(intake)) == (["answered"], [])


async def test_a_wish_to_leave_of_which_we_have_not_heard_yet_is_asked_for_again(
    intake: Intake, tokens: MailTokens
) -> None:
    to = tokens.address("unsub", new_id())
    for vendor in VENDORS:
        got = await postmen.post(intake, vendor, VENDORS[vendor](Mail(recipient=to, to=to)))
        assert (got.status, got.headers["Retry-After"]) == (503, "60")


async def test_a_letter_to_the_log_is_a_touch_of_whom_one_had_met_before(intake: Intake) -> None:
    token = letter.new_token()
    async with intake.pool.acquire() as conn:
        fields: dict[str, Any] = {"mapping": {}, "fixed": {}, "owner": "ada@school.example"}
        await sources.add_source(conn, intake.box, provider="mail", name="L", path=token, secret="", **fields)
    for n in (1, 2, 2):
        mail = Mail(recipient=f"log+{token}@in.school.example", id=f"<{n}@x.example>")
        assert (await postmen.post(intake, "postmark", VENDORS["postmark"](mail))).status == 200
    assert await touches(intake) == ["logged"]
