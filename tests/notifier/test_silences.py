"""What servers that fall silent, hang up or cannot be trusted do to deliveries: M02 and M09 to M13 of the matrix."""

from datetime import timedelta

import pytest
import trustme
from structlog.testing import capture_logs

from services.notifier import store_channels
from services.notifier.channels.smtp_connections import Timeouts
from shared.db import Pool
from tests.factories import nudge_due, recipient
from tests.notifier.mail_channel import SHORT, certificate
from tests.notifier.sending import MINUTE, Notifier, attempts, receive, state, told_states, trusting
from tests.servers.smtp import CUT, HANG, Scripted, scripted_server

HOUR = timedelta(hours=1)
SUPPRESSED = "afterhello.address.suppressed.v1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def alerts(notifier: Notifier) -> list[str]:
    """Return why deliveries of one round asked for somebody's attention."""
    with capture_logs() as logs:
        await notifier.work()
    return [line["reason"] for line in logs if line["event"] == "delivery.attempted" and line["log_level"] == "error"]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_m02_a_421_within_a_mail_is_a_refusal_for_some_minutes(
    notifier_pool: Pool, smtp: Scripted, stage: str
) -> None:
    due, other = nudge_due(), nudge_due(recipient=recipient(address="bo@other.example"))
    await receive(notifier_pool, [due])
    notifier = Notifier(notifier_pool, smtp.url)
    smtp.answer(stage, "421 4.3.2 shutting down")
    await notifier.work()
    assert await state(notifier_pool, due.data) == ("queued", "busy")
    await receive(notifier_pool, [other])
    await notifier.work()
    assert await state(notifier_pool, other.data) == ("sent", None)  # nobody else waits for it

    notifier.clock.ahead = 0.9 * MINUTE
    assert await notifier.work() == 0
    notifier.clock.ahead = 5 * MINUTE
    await notifier.work()
    assert await attempts(notifier_pool, due.data) == ["held", "sent"]
    assert await notifier_pool.fetchval("SELECT sum(refusals) + sum(unknowns) FROM deliveries") == 0


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_m02_a_4xx_after_any_stage_is_a_refusal_and_never_unknown(
    notifier_pool: Pool, smtp: Scripted, stage: str
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    notifier = Notifier(notifier_pool, smtp.url)
    smtp.answer(stage, "451 4.4.2 try later")
    await notifier.work()
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    assert await attempts(notifier_pool, due.data) == ["deferred", "sent"]


@pytest.mark.parametrize("fault", [HANG, CUT])
@pytest.mark.parametrize(
    ("stage", "first"),
    [
        ("banner", "held"),
        ("ehlo", "held"),
        ("starttls", "held"),
        ("auth", "held"),
        ("mail", "deferred"),
        ("rcpt", "deferred"),
        ("data", "deferred"),
    ],
)
async def test_m09_a_hang_at_any_stage_before_the_dot_is_repeated_and_arrives_once(
    notifier_pool: Pool, authority: trustme.CA, stage: str, first: str, fault: str
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    async with scripted_server(tls=certificate(authority)) as smtp:
        smtp.offers.append("AUTH PLAIN")
        url = f"smtp://us:pw@127.0.0.1:{smtp.port}"
        notifier = Notifier(notifier_pool, url, timeouts=SHORT, tls_context=trusting(authority))
        smtp.answer(stage, fault)
        await notifier.work()
        assert await attempts(notifier_pool, due.data) == [first]
        notifier.clock.ahead = 5 * MINUTE
        await notifier.work()
        await notifier.close()
        assert await attempts(notifier_pool, due.data) == [first, "sent"]
        assert len(smtp.received) == 1


async def test_m09_a_hang_at_the_dot_is_waited_for_and_then_unknown(notifier_pool: Pool, smtp: Scripted) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    notifier = Notifier(notifier_pool, smtp.url, timeouts=Timeouts(connect=0.2, command=0.2, data=0.2, dot=0.6))
    smtp.answer("dot", HANG)
    with capture_logs() as logs:
        await notifier.work()
    [line] = [line for line in logs if line["event"] == "delivery.attempted"]
    assert line["ms"] >= 600 and line["outcome"] == "unknown"
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    assert await attempts(notifier_pool, due.data) == ["unknown", "sent"]
    assert len({mail.message["Message-ID"] for mail in smtp.received}) == 1


async def test_m10_a_cut_after_the_dot_is_repeated_once_then_given_up(notifier_pool: Pool, smtp: Scripted) -> None:
    """Nobody can tell whether it arrived."""
    due = nudge_due()
    await receive(notifier_pool, [due])
    smtp.always("dot", CUT)
    notifier = Notifier(notifier_pool, smtp.url)
    for _ in range(4):
        await notifier.work()
        notifier.clock.ahead += HOUR
    assert len(smtp.received) == 2
    assert len({mail.message["Message-ID"] for mail in smtp.received}) == 1
    assert await state(notifier_pool, due.data) == ("failed", "unknown")
    assert (await told_states(notifier_pool, due.data))[-1][1:] == ("failed", "unknown")


async def test_m11_without_a_trusted_starttls_nothing_is_said_and_all_waits(
    notifier_pool: Pool, authority: trustme.CA
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    async with scripted_server(tls=certificate(authority)) as smtp:
        url = f"smtp://us:pw@127.0.0.1:{smtp.port}"
        doubting = Notifier(notifier_pool, url, tls_context=trusting(trustme.CA()))
        trusts = Notifier(notifier_pool, url, tls_context=trusting(authority), clock=doubting.clock)
        smtp.offers.append("AUTH PLAIN")
        smtp.answer("ehlo", "250 scripted.example")  # offers nothing
        for notifier in (trusts, doubting):
            assert await alerts(notifier) == ["tls"]
            async with notifier_pool.acquire() as conn:
                now = await notifier.clock(conn)
                [trouble] = await store_channels.troubles(conn, now=now)
            assert (trouble.state, trouble.reason) == ("paused", "tls")
            notifier.clock.ahead += 3 * MINUTE
        assert not any(word in command for command in smtp.commands for word in ("MAIL", "AUTH"))
        assert await state(notifier_pool, due.data) == ("queued", "tls")

        await trusts.work()
        await trusts.close()
        assert await state(notifier_pool, due.data) == ("sent", None)


async def test_m12_a_refused_recipient_ends_their_own_nudge_alone(notifier_pool: Pool, smtp: Scripted) -> None:
    ada, bo = (nudge_due(recipient=recipient(address=f"{name}@school.example")) for name in ("ada", "bo"))
    await receive(notifier_pool, [ada, bo])
    smtp.decide = lambda stage, to: "550 5.1.1 no" if stage == "rcpt" and to.startswith("bo") else None
    await Notifier(notifier_pool, smtp.url).work()
    assert await state(notifier_pool, ada.data) == ("sent", None)
    assert await state(notifier_pool, bo.data) == ("failed", "bad-address")
    assert [mail.recipient for mail in smtp.received] == ["ada@school.example"]
    for word in ("MAIL", "RCPT"):
        assert sum(command.startswith(word) for command in smtp.commands) == 2


@pytest.mark.parametrize("reply", ["550-" + "x" * 10_000_000, "550 5.1.1 " + "y" * 10_000_000])
async def test_m13_a_reply_of_ten_megabytes_is_cut_short_and_decides_nothing(
    notifier_pool: Pool, smtp: Scripted, reply: str
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    notifier = Notifier(notifier_pool, smtp.url, timeouts=SHORT)
    smtp.answer("rcpt", reply)
    await notifier.work()
    assert await notifier_pool.fetchval("SELECT max(length(reply)) FROM attempts") <= 500
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    assert await attempts(notifier_pool, due.data) == ["deferred", "sent"]
    assert await notifier_pool.fetchval("SELECT count(*) FROM outbox WHERE type = $1", SUPPRESSED) == 0
