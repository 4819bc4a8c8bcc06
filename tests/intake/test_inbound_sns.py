"""What Amazon SNS carries: whom we believe, and where we go for that."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake.inbound import ses_events, sns
from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens
from tests.intake.report_senders import (
    ADDRESS,
    CERTIFICATE_URL,
    PAYLOADS,
    TOPIC,
    Amazon,
    certificate,
    confirmation,
    message,
    post_sns,
    reports,
    serving_reports,
)
from tests.intake.serving import Intake
from tests.intake.vendor_reports import CASES, NUDGE


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
async def intake(
    intake_pool: Pool, keys: tuple[SecretStr, ...], amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Intake]:
    async with serving_reports(intake_pool, keys, amazon, monkeypatch) as served:
        yield served


@pytest.fixture
def tokens(keys: tuple[SecretStr, ...]) -> MailTokens:
    return MailTokens(ADDRESS, keys)


def test_amazons_known_answer_verifies_while_its_certificate_was_in_force() -> None:
    raw = (PAYLOADS / "sns-notification-sigv2.json").read_bytes()
    envelope, signer = sns.read(raw), sns.certificate((PAYLOADS / "sns-signing-cert.pem").read_bytes())
    then = datetime(2026, 3, 7, tzinfo=UTC)

    assert sns.has_certificate(envelope)
    assert sns.is_signed(envelope, signer, now=then)
    assert not sns.is_signed(envelope, signer, now=datetime(2027, 1, 1, tzinfo=UTC))
    for name in ("Message", "MessageId", "Timestamp", "TopicArn"):
        changed = sns.read(raw.replace(envelope.fields[name].encode(), envelope.fields[name].encode()[:-1] + b"?"))
        assert not sns.is_signed(changed, signer, now=then), name
    other = sns.read(raw.replace(b'"SignatureVersion" : "2"', b'"SignatureVersion" : "1"'))
    assert not sns.is_signed(other, signer, now=then)


def test_a_bounce_as_ses_documents_it_is_read() -> None:
    document = json.loads((PAYLOADS / "ses-bounce-in-sns.json").read_bytes())
    now = datetime.now(UTC)
    [(name, report)] = ses_events.read(document["Message"], id="1", by_sender=lambda sender: NUDGE, now=now)
    assert (name, report.what, report.code, report.address) == ("1 0", "bounced", "5.1.1", "jane@example.com")
    assert report.nudge == NUDGE  # by the envelope's sender: the Message-ID is none of ours
    assert report.at == datetime(2016, 1, 27, 14, 59, 44, 101000, tzinfo=UTC)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_the_signature_are_believed_and_the_certificate_fetched_once(
    intake: Intake, amazon: Amazon, version: str
) -> None:
    document = CASES["ses bounce"].document
    for _ in range(3):
        assert (await post_sns(intake, message(document, version=version))).status == 200
    assert amazon.fetched == [CERTIFICATE_URL]
    assert len(await reports(intake)) == 3


async def test_what_sns_sends_again_is_told_once(intake: Intake) -> None:
    fields = message(CASES["ses bounce"].document)
    for _ in range(3):
        assert (await post_sns(intake, fields)).status == 200
    assert len(await reports(intake)) == 1


async def test_the_envelopes_sender_says_which_mail_it_was(intake: Intake, tokens: MailTokens) -> None:
    document = dict(CASES["ses bounce"].document)
    nudge = new_id()
    document["mail"] = {"source": tokens.address("bounce", nudge), "messageId": "0000"}
    await post_sns(intake, message(document))
    assert [one["nudge"] for one in await reports(intake)] == [str(nudge)]


@pytest.mark.parametrize(
    "text", ["Successfully validated SNS topic for Amazon SES event publishing.", "[]", "{}", "\ud800"]
)
async def test_what_else_a_topic_carries_is_passed_over(intake: Intake, text: str) -> None:
    fields = message("x", Message=text) if text != "\ud800" else message("x", Message="{")
    assert (await post_sns(intake, fields)).status == 200
    assert await reports(intake) == []


async def test_a_subscription_is_confirmed_once_by_visiting_amazon(intake: Intake, amazon: Amazon) -> None:
    fields = confirmation()
    amazon.pages[fields["SubscribeURL"]] = b"<ConfirmSubscriptionResponse/>"
    for _ in range(3):
        assert (await post_sns(intake, fields)).status == 200
    assert amazon.fetched == [CERTIFICATE_URL, fields["SubscribeURL"]]


async def test_a_confirmation_that_fails_is_asked_for_again(intake: Intake, amazon: Amazon) -> None:
    fields = confirmation()
    assert (await post_sns(intake, fields)).status == 503
    amazon.pages[fields["SubscribeURL"]] = b"<ConfirmSubscriptionResponse/>"
    assert (await post_sns(intake, fields)).status == 200
    assert amazon.fetched.count(fields["SubscribeURL"]) == 2


EVIL = [
    "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
    "https://evil.example/SimpleNotificationService-0.pem",
    "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
    "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem",
    "https://user@sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",  # another region than the topic's
    "https://s3.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-0.pem",
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem?x=.pem",
    "https://sns.us-east-1.amazonaws.com/..%2fSimpleNotificationService-0.pem",
    "https://sns.us-east-1.amazonaws.com\\@evil.example/SimpleNotificationService-0.pem",
    "https://169.254.169.254/SimpleNotificationService-0.pem",
    "file:///etc/passwd",
    "https://[::1/SimpleNotificationService-0.pem",
]


@pytest.mark.parametrize("url", EVIL)
async def test_no_certificate_is_fetched_from_anywhere_else(intake: Intake, amazon: Amazon, url: str) -> None:
    amazon.pages[url] = certificate()
    answer = await post_sns(intake, message(CASES["ses bounce"].document, SigningCertURL=url))
    assert (answer.status, amazon.fetched, await reports(intake)) == (401, [], [])


@pytest.mark.parametrize(
    "url",
    [
        *(
            url.replace("/SimpleNotificationService-0.pem", f"/?Action=ConfirmSubscription&TopicArn={TOPIC}")
            for url in EVIL[:8]
        ),
        f"https://sns.us-east-1.amazonaws.com/?Action=DeleteTopic&TopicArn={TOPIC}",
        f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}x",
        f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Action=Publish&TopicArn={TOPIC}",
        "https://sns.us-east-1.amazonaws.com/",
    ],
)
async def test_nothing_else_is_visited_to_confirm(intake: Intake, amazon: Amazon, url: str) -> None:
    answer = await post_sns(intake, confirmation(SubscribeURL=url))
    assert (answer.status, amazon.fetched) == (401, [CERTIFICATE_URL])


async def test_a_topic_that_nobody_named_is_refused_before_anything_is_fetched(intake: Intake, amazon: Amazon) -> None:
    for topic in (TOPIC + "x", "arn:aws:sns:us-east-1:999999999999:bounces", "x"):
        for fields in (message({}, TopicArn=topic), confirmation(TopicArn=topic)):
            assert (await post_sns(intake, fields)).status == 401
    assert amazon.fetched == []


async def test_a_certificate_out_of_force_or_of_somebody_else_proves_nothing(intake: Intake, amazon: Amazon) -> None:
    amazon.pages[CERTIFICATE_URL] = certificate(valid=-timedelta(hours=1))
    assert (await post_sns(intake, message({}))).status == 401


async def test_while_the_certificate_cannot_be_fetched_amazon_is_to_come_again(intake: Intake, amazon: Amazon) -> None:
    for pages in ({}, {CERTIFICATE_URL: b"no certificate"}):
        amazon.pages = pages
        answer = await post_sns(intake, message(CASES["ses bounce"].document))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "20")
    amazon.pages = {CERTIFICATE_URL: certificate()}
    assert (await post_sns(intake, message(CASES["ses bounce"].document))).status == 200


@pytest.mark.parametrize("fields", [{}, {"Type": "Notification"}, {"Type": "x"}, [], message({}) | {"Message": 1}])
async def test_what_is_no_message_of_sns_is_a_400(intake: Intake, fields: Any) -> None:
    assert (await post_sns(intake, fields)).status == 400
