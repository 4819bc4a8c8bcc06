"""Mails that answer a nudge: whose words act, and whose do not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import timeline
from shared import stops
from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens
from tests.intake import postmen
from tests.intake.inbound_mail import ADDRESS, ERIN, GIVEN, acted, answer, mail_nudged, touches
from tests.intake.postmen import ADA, VENDORS, Mail
from tests.intake.quoting import HTML, QUOTED
from tests.intake.rows import delivery_changed, follow_up_changed
from tests.intake.serving import Intake, serving

vendors = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys, **GIVEN) as served:
        yield served


@pytest.fixture
def tokens(keys: tuple[SecretStr, ...]) -> MailTokens:
    return MailTokens(ADDRESS, keys)


@pytest.mark.parametrize(
    ("program", "word", "act"),
    [
        ("gmail", "Done", ("done", "")),
        ("outlook in Spanish", "luego 2 semanas", ("later", "2 weeks")),
        ("apple mail", "Stop", ("stop", "")),
    ],
)
async def test_words_above_a_quoted_mail_act(
    intake: Intake, tokens: MailTokens, program: str, word: str, act: tuple[str, str]
) -> None:
    what = await mail_nudged(intake.pool)

    await answer(intake, tokens, what, QUOTED[program].format(word))

    assert await acted(intake) == [act]
    assert await touches(intake) == []


async def test_words_that_were_written_to_somebody_else_as_well_are_not_for_us(
    intake: Intake, tokens: MailTokens
) -> None:
    what = await mail_nudged(intake.pool)
    others: list[dict[str, Any]] = [{"cc": "Bo <bo@school.example>"}, {"to": "bo@school.example"}]
    for where in others:
        await answer(intake, tokens, what, "stop", **where)
    assert (await acted(intake), await touches(intake)) == ([], [])


async def test_a_mail_that_is_a_page_alone_is_understood_too(intake: Intake, tokens: MailTokens) -> None:
    for n, program in enumerate(HTML, start=1):
        what = await mail_nudged(intake.pool, email=f"{n}@school.example")
        await answer(intake, tokens, what, "", html=HTML[program].format("Done"), sender=f"{n}@school.example")
        assert await acted(intake) == [("done", "")] * n


@vendors
async def test_whichever_vendor_brings_it_it_acts_once(intake: Intake, tokens: MailTokens, vendor: str) -> None:
    what = await mail_nudged(intake.pool)
    for _ in range(3):
        await answer(intake, tokens, what, "later 2 weeks", vendor=vendor, id="<1@school.example>")
    assert await acted(intake) == [("later", "2 weeks")]
    assert len(await intake.events()) == 1


@pytest.mark.parametrize(
    "text",
    ["", "Thanks!", "Is this done yet?", "I will do it later this week", "Who is Erin?", "> done", "\n\n> stop\n",
     "Dear Afterhello,\nwhat does stop mean?", "later", "x" * 5000 + "\ndone"],
)  # fmt: skip
async def test_what_is_not_plain_does_nothing(intake: Intake, tokens: MailTokens, text: str) -> None:
    what = await mail_nudged(intake.pool)
    await answer(intake, tokens, what, text)
    assert await acted(intake) == ([("later", "1 week")] if text == "later" else [])


async def test_an_older_mail_about_the_same_is_answered_as_well(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    async with intake.pool.acquire() as conn:
        newer = delivery_changed(what, nudge=new_id(), channel="email", state="sent", follow_ups=[what.follow_up])
        again = follow_up_changed(what, revision=9, state="nudged", nudge=newer.data.nudge)
        await timeline.keep_nudges(conn, [newer.data])
        await timeline.keep_follow_ups(conn, [again.data])
    await answer(intake, tokens, what, "done")
    assert await acted(intake) == [("done", "")]


async def test_a_stop_concerns_the_person_that_the_nudge_was_about(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    other = await mail_nudged(intake.pool, "Bo", person=what.person, contact_email="bo@district.example")

    await answer(intake, tokens, what, "stop")

    async with intake.pool.acquire() as conn, conn.transaction():
        found = await stops.standing(conn, person=what.person, connections=[what.connection, other.connection])
    assert [(stop.kind, stop.id) for stop in found] == [("connection", what.connection)]


@pytest.mark.parametrize(
    "text", ["STOP ALL", "unsubscribe", "Please stop sending me these mails", "Quiero darme de baja"]
)
async def test_whoever_wants_no_mail_at_all_gets_none(intake: Intake, tokens: MailTokens, text: str) -> None:
    what = await mail_nudged(intake.pool)
    await answer(intake, tokens, what, text)
    assert await acted(intake) == [("stop", "email")]
    assert [event["type"] for event in await intake.events()][-1] == "afterhello.address.suppressed.v1"
    await answer(intake, tokens, what, "start")
    assert [event["type"] for event in await intake.events()][-1] == "afterhello.address.restored.v1"


async def test_of_a_nudge_about_several_nobody_can_tell_who_was_meant_but_stop_means_all(
    intake: Intake, tokens: MailTokens
) -> None:
    what = await mail_nudged(intake.pool)
    await mail_nudged(intake.pool, "Bo", person=what.person, contact_email="bo@district.example", nudge=what.nudge)

    await answer(intake, tokens, what, "done")
    assert await acted(intake) == []
    await answer(intake, tokens, what, "stop")
    assert await acted(intake) == [("stop", ""), ("stop", "")]


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {"Auto-Submitted": "auto-replied"}},
        {"headers": {"Auto-Submitted": "auto-generated"}},
        {"headers": {"X-Autoreply": "yes"}},
        {"headers": {"Precedence": "bulk"}},
        {"headers": {"List-Id": "<staff.school.example>"}},
        {"headers": {"List-Unsubscribe": "<mailto:x@school.example>"}},
        {"headers": {"Return-Path": "<>"}, "return_path": ""},
        {"subject": "Automatic reply: Erin"},
        {"subject": "Respuesta automática: Erin"},
        {"subject": "Out of Office: Erin"},
    ],
)
async def test_an_answer_that_nobody_wrote_never_acts(
    intake: Intake, tokens: MailTokens, given: dict[str, Any]
) -> None:
    what = await mail_nudged(intake.pool)
    for vendor in VENDORS:
        for sender in (ADA, f"Erin <{ERIN}>"):
            await answer(intake, tokens, what, "done", vendor=vendor, sender=sender, **given)
    assert (await acted(intake), await touches(intake), await intake.events()) == ([], [], [])


@vendors
async def test_what_the_owner_writes_to_the_contact_is_a_touch_whatever_it_says(
    intake: Intake, tokens: MailTokens, vendor: str
) -> None:
    what = await mail_nudged(intake.pool)
    for _ in range(2):
        await answer(
            intake, tokens, what, "Done!\nStop by any time.", to=f"Erin <{ERIN}>", vendor=vendor, id="<7@x.example>"
        )
    assert await touches(intake) == ["logged"]
    assert await acted(intake) == []
    assert await intake.pool.fetchval(
        "SELECT last_touch_at IS NOT NULL FROM connections WHERE id = $1", what.connection
    )


@pytest.mark.parametrize("where", ["to", "cc"])
async def test_a_contact_who_answers_to_all_is_heard(intake: Intake, tokens: MailTokens, where: str) -> None:
    what = await mail_nudged(intake.pool)
    to = tokens.address("reply", what.nudge)
    people: dict[str, Any] = {"to": ADA, "cc": to} if where == "cc" else {"to": f"{ADA}, {to}"}
    await answer(intake, tokens, what, "stop", sender=f"Erin <{ERIN.upper()}>", **people)
    assert await touches(intake) == ["answered"]
    assert await acted(intake) == []


async def test_a_letter_of_the_contacts_that_is_forwarded_is_a_touch(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    text = (
        "stop\n\n---------- Forwarded message ---------\nFrom: Erin Gardner <erin@district.example>\n"
        "Date: Wed, Oct 21, 2026 at 2:10 PM\nSubject: Hi\nTo: Ada <ada@school.example>\n\nHello Ada"
    )
    await answer(intake, tokens, what, text, subject="Fwd: Hi")
    assert (await touches(intake), await acted(intake)) == (["logged"], [])


@pytest.mark.parametrize(
    "sender",
    ["Eve <eve@evil.example>", "Ada <ada@school.example.evil.example>", "ada@school.example <eve@evil.example>", ""],
)
async def test_a_stranger_who_knows_the_address_does_nothing(intake: Intake, tokens: MailTokens, sender: str) -> None:
    what = await mail_nudged(intake.pool)
    fields: dict[str, Any] = {"sender": sender or "nobody", "vendor": "mailgun"}
    await answer(intake, tokens, what, "stop", **fields)
    assert (await acted(intake), await touches(intake), await intake.events()) == ([], [], [])


async def test_a_token_that_is_not_ours_does_nothing(intake: Intake, tokens: MailTokens) -> None:
    what = await mail_nudged(intake.pool)
    right = tokens.address("reply", what.nudge)
    token = right.partition("+")[2].partition("@")[0]
    wrong = [right.replace(token, other) for other in (f"{token[:-9]}aaaaaaaaa", "x", "")]
    other_use = tokens.address("unsub", what.nudge).replace("unsub+", "reply+")
    for address in (*wrong, other_use):
        got = await postmen.post(
            intake, "postmark", VENDORS["postmark"](Mail(recipient=address, to=address, text="stop"))
        )
        assert got.status == 200
    assert await acted(intake) == []
