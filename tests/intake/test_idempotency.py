"""Answers kept under idempotency keys are forgotten when nobody asks for them any more."""

from datetime import timedelta

from services.intake import idempotency
from tests.intake.serving import Intake, submission


async def test_an_answer_is_kept_for_a_week_and_then_its_key_is_free(intake: Intake) -> None:
    token = await intake.token()
    for key in ("old", "older", "new"):
        answer = await intake.client.post(
            "/api/v1/meetings", json=submission(), headers=token | {"Idempotency-Key": key}
        )
        assert answer.status == 201
    for key, days in (("old", 7), ("older", 30), ("new", 6)):
        await intake.pool.execute(
            "UPDATE idempotency_keys SET answered_at = now() - $2::interval WHERE key = $1",
            key,
            timedelta(days=days, seconds=1),
        )

    assert [await idempotency.forget_old(intake.pool, limit=1) for _ in range(3)] == [1, 1, 0]

    assert [row["key"] for row in await intake.pool.fetch("SELECT key FROM idempotency_keys")] == ["new"]
    again = await intake.client.post("/api/v1/meetings", json=submission(), headers=token | {"Idempotency-Key": "old"})
    assert again.status == 201
    assert await intake.count("meetings") == 4
