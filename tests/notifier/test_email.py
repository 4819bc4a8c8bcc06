"""Email on the wire: connections used again, encrypted, never too many; what is said over them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import trustme
from pydantic import SecretStr

from services.notifier.channels.email import open_email
from services.notifier.channels.receipt import Receipt
from services.notifier.channels.smtp_connections import AT_ONCE, MAILS_A_CONNECTION, Server, server
from shared.settings import Settings, SettingsError
from tests.factories import nudge_due, recipient
from tests.notifier.mail_channel import SHORT, Channel, certificate
from tests.notifier.sending import KEYS, trusting
from tests.servers.smtp import CUT, HANG, Mailbox, Scripted, scripted_server
from tests.servers.waiting import until


@pytest.fixture
async def channel(smtp: Scripted) -> AsyncIterator[Channel]:
    channel = Channel(smtp.url)
    yield channel
    await channel.email.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_real_server_takes_the_mail(mailbox: Mailbox) -> None:
    channel = Channel(mailbox.url)
    receipt = await channel.send()
    await channel.email.close()

    assert (receipt.outcome, receipt.reply) == ("sent", "250 2.0.0 taken")
    [mail] = mailbox.received
    assert (mail.sender, mail.recipient) == ("hello@school.example", "ada@school.example")
    assert "Done, later or stop: https://hello.school.example/a/" in mail.part("plain")


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


def config(**given: object) -> Settings:
    fields: dict[str, object] = {
        "smtp_url": SecretStr("smtp://127.0.0.1:1?starttls=0"),
        "mail_from": "Afterhello <hello@school.example>",
        "public_url": "https://hello.school.example",
        "secret_key": KEYS,
    }
    return Settings(**fields | given)  # type: ignore[arg-type]


def test_the_settings_reach_the_channel() -> None:
    data = nudge_due().data
    assert open_email(config()).envelope_sender(data) == "hello@school.example"
    email = open_email(config(inbound_address="reply@in.school.example"))
    assert email.envelope_sender(data).endswith("@in.school.example") and email.dkim is None
    email = open_email(config(inbound_address="reply@in.school.example", verp=False))
    assert email.envelope_sender(data) == "hello@school.example"
    with pytest.raises(SettingsError, match=r"^DKIM_KEY: "):
        open_email(config(dkim_key=SecretStr("nonsense"), dkim_selector="autumn"))


async def test_mails_go_at_the_pace_that_is_set(smtp: Scripted) -> None:
    email = open_email(config(smtp_url=SecretStr(smtp.url), mail_pace=1))

    async def begin() -> bool:
        return True

    async def send(address: str) -> Receipt:
        data = nudge_due(recipient=recipient(address=address)).data
        return await email.send(data, f"<{data.nudge}@school.example>", now=datetime.now(UTC), begin=begin)

    first, second, elsewhere = [await send(address) for address in ("a@one.example", "b@one.example", "c@two.example")]
    await email.close()
    assert (first.outcome, second.outcome, elsewhere.outcome) == ("sent", "held", "sent")
    assert second.after is not None and 50 < second.after.total_seconds() <= 60
    assert second.reason is None and second.pause is None  # nobody is told of it
