"""Mails that answer a nudge: whose words act, in the styles of the programs that people have, and whose do not."""

import re
import time
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import letter, reply_text, reply_words, sources
from shared import stops
from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens, Use
from tests.intake import postmen
from tests.intake.inbound_people import nudged
from tests.intake.postmen import INBOUND_KEY, SIGNING_KEY, VENDORS, Mail
from tests.intake.rows import Logged
from tests.intake.serving import Intake, serving

ADDRESS = "reply@in.school.example"
GIVEN: dict[str, Any] = {
    "inbound_key": SecretStr(INBOUND_KEY), "mailgun_signing_key": SecretStr(SIGNING_KEY), "inbound_address": ADDRESS,
}  # fmt: skip
ERIN = "erin@district.example"
ADA = "Ada Lovelace <ada@school.example>"
vendors = pytest.mark.parametrize("vendor", VENDORS)

QUOTED = {
    "gmail": "{}\n\nOn Tue, Nov 24, 2026 at 3:30\u202fPM Afterhello <hello@school.example>\nwrote:\n\n> Say hello.\n"
    "> Stop these reminders: https://hello.school.example/u/x\n",
    "gmail in Spanish": "{}\n\nEl mar, 24 nov 2026 a las 15:30, Afterhello (<hello@school.example>)\nescribió:\n\n"
    "> Saluda a Erin.\n> stop sending me these mails\n",
    "outlook on the web": "{}\n\n________________________________\nFrom: Afterhello <hello@school.example>\n"
    "Sent: Tuesday, November 24, 2026 3:30 PM\nTo: Ada Lovelace <ada@school.example>\nSubject: Erin\n\n"
    "Say hello. Please stop these reminders: x\n",
    "outlook": "{}\n\nAda Lovelace\nScience, Room 12\n\nFrom: Afterhello <hello@school.example>\n"
    "Sent: Tuesday, November 24, 2026 3:30 PM\nTo: Ada Lovelace <ada@school.example>\nSubject: Erin\n\nSay hello.\n",
    "outlook in Spanish": "{}\n\n________________________________\nDe: Afterhello <hello@school.example>\n"
    "Enviado: martes, 24 de noviembre de 2026 15:30\nPara: Ada <ada@school.example>\nAsunto: Erin\n\nSaluda a Erin.\n",
    "apple mail": "{}\n\n> On Nov 24, 2026, at 3:30 PM, Afterhello <hello@school.example> wrote:\n>\n> Say hello.\n"
    "> Later: x\n",
    "apple mail on a phone": "{}\n\nSent from my iPhone\n\n> On Nov 24, 2026, at 3:30 PM, Afterhello "
    "<hello@school.example> wrote:\n> \n> Say hello\n",
    "thunderbird": "{}\n\n-- \nAda Lovelace\n\nOn 11/24/26 15:30, Afterhello wrote:\n> Say hello to Erin.\n",
    "nothing": "{}\n",
    "with thanks": "{}\n\nThanks so much,\nAda\n",
}
HELLO = "Afterhello &lt;hello@school.example&gt;"
HTML = {
    "gmail": '<div dir="ltr">{}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
    f"On Tue, Nov 24, 2026 at 3:30\u202fPM {HELLO} wrote:<br></div>"
    "<blockquote>Say hello. Stop these reminders.</blockquote></div>",
    "outlook": '<html><head><style>p {{ margin:0 }}</style></head><body><div>{}</div><div id="appendonsend"></div><hr>'
    f'<div id="divRplyFwdMsg"><b>From:</b> {HELLO}<br><b>Sent:</b> Tuesday, November 24, 2026 3:30 PM<br><b>To:</b> '
    "Ada &lt;ada@school.example&gt;<br><b>Subject:</b> Erin</div><div>Please stop.</div></body></html>",
    "apple mail": '<html><body>{}<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>'
    f"On Nov 24, 2026, at 3:30\u202fPM, {HELLO} wrote:</div><br><div>Say hello</div></blockquote></div></body></html>",
}


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys, **GIVEN) as served:
        yield served


