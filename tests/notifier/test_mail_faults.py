"""What the mail channel makes of a server that answers badly, slowly, or not at all: M01 to M13 of the fault matrix."""

from collections.abc import AsyncIterator

import pytest
import trustme

from services.notifier.channels.smtp_connections import AT_ONCE, Timeouts
from tests.notifier.mail_channel import SHORT, Channel, certificate
from tests.notifier.sending import trusting
from tests.servers.smtp import CUT, HANG, Scripted, scripted_server


@pytest.fixture
async def channel(smtp: Scripted) -> AsyncIterator[Channel]:
    channel = Channel(smtp.url)
    yield channel
    await channel.email.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_m12_each_mail_has_one_recipient(channel: Channel, smtp: Scripted) -> None:
    """The refusal of one recipient cannot hide behind another's success."""
    smtp.decide = lambda stage, to: "550 5.1.1 no" if stage == "rcpt" and to.startswith("bo") else None
    ada, bo = await channel.send(), await channel.send("bo@school.example")
    assert (ada.outcome, bo.outcome, bo.suppress) == ("sent", "refused", True)
    assert [mail.recipient for mail in smtp.received] == ["ada@school.example"]
    assert sum(command.startswith("RCPT") for command in smtp.commands) == 2


async def test_m01_too_many_connections_halve_them_and_hold_everything(channel: Channel, smtp: Scripted) -> None:
    smtp.always("banner", "421 4.7.0 too many connections")
    receipt = await channel.send()
    assert (receipt.outcome, receipt.reason) == ("held", "busy") and receipt.pause is not None
    assert channel.email.slots == AT_ONCE // 2
    for _ in range(4):
        await channel.send()
    assert channel.email.slots == 1

    smtp.always("banner", None)
    for _ in range(60):
        await channel.send()
    assert channel.email.slots == AT_ONCE


@pytest.mark.parametrize("stage", ["rcpt", "dot"])
async def test_m02_a_421_is_a_refusal_wherever_it_comes(channel: Channel, smtp: Scripted, stage: str) -> None:
    smtp.answer(stage, "421 4.3.2 shutting down")
    receipt = await channel.send()
    assert (receipt.outcome, receipt.reason, receipt.pause) == ("held", "busy", None)
    assert receipt.after is not None
    assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 2


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
async def test_m03_greylisting_defers(channel: Channel, smtp: Scripted, stage: str) -> None:
    smtp.answer(stage, "451 4.7.1 greylisted, come back later")
    receipt = await channel.send()
    assert (receipt.outcome, receipt.suppress, receipt.pause) == ("deferred", False, None)
    assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 1  # a refusal is no reason to leave


@pytest.mark.parametrize("stage", ["rcpt", "dot"])
async def test_m05_a_bad_address_is_suppressed(channel: Channel, smtp: Scripted, stage: str) -> None:
    smtp.answer(stage, "550 5.1.1 no such user")
    receipt = await channel.send()
    assert (receipt.outcome, receipt.reason, receipt.suppress) == ("refused", "bad-address", True)


@pytest.mark.parametrize("stage", ["banner", "mail", "rcpt", "dot"])
async def test_m07_a_policy_refusal_is_about_us(channel: Channel, smtp: Scripted, stage: str) -> None:
    smtp.answer(stage, "550 5.7.26 unauthenticated mail")
    receipt = await channel.send()
    assert (receipt.outcome, receipt.reason, receipt.suppress) == ("held", "policy", False)
    assert receipt.pause is not None and receipt.pause.first.total_seconds() == 900


async def test_m08_a_refused_login_stops_the_channel(smtp: Scripted) -> None:
    smtp.offers.append("AUTH PLAIN LOGIN")
    smtp.always("auth", "535 5.7.8 bad credentials")
    receipt = await Channel(f"smtp://us%40x:p%3Aw@127.0.0.1:{smtp.port}?starttls=0").send()
    assert (receipt.outcome, receipt.reason, receipt.stop) == ("held", "login", True)
    assert smtp.begun == []

    smtp.always("auth", None)
    assert (await Channel(f"smtp://us:pw@127.0.0.1:{smtp.port}?starttls=0").send()).outcome == "sent"
    assert "AUTH PLAIN AHVzAHB3" in smtp.commands


