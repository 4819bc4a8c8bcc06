"""Email on the wire: every stage of SMTP answered badly, slowly, or not at all (M01 to M13 of the fault matrix)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import trustme

from services.notifier.channels.email import Email
from services.notifier.channels.mail_bytes import sender
from services.notifier.channels.receipt import Receipt
from services.notifier.channels.smtp_connections import (
    AT_ONCE,
    MAILS_A_CONNECTION,
    Connections,
    Server,
    Timeouts,
    server,
)
from shared.settings import SettingsError
from tests.factories import nudge_due, recipient
from tests.notifier.sending import LINKS, trusting
from tests.servers.smtp import CUT, HANG, Mailbox, Scripted, scripted_server
from tests.servers.waiting import until

SHORT = Timeouts(connect=0.3, command=0.3, data=0.3, dot=0.3)
LONG = Timeouts(connect=5, command=5, data=5, dot=5)


class Channel:
    """An email channel, and what it asked."""

    def __init__(self, url: str, *, timeouts: Timeouts = LONG, tls_context: ssl.SSLContext | None = None) -> None:
        self.asked = 0
        self.may = True
        self.connections = Connections(
            server(url), hello="notifier.school.example", timeouts=timeouts, tls_context=tls_context
        )
        self.email = Email(self.connections, mail_from=sender("Afterhello <hello@school.example>"), links=LINKS)

    async def begin(self) -> bool:
        self.asked += 1
        return self.may

    async def send(self, address: str = "ada@school.example") -> Receipt:
        data = nudge_due(recipient=recipient(address=address)).data
        return await self.email.send(data, f"<{data.nudge}@school.example>", now=datetime.now(UTC), begin=self.begin)


@pytest.fixture
async def channel(smtp: Scripted) -> AsyncIterator[Channel]:
    channel = Channel(smtp.url)
    yield channel
    await channel.email.close()


async def test_a_real_server_takes_the_mail(mailbox: Mailbox) -> None:
    channel = Channel(mailbox.url)
    receipt = await channel.send()
    await channel.email.close()

    assert (receipt.outcome, receipt.reply) == ("sent", "250 2.0.0 taken")
    [mail] = mailbox.received
    assert (mail.sender, mail.recipient) == ("hello@school.example", "ada@school.example")
    assert "Done: https://hello.school.example/a/" in mail.part("plain")


async def test_a_connection_is_used_again_with_a_reset_between(channel: Channel, smtp: Scripted) -> None:
    for _ in range(3):
        assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 1
    assert [command.split(":")[0] for command in smtp.commands if command != "DATA"] == [
        "EHLO notifier.school.example",
        "MAIL FROM",
        "RCPT TO",
        "RSET",
        "MAIL FROM",
        "RCPT TO",
        "RSET",
        "MAIL FROM",
        "RCPT TO",
    ]


async def test_a_connection_that_was_closed_meanwhile_is_replaced(channel: Channel, smtp: Scripted) -> None:
    await channel.send()
    smtp.answer("rset", CUT)
    assert (await channel.send()).outcome == "sent"
    assert smtp.connections == 2


async def test_a_connection_is_not_used_for_ever(channel: Channel, smtp: Scripted) -> None:
    for _ in range(MAILS_A_CONNECTION + 1):
        await channel.send()
    assert smtp.connections == 2


async def test_there_are_never_more_connections_than_allowed(channel: Channel, smtp: Scripted) -> None:
    hold = asyncio.Event()
    smtp.always("mail", hold)
    sends = [asyncio.create_task(channel.send()) for _ in range(12)]
    await until(lambda: smtp.open == AT_ONCE)
    hold.set()
    assert {receipt.outcome for receipt in await asyncio.gather(*sends)} == {"sent"}
    assert smtp.most_open == AT_ONCE


async def test_each_mail_has_one_recipient(channel: Channel, smtp: Scripted) -> None:
    """M12: the refusal of one recipient cannot hide behind another's success."""
    smtp.decide = lambda stage, to: "550 5.1.1 no" if stage == "rcpt" and to.startswith("bo") else None
    ada, bo = await channel.send(), await channel.send("bo@school.example")
    assert (ada.outcome, bo.outcome, bo.suppress) == ("sent", "refused", True)
    assert [mail.recipient for mail in smtp.received] == ["ada@school.example"]
    assert sum(command.startswith("RCPT") for command in smtp.commands) == 2


