"""What a mail server's refusals mean."""

import pytest

from services.notifier.channels.smtp_replies import BUSY, POLICY, Stage, judge


@pytest.mark.parametrize(
    ("code", "text", "stage", "outcome", "reason"),
    [
        (550, "5.1.1 no such user", "recipient", "refused", "bad-address"),
        (550, "5.1.10 null MX", "recipient", "refused", "bad-address"),
        (553, "5.1.3 bad syntax", "recipient", "refused", "bad-address"),
        (550, "5.1.1 unknown", "content", "refused", "bad-address"),
        (550, "no such user here", "recipient", "refused", "refused"),  # text never decides
        (550, "5.2.1 disabled", "recipient", "refused", "mailbox-disabled"),
        (552, "5.2.2 full", "recipient", "deferred", "mailbox-full"),
        (452, "4.2.2 full", "recipient", "deferred", "mailbox-full"),
        (552, "mailbox full", "content", "deferred", "mailbox-full"),
        (552, "5.3.4 too big", "sender", "refused", "too-big"),
        (550, "5.4.1 denied", "recipient", "refused", "no-route"),
        (503, "5.5.1 bad sequence", "recipient", "refused", "protocol"),
        (554, "5.6.0 content", "content", "refused", "content"),
        (550, "5.7.1 not authorised", "recipient", "held", "policy"),
        (550, "5.7.26 unauthenticated", "content", "held", "policy"),
        (550, "5.7.515 access denied", "content", "held", "policy"),
        (553, "5.1.8 sender domain", "recipient", "held", "policy"),
        (550, "5.1.1 you?", "sender", "held", "policy"),  # about us, not about the person
        (554, "no service", "connect", "held", "policy"),
        (530, "5.7.0 authenticate first", "sender", "held", "login"),
        (535, "5.7.8 bad password", "login", "held", "login"),
        (550, "5.7.8 credentials", "recipient", "held", "login"),
        (454, "4.7.0 try later", "login", "held", "busy"),
        (421, "4.7.0 too many", "connect", "held", "busy"),
        (421, "5.7.32 mixed", "recipient", "held", "busy"),  # the basic digit wins
        (451, "4.7.1 greylisted", "recipient", "deferred", "deferred"),
        (450, "5.1.1 mixed", "recipient", "deferred", "deferred"),
        (451, "4.3.2 not accepting", "recipient", "held", "busy"),
        (999, "what", "recipient", "deferred", "protocol"),
    ],
)
def test_a_refusal_means(code: int, text: str, stage: Stage, outcome: str, reason: str) -> None:
    receipt = judge(code, text, stage)
    assert (receipt.outcome, receipt.reason) == (outcome, reason)
    assert receipt.suppress == (reason == "bad-address")
    assert receipt.stop == (reason == "login")
    assert (receipt.pause == POLICY) == (reason == "policy")


def test_too_many_connections_pauses_the_channel_and_a_421_later_only_this_mail() -> None:
    assert judge(421, "4.7.0 busy", "connect").pause == BUSY
    later = judge(421, "4.7.0 busy", "recipient")
    assert later.pause is None
    assert later.after is not None and 60 <= later.after.total_seconds() <= 300


@pytest.mark.parametrize(
    ("code", "text", "stage", "slower", "alert"),
    [
        (451, "4.7.1 greylisted", "recipient", True, False),
        (450, "4.7.0 rate", "content", True, False),
        (421, "4.7.28 unusual rate", "recipient", True, False),
        (421, "4.7.26 unauthenticated", "content", True, False),
        (451, "4.7.23 no PTR", "content", True, True),
        (451, "4.7.32 not aligned", "content", True, True),
        (421, "4.7.0 too many connections", "connect", False, False),  # the relay's, not a domain's
        (451, "4.4.1 no answer", "recipient", False, False),
        (452, "4.5.3 too many recipients", "recipient", False, True),
        (550, "5.7.26 unauthenticated", "content", False, True),
    ],
)
def test_who_asks_for_less_gets_less_and_a_person_hears_of_what_only_they_can_mend(
    code: int, text: str, stage: Stage, slower: bool, alert: bool
) -> None:
    receipt = judge(code, text, stage)
    assert (receipt.slower, receipt.alert) == (slower, alert)
    assert not receipt.suppress


def test_a_reply_is_kept_cut_short_and_on_one_line() -> None:
    reply = judge(550, "5.1.1 no\nsuch\x00user" + "x" * 10_000, "recipient").reply
    assert reply is not None and reply.startswith("550 5.1.1 no suchuser") and len(reply) == 500