async def test_m08_a_login_that_is_not_offered_or_demanded_stops_the_channel(channel: Channel, smtp: Scripted) -> None:
    receipt = await Channel(f"smtp://us:pw@127.0.0.1:{smtp.port}?starttls=0").send()
    assert receipt.stop and receipt.reason == "login"
    smtp.answer("mail", "530 5.7.0 authentication required")
    assert (await channel.send()).stop


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
async def test_m09_a_hang_before_the_mail_is_the_servers(smtp: Scripted, stage: str) -> None:
    smtp.answer(stage, HANG)
    receipt = await Channel(smtp.url, timeouts=SHORT).send()
    assert (receipt.outcome, receipt.reason) == ("held", "unreachable") and receipt.pause is not None


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", [HANG, CUT])
async def test_m09_a_hang_or_cut_before_the_dot_is_safe_to_repeat(smtp: Scripted, stage: str, fault: str) -> None:
    channel = Channel(smtp.url, timeouts=SHORT)
    smtp.answer(stage, fault)
    receipt = await channel.send()
    assert (receipt.outcome, receipt.reason) == ("deferred", "cut")
    assert smtp.received == []
    assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 2


async def test_m09_the_login_may_hang_too(smtp: Scripted) -> None:
    smtp.offers.append("AUTH PLAIN")
    smtp.answer("auth", HANG)
    receipt = await Channel(f"smtp://us:pw@127.0.0.1:{smtp.port}?starttls=0", timeouts=SHORT).send()
    assert (receipt.outcome, receipt.reason, receipt.stop) == ("held", "unreachable", False)


async def test_m09_the_reply_to_the_dot_is_waited_for_ten_minutes() -> None:
    assert Timeouts().dot == 600
    assert max(Timeouts().connect, Timeouts().command, Timeouts().data) <= 300


@pytest.mark.parametrize("fault", [HANG, CUT, "3xx what", "nonsense"])
async def test_m10_silence_after_the_dot_is_unknown(smtp: Scripted, fault: str) -> None:
    channel = Channel(smtp.url, timeouts=SHORT)
    smtp.answer("dot", fault)
    assert (await channel.send()).outcome == "unknown"
    assert len(smtp.received) == 1
    assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 2


async def test_m11_without_starttls_nothing_is_sent_in_clear_text(smtp: Scripted) -> None:
    receipt = await Channel(f"smtp://us:pw@127.0.0.1:{smtp.port}").send()
    assert (receipt.outcome, receipt.reason) == ("held", "tls") and receipt.alert and receipt.pause is not None
    assert smtp.commands == ["EHLO notifier.school.example"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_m11_a_wrong_certificate_is_refused(authority: trustme.CA, scheme: str, wrong: str) -> None:
    name = "mail.other.example" if wrong == "name" else "127.0.0.1"
    trusted = trustme.CA() if wrong == "authority" else authority
    async with scripted_server(tls=certificate(authority, name), at_once=scheme == "smtps") as smtp:
        receipt = await Channel(f"{scheme}://us:pw@127.0.0.1:{smtp.port}", tls_context=trusting(trusted)).send()
        assert (receipt.outcome, receipt.reason) == ("held", "tls") and receipt.alert
        assert smtp.begun == [] and not any(command.startswith("AUTH") for command in smtp.commands)


async def test_m11_a_refused_or_silent_starttls_is_no_reason_for_clear_text(authority: trustme.CA) -> None:
    async with scripted_server(tls=certificate(authority)) as smtp:
        channel = Channel(f"smtp://127.0.0.1:{smtp.port}", timeouts=SHORT, tls_context=trusting(authority))
        smtp.answer("starttls", "454 4.7.0 not now", HANG)
        assert (await channel.send()).reason == "tls"
        assert (await channel.send()).reason == "unreachable"
        assert smtp.begun == []


@pytest.mark.parametrize("stage", ["rcpt", "dot"])
@pytest.mark.parametrize("reply", ["550 " + "x" * 10_000_000, "x" * 10_000_000, "550-" + "no\r\n550-" * 1_000_000])
async def test_m13_a_reply_without_end_is_cut_short(smtp: Scripted, stage: str, reply: str) -> None:
    channel = Channel(smtp.url, timeouts=SHORT)
    smtp.answer(stage, reply)
    receipt = await channel.send()
    assert receipt.outcome == ("deferred" if stage == "rcpt" else "unknown")
    assert len(receipt.reply or "") <= 500
    assert (await channel.send()).outcome == "sent"