async def test_begin_is_asked_after_the_recipient_and_before_the_data(channel: Channel, smtp: Scripted) -> None:
    channel.may = False
    assert (await channel.send()).outcome == "dropped"
    assert channel.asked == 1 and smtp.begun == [] and smtp.received == []
    smtp.answer("rcpt", "550 5.1.1 no")
    await channel.send()
    assert channel.asked == 1


async def test_lines_that_begin_with_a_dot_arrive_whole(channel: Channel, smtp: Scripted) -> None:
    data = nudge_due().data
    dotted = data.follow_ups[0].model_copy(update={"notes": "." * 300 + "\n.\nend"})
    data = data.model_copy(update={"follow_ups": (dotted,)})
    receipt = await channel.email.send(data, "<x@school.example>", now=datetime.now(UTC), begin=channel.begin)
    assert receipt.outcome == "sent"
    assert all(line.startswith(b"..") for line in smtp.received[0].raw.split(b"\r\n") if line.startswith(b"."))


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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_the_mail_is_encrypted_unless_switched_off_by_name(authority: trustme.CA) -> None:
    async with scripted_server(tls=certificate(authority)) as smtp:
        channel = Channel(f"smtp://127.0.0.1:{smtp.port}", tls_context=trusting(authority))
        assert (await channel.send()).outcome == "sent"
        assert smtp.commands[:3] == ["EHLO notifier.school.example", "STARTTLS", "EHLO notifier.school.example"]
        await channel.email.close()


async def test_smtps_is_encrypted_from_the_start(authority: trustme.CA) -> None:
    async with scripted_server(tls=certificate(authority), at_once=True) as smtp:
        channel = Channel(f"smtps://127.0.0.1:{smtp.port}", tls_context=trusting(authority))
        assert (await channel.send()).outcome == "sent"
        assert "STARTTLS" not in smtp.commands
        await channel.email.close()


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


async def test_a_server_that_is_away_holds_the_channel_not_the_nudge() -> None:
    for url in ("smtp://127.0.0.1:1?starttls=0", "smtp://no-such-host.invalid?starttls=0"):
        receipt = await Channel(url).send()
        assert (receipt.outcome, receipt.reason) == ("held", "unreachable")
        assert receipt.pause is not None and receipt.pause.longest.total_seconds() <= 60


async def test_who_waits_for_a_connection_is_told_what_the_first_were_told(smtp: Scripted) -> None:
    channel = Channel(smtp.url, timeouts=SHORT)
    smtp.always("banner", HANG)
    receipts = await asyncio.gather(*(channel.send() for _ in range(40)))
    assert {receipt.reason for receipt in receipts} == {"unreachable"}
    assert smtp.connections == AT_ONCE

    smtp.always("banner", None)
    assert (await channel.send()).outcome == "sent"


async def test_a_mail_that_is_cancelled_leaves_its_place_to_others(smtp: Scripted) -> None:
    channel = Channel(smtp.url)
    smtp.always("rcpt", HANG)
    sends = [asyncio.create_task(channel.send()) for _ in range(AT_ONCE + 3)]
    await until(lambda: smtp.open == AT_ONCE and smtp.waits_at("rcpt"))
    for send in sends:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    smtp.always("rcpt", None)
    assert {(await channel.send()).outcome for _ in range(AT_ONCE + 1)} == {"sent"}


async def test_an_address_that_smtp_cannot_carry_is_refused_before_anything_is_said(
    channel: Channel, smtp: Scripted
) -> None:
    for address in ("äda@school.example", "a@b@c", "ada@school.example>\r\nRCPT TO:<eve@evil.example"):
        receipt = await channel.send(address)
        assert (receipt.outcome, receipt.reason, receipt.suppress) == ("refused", "bad-address", False)
    assert smtp.connections == 0


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://h", Server(host="h", port=587, tls="starttls", user=None, password=None)),
        ("smtp://h:25?starttls=1", Server(host="h", port=25, tls="starttls", user=None, password=None)),
        ("smtp://h?starttls=0", Server(host="h", port=25, tls="none", user=None, password=None)),
        ("smtps://a%40b:c%2Fd@h", Server(host="h", port=465, tls="from the start", user="a@b", password="c/d")),
        ("smtp://a@h", Server(host="h", port=587, tls="starttls", user="a", password="")),
    ],
)
def test_what_smtp_url_says(url: str, wanted: Server) -> None:
    assert server(url) == wanted


@pytest.mark.parametrize("url", ["smtp://", "smtp://h?starttls=maybe", "smtp://h?tls=0"])
def test_a_wrong_smtp_url_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="SMTP_URL"):
        server(url)