@pytest.fixture
def tokens(keys: tuple[SecretStr, ...]) -> MailTokens:
    return MailTokens(ADDRESS, keys)


async def mail_nudged(pool: Pool, contact: str = "Erin", **given: Any) -> Logged:
    return await nudged(pool, contact, **{"channel": "email", "contact_email": ERIN} | given)


async def answer(
    intake: Intake,
    tokens: MailTokens,
    what: Logged,
    text: str,
    *,
    use: Use = "reply",
    vendor: str = "postmark",
    **given: Any,
) -> dict[str, Any]:
    """Let somebody send this to the nudge's address: Ada, to nobody else, unless something else is given."""
    to = tokens.address(use, what.nudge)
    fields: dict[str, Any] = {"to": to, "subject": "Re: Erin", "id": f"<{new_id()}@school.example>"}
    mail = Mail(recipient=to, text=text, **fields | given)
    got = await postmen.post(intake, vendor, VENDORS[vendor](mail))
    assert got.status == 200, await got.text()
    found: dict[str, Any] = await got.json()
    return found


async def acted(intake: Intake) -> list[tuple[str, str]]:
    rows = await intake.pool.fetch("SELECT act, span, channel, connection FROM acts ORDER BY at, id")
    return [(row["act"], row["span"] or row["channel"] or "") for row in rows]


async def touches(intake: Intake) -> list[str]:
    rows = await intake.pool.fetch("SELECT kind FROM touches WHERE kind <> 'done' ORDER BY at, id")
    told = [event["data"]["how"] for event in await intake.events() if event["type"].endswith("connection.touched.v1")]
    kinds = [row["kind"] for row in rows]
    assert [{"logged": "logged", "replied": "answered"}[how] for how in told] == kinds
    return kinds


@pytest.mark.parametrize("program", QUOTED)
@pytest.mark.parametrize(
    ("word", "act"),
    [("Done", ("done", "")), ("later 2 weeks", ("later", "2 weeks")), ("Stop", ("stop", "")), ("Hecho!", ("done", "")),
     ("luego 2 semanas", ("later", "2 weeks"))],
)  # fmt: skip
async def test_words_above_a_quoted_mail_act(
    intake: Intake, tokens: MailTokens, program: str, word: str, act: tuple[str, str]
) -> None:
    what = await mail_nudged(intake.pool)

    await answer(intake, tokens, what, QUOTED[program].format(word))

    assert await acted(intake) == [act]
    assert await touches(intake) == []


@pytest.mark.parametrize("program", HTML)
@pytest.mark.parametrize("word", ["Done", "later 2 weeks"])
async def test_a_mail_that_is_a_page_alone_is_understood_too(
    intake: Intake, tokens: MailTokens, program: str, word: str
) -> None:
    what = await mail_nudged(intake.pool)
    await answer(intake, tokens, what, "", html=HTML[program].format(word))
    assert [act for act, _ in await acted(intake)] == ["done" if word == "Done" else "later"]


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


@vendors
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
    intake: Intake, tokens: MailTokens, vendor: str, given: dict[str, Any]
) -> None:
    what = await mail_nudged(intake.pool)
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


def test_what_is_quoted_is_cut_off_whatever_wrote_it() -> None:
    for quoted in QUOTED.values():
        assert re.match(r"word( |\n|$)", reply_text.written(quoted.format("word")))
        assert "hello" not in reply_text.written(quoted.format("word")).lower()


@pytest.mark.parametrize("part", [">", "_", " \n", "On ", "-- \n", "From: ", "On a\n", "El ", "\xa0", "Sent from my "])
def test_nothing_that_a_stranger_writes_keeps_us_busy(part: str) -> None:
    before = time.monotonic()
    list(reply_text.candidates(part * 40_000))
    reply_words.read(part * 40_000, today=date(2026, 11, 24))
    assert time.monotonic() - before < 3
