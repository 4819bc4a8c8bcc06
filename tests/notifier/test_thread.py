"""The mails about one connection are one conversation, which began with the first that arrived."""

from uuid import UUID

from services.notifier.message import thread
from shared.db import Pool
from shared.events import new_id
from tests.factories import due_follow_up, nudge_due, recipient
from tests.notifier.sending import Notifier, receive
from tests.servers.smtp import Scripted

ADA = recipient(address="ada@school.example")


async def headers(pool: Pool, smtp: Scripted, *connections: UUID, address: str = ADA.address) -> tuple[str, str, str]:
    """Send a nudge about these connections; return its Message-ID, In-Reply-To and References."""
    about = tuple(due_follow_up(connection=connection) for connection in connections)
    to = ADA.model_copy(update={"address": address})
    await receive(pool, [nudge_due(recipient=to, follow_ups=about)])
    await Notifier(pool, smtp.url).work()
    mail = smtp.received[-1].message
    return mail["Message-ID"], mail["In-Reply-To"] or "", mail["References"] or ""


async def test_each_later_mail_answers_the_first(notifier_pool: Pool, smtp: Scripted) -> None:
    erin, bo = new_id(), new_id()
    first, to_root, root = await headers(notifier_pool, smtp, erin)
    assert to_root == root
    assert (await headers(notifier_pool, smtp, erin, bo))[1:] == ("", "")  # about two
    for _ in range(2):
        assert (await headers(notifier_pool, smtp, erin))[1:] == (first, f"{root} {first}")
    assert (await headers(notifier_pool, smtp, bo))[1] not in {first, root}


async def test_a_mail_that_did_not_leave_or_went_elsewhere_is_no_beginning(notifier_pool: Pool, smtp: Scripted) -> None:
    erin = new_id()
    smtp.answer("dot", "554 5.6.0 no")
    refused, _, root = await headers(notifier_pool, smtp, erin)
    first, *after_it = await headers(notifier_pool, smtp, erin)
    assert after_it == [root, root] and first != refused
    _, *elsewhere = await headers(notifier_pool, smtp, erin, address="ada@home.example")
    assert elsewhere == [root, root]
    assert thread(nudge_due(follow_ups=(due_follow_up(connection=erin),)).data) == erin
