"""What comes back to a mail that really went out: its answer and its bounce, by the addresses that stand in it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake.handlers import ROUTES as INTAKE_ROUTES
from services.notifier.handlers import ROUTES as NOTIFIER_ROUTES
from shared.db import Pool
from shared.mail_tokens import MailTokens
from tests.factories import contact, due_follow_up, nudge_due, recipient
from tests.flow.planned import hand
from tests.intake.inbound_people import nudged
from tests.intake.postmen import SIGNING_KEY, mailgun_proof
from tests.intake.rows import Logged
from tests.intake.serving import Intake, serving
from tests.notifier.sending import Notifier, receive, state
from tests.servers.smtp import Mailbox, Received

ADDRESS = "reply@in.school.example"
ADA, ERIN = "ada@school.example", "erin@district.example"


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    given: dict[str, Any] = {"mailgun_signing_key": SecretStr(SIGNING_KEY), "inbound_address": ADDRESS}
    async with serving(intake_pool, keys, **given) as served:
        yield served


async def sent(
    intake: Intake, pool: Pool, mailbox: Mailbox, keys: tuple[SecretStr, ...], what: Logged | None = None
) -> tuple[Logged, Received]:
    """Let a nudge about Erin go out to Ada, and return it as the mail server got it."""
    what = what or await nudged(intake.pool, channel="email", contact_email=ERIN)
    one = due_follow_up(
        id=what.follow_up, meeting=what.meeting, connection=what.connection, contact=contact(name="Erin", email=ERIN)
    )
    due = nudge_due(nudge=what.nudge, recipient=recipient(id=what.person, address=ADA), follow_ups=(one,))
    await receive(pool, [due])
    notifier = Notifier(pool, mailbox.url, tokens=MailTokens(ADDRESS, keys))
    await notifier.work()
    await notifier.close()
    return what, mailbox.received[-1]


async def post(intake: Intake, to: str, raw: str, *, return_path: str) -> None:
    fields = {"recipient": to, "sender": return_path, "body-mime": raw} | mailgun_proof()
    async with intake.client.post("/inbound/mailgun", data=fields) as answer:
        assert answer.status == 200, await answer.text()


async def settle(intake: Intake, notifier: Pool) -> None:
    while any(
        [
            await hand(intake.pool, notifier, "notifier", NOTIFIER_ROUTES),
            await hand(notifier, intake.pool, "intake", INTAKE_ROUTES),
        ]
    ):
        pass


def bounce(mail: Received, status: str) -> str:
    """Return what a mail server sends back to the envelope's sender."""
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {mail.sender}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; {mail.recipient}\r\nAction: failed\r\n"
        f"Status: {status}\r\n\r\n--b--\r\n"
    )


@pytest.mark.parametrize(("status", "gives_up"), [("5.1.1", True), ("5.7.1", False), ("4.4.7", False)])
async def test_m14_a_mail_that_comes_back_by_its_own_envelope_is_known_everywhere(
    intake: Intake, notifier_pool: Pool, mailbox: Mailbox, keys: tuple[SecretStr, ...], status: str, gives_up: bool
) -> None:
    what, mail = await sent(intake, notifier_pool, mailbox, keys)
    assert mail.sender.startswith("bounce+")
    assert mail.sender.endswith("@in.school.example")

    for _ in range(2):
        await post(intake, mail.sender, bounce(mail, status), return_path="")
        await settle(intake, notifier_pool)

    assert await notifier_pool.fetchval("SELECT state FROM deliveries") == "bounced"
    assert await intake.pool.fetchval("SELECT state FROM nudges WHERE id = $1", what.nudge) == "bounced"
    for pool, table in ((notifier_pool, "suppressions"), (intake.pool, "suppressed")):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == gives_up
    headers = await intake.token()
    async with intake.client.get(f"/api/v1/meetings/{what.meeting}", headers=headers) as answer:
        shown = await answer.json()
    assert [one["nudge"]["state"] for one in shown["follow_ups"]] == ["bounced"]
    assert "bounced" in [line["what"] for line in shown["timeline"]]


async def test_what_is_answered_to_the_addresses_of_a_mail_counts(
    intake: Intake, notifier_pool: Pool, mailbox: Mailbox, keys: tuple[SecretStr, ...]
) -> None:
    what, mail = await sent(intake, notifier_pool, mailbox, keys)
    [reply] = [one for one in str(mail.message["Reply-To"]).split(", ") if "reply+" in one]
    quoted = "\r\n".join(f"> {line}" for line in mail.part("plain").splitlines())

    def written(n: int, sender: str, to: str, text: str) -> str:
        return (
            f"From: {sender}\r\nTo: {to}\r\nMessage-ID: <{n}@school.example>\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\r\nOn Tue, Nov 24, 2026 at 3:30 PM Afterhello "
            f"<hello@school.example> wrote:\r\n\r\n{quoted}\r\n"
        )

    await post(intake, reply, written(1, ADA, f"{ERIN}, {reply}", "Good to meet you! Done."), return_path=ADA)
    await post(intake, reply, written(2, ERIN, f"{ADA}, {reply}", "Stop by any time!"), return_path=ERIN)
    await post(intake, reply, written(3, ADA, reply, "Later 2 weeks"), return_path=ADA)
    await settle(intake, notifier_pool)

    kinds = [row["kind"] for row in await intake.pool.fetch("SELECT kind FROM touches ORDER BY at")]
    assert kinds == ["logged", "answered"]
    assert [row["act"] for row in await intake.pool.fetch("SELECT act FROM acts")] == ["later"]
    assert await notifier_pool.fetchval("SELECT act FROM acts WHERE follow_up = $1", what.follow_up) == "later"


async def test_a_stop_by_mail_holds_for_what_was_on_its_way(
    intake: Intake, notifier_pool: Pool, mailbox: Mailbox, keys: tuple[SecretStr, ...]
) -> None:
    what, mail = await sent(intake, notifier_pool, mailbox, keys)
    leave = str(mail.message["List-Unsubscribe"]).partition("mailto:")[2].partition(">")[0].partition("?")[0]
    waits = nudge_due(recipient=recipient(id=what.person, address=ADA))
    await receive(notifier_pool, [waits])

    await post(intake, leave, f"From: {ADA}\r\nTo: {leave}\r\nSubject: unsubscribe\r\n\r\n", return_path=ADA)

    # Nothing has gone over the bus yet: the stop is known all the same.
    notifier = Notifier(notifier_pool, mailbox.url)
    notifier.clock.ahead = timedelta(minutes=1)
    await notifier.work()
    await notifier.close()
    assert len(mailbox.received) == 1
    assert await state(notifier_pool, waits.data) == ("skipped", "stopped")
