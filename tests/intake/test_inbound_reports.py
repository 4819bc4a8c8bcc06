"""What each vendor reports of our mails, by its own proof."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr

from services.intake.inbound.delivered import Proof
from services.intake.inbound.sendgrid_events import SIGNATURE, TIMESTAMP, is_signed
from shared.db import Pool
from tests.intake.postmen import mailgun_proof
from tests.intake.report_senders import (
    PAYLOADS,
    PUBLIC_KEY,
    SENDGRID_KEY,
    Amazon,
    message,
    post,
    reports,
    serving_reports,
)
from tests.intake.serving import Intake
from tests.intake.vendor_reports import ADA, CASES, NUDGE, Case

KNOWN_PUBLIC_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
    "Ec6wEA3F+g=="
)
KNOWN_SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
async def intake(
    intake_pool: Pool, keys: tuple[SecretStr, ...], amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Intake]:
    async with serving_reports(intake_pool, keys, amazon, monkeypatch) as served:
        yield served


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_a_vendor_reports_is_told_once(intake: Intake, case: Case) -> None:
    for _ in range(2):
        answer = await post(intake, case.vendor, case.document)
        assert answer.status == 200, await answer.text()

    told = await reports(intake)
    if case.what is None:
        assert told == []
        return
    # SNS gives what it sends again the same id; here each is a message of its own.
    assert len(told) == (2 if case.vendor == "ses" else 1)
    data = told[0]
    assert (data["what"], data["code"], data["channel"], data["address"]) == (case.what, case.code, "email", ADA)
    assert data["nudge"] == (None if case.by_address else str(NUDGE))
    assert datetime.fromisoformat(data["at"]) <= datetime.now(UTC)


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.what][::3], ids=str)
async def test_a_report_without_its_proof_is_refused(intake: Intake, case: Case) -> None:
    for key in ("", "wrong"):
        path = "sns" if case.vendor == "ses" else case.vendor
        document: Any = case.document
        if case.vendor == "mailgun":
            document = {"signature": mailgun_proof(key="wrong"), "event-data": document}
        if case.vendor == "ses":
            document = message(document) | {"Signature": base64.b64encode(b"x" * 256).decode()}
        answer = await intake.client.post(f"/inbound/{path}", json=document, params={"key": key})
        assert answer.status == 401
    assert await reports(intake) == []


async def test_a_token_of_mailgun_counts_once_for_reports_too(intake: Intake) -> None:
    proof = mailgun_proof()
    for event in ("delivered", "complained"):
        document = {"signature": proof, "event-data": {"event": event, "id": event, "recipient": ADA}}
        assert (await intake.client.post("/inbound/mailgun", json=document)).status == 200
    assert [one["what"] for one in await reports(intake)] == ["delivered"]


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b"[1]", b'[{"event": "bounce"}, 2]', b"\xff", b"[" * 50])
async def test_garbage_that_sendgrid_signed_is_a_400_and_that_nobody_signed_a_401(intake: Intake, body: bytes) -> None:
    signature = base64.b64encode(SENDGRID_KEY.sign(b"1" + body, ec.ECDSA(SHA256()))).decode()
    headers = {"Content-Type": "application/json", SIGNATURE: signature, TIMESTAMP: "1"}
    assert (await intake.client.post("/inbound/sendgrid", data=body, headers=headers)).status == 400
    headers[TIMESTAMP] = "2"
    assert (await intake.client.post("/inbound/sendgrid", data=body, headers=headers)).status == 401


def test_sendgrids_known_answer_verifies_with_the_line_break_at_its_end_and_nothing_else() -> None:
    body = (PAYLOADS / "sendgrid-event-dropped.json").read_bytes()

    def fits(body: bytes = body, timestamp: str = "1600112502", signature: str = KNOWN_SIGNATURE) -> bool:
        return is_signed(body, timestamp=timestamp, signature=signature, key=KNOWN_PUBLIC_KEY)

    assert fits()
    assert not fits(body=body.removesuffix(b"\r\n"))
    assert not fits(body=body + b"\n")
    assert not fits(timestamp="1600112503")
    assert not fits(signature="MEUCIQ==")
    assert not fits(signature="ä")
    assert not is_signed(body, timestamp="1600112502", signature=KNOWN_SIGNATURE, key=PUBLIC_KEY)


async def test_what_mailgun_and_postmark_really_send_is_read(intake: Intake) -> None:
    document = json.loads((PAYLOADS / "mailgun-failed-permanent.json").read_bytes())
    assert Proof(**document["signature"]).is_right("key-0p6mqbf74lb20gzq9f4dhpn9rg3zyk26")
    await post(intake, "mailgun", document["event-data"])
    await post(intake, "postmark", json.loads((PAYLOADS / "postmark-Bounce.json").read_bytes()))
    found = [(one["what"], one["code"], one["address"]) for one in await reports(intake)]
    assert found == [("bounced", None, "alice@example.com"), ("bounced", None, "john@example.com")]
