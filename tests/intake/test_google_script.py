"""The script that owners of Google Forms paste, run over as much of Apps Script as it uses."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.intake import mapping
from services.intake.answers import Submission
from services.intake.providers import google_forms

SCRIPT = Path(__file__).parents[2] / "deploy" / "google-forms.gs"
NODE = shutil.which("node") or shutil.which("nodejs")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no Node.js to run the script with")
ANSWERS: list[list[Any]] = [
    ["Who did you meet?", "Erin O’Neil"],
    ["Topics", ["robotics", "gärden"]],
    ["When did you meet?", "2026-10-20 16:30"],
    ["Notes", "one"],
    ["Notes", "two"],
    ["How was it?", [None, "Good"]],
]


def run(
    *statuses: int, answers: list[list[Any]] = ANSWERS, secret: str | None = None, full: bool = False
) -> tuple[dict[str, Any], str]:
    secret = secret or google_forms.new_secret()
    response = {"id": "2_ABaOnuduh2ug", "at": "2026-10-21T18:10:00Z", "email": "ada@school.example", "answers": answers}
    given = {
        "script": SCRIPT.read_text(),
        "hook": f"https://hello.school.example/hooks/{'a' * 32}",
        "secret": secret,
        "response": response,
        "statuses": statuses,
        "full": full,
    }
    assert NODE
    ran = subprocess.run(
        [NODE, Path(__file__).with_name("apps_script.js")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found, secret


@pytest.mark.parametrize("secret", [None, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"])
def test_what_it_sends_is_signed_and_read_as_it_was_answered(secret: str | None) -> None:
    found, used = run(202, secret=secret)

    [sent] = found["fetched"]
    body = sent["body"].encode()
    assert google_forms.verify(sent["headers"], body, used)
    assert not google_forms.verify(sent["headers"], body + b" ", used)
    read = google_forms.read(sent["headers"], body)
    assert isinstance(read, Submission)
    assert read.key == sent["headers"]["webhook-id"] == "2_ABaOnuduh2ug"
    assert mapping.apply(read, mapping={"promise": "Notes (2)"}, fixed={}).document == {
        "owner": {"email": "ada@school.example"},
        "contact": {"name": "Erin O’Neil"},
        "topics": ["robotics", "gärden"],
        "met_at": "2026-10-20 16:30",
        "notes": "one",
        "promise": "two",
    }
    assert found["waiting"] == []


def test_setting_it_up_twice_leaves_one_trigger_of_each_kind() -> None:
    assert run(202)[0]["handlers"] == ["onResponse", "sendWaiting"]


@pytest.mark.parametrize("status", [0, 302, 401, 404, 410, 429, 500, 503])
def test_what_was_not_taken_is_kept_and_sent_again_under_the_same_id(status: int) -> None:
    found, secret = run(status, status, 202)

    assert len(found["fetched"]) == 3
    assert found["waiting"] == []
    assert len({one["headers"]["webhook-id"] for one in found["fetched"]}) == 1
    assert len({one["body"] for one in found["fetched"]}) == 1
    assert all(google_forms.verify(one["headers"], one["body"].encode(), secret) for one in found["fetched"])
    assert run(status)[0]["waiting"] == ["waiting 2_ABaOnuduh2ug"]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_was_refused_for_what_it_is_is_not_sent_again(status: int) -> None:
    found, _ = run(status, 202)
    assert (len(found["fetched"]), found["waiting"]) == (1, [])


def test_a_response_too_long_to_be_kept_is_fetched_from_the_form_again() -> None:
    found, _ = run(503, 202, answers=[["Notes", "ä" * 20_000]])
    assert found["fetched"][0]["body"] == found["fetched"][1]["body"]
    assert found["waiting"] == []


def test_what_cannot_be_kept_for_want_of_room_is_sent_all_the_same() -> None:
    found, _ = run(202, full=True)
    assert len(found["fetched"]) == 1
