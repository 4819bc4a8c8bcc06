"""`source test` for booking and call tools: what each of their payloads would do."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake import rehearsal
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS
from tests.intake.serving import PLANNER

PAYLOADS = Path(__file__).parent / "payloads"


def rehearse(provider: str, name: str, body: bytes | None = None, **given: Any) -> rehearsal.Rehearsed:
    return rehearsal.rehearse(
        PROVIDERS[provider].read({}, body or (PAYLOADS / provider / f"{name}.json").read_bytes()),
        mapped_to={},
        fixed={},
        defaults=Defaults(**given),
        plans=PLANNER.names,
        now=datetime(2026, 10, 22, 12, tzinfo=UTC),
    )


def test_a_booking_would_log_a_meeting_for_each_attendee() -> None:
    found = rehearse("calcom", "MEETING_ENDED")
    assert [facts["contact"]["name"] for facts in found.would_log] == ["Guest User", "Additional Guest"]
    words = "\n".join(rehearsal.in_words(found))
    assert "organizer@example.com met Guest User" in words
    assert "(as the tool tells it)" in words and "guessed" not in words


@pytest.mark.parametrize(
    ("provider", "name", "words"),
    [
        ("calcom", "BOOKING_CANCELLED", "news of a booking"),
        ("calendly", "invitee_no_show.created", "news of a booking"),
        ("calcom", "PING", "a test of the webhook"),
        ("zoom", "meeting.ended-host", "whose host would be asked once"),
        ("zoom", "endpoint.url_validation", "a challenge"),
    ],
)
def test_what_logs_nothing_says_what_it_is(provider: str, name: str, words: str) -> None:
    found = rehearse(provider, name)
    assert not found.would_log and not found.errors
    assert words in "\n".join(rehearsal.in_words(found))


def test_a_call_without_a_host_says_what_is_missing() -> None:
    assert [error["field"] for error in rehearse("zoom", "meeting.ended").errors] == ["owner.email"]
    assert not rehearse("zoom", "meeting.ended", owner="ada@school.example").errors


def test_a_wrong_guess_is_left_out_as_it_will_be_when_it_comes() -> None:
    body = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED-questions.json").read_text())
    body["payload"]["userFieldsResponses"]["tel"] = {"label": "Phone number", "value": "ask at the desk"}
    found = rehearse("calcom", "", json.dumps(body).encode())
    assert [facts["contact"]["phone"] for facts in found.would_log] == [None]
