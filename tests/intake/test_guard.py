"""Words about students are refused or masked before anything of them is kept; a pattern that may hang is refused."""

import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.intake import guard
from services.intake.body import Body, checked
from services.intake.guard import BadPatterns, Guard
from services.intake.guarding import of_settings
from shared import settings
from shared.db import Pool
from shared.settings import SettingsError
from tests.intake.serving import Intake, serving, submission
from tests.servers.dump import where

STUDENT = "call the parents, Student ID: zq99120077 about robotics"
CANARY = "99120077"


def reading(mode: guard.Mode = "refuse", text: str = "") -> Guard:
    return guard.read(mode, text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("student id 123456", "student-id"), ("STUDENT NO. A12345", "student-id"), ("pupil #4411", "student-id"),
        ("student: Jo Doe", "student-name"), ("Students :Jo", "student-name"), ("DOB 3/4/2012", "birth-date"),
        ("born on 3 May 2012", "birth-date"), ("date of birth is 2012-05-03", "birth-date"),
        ("birthday: May 3, 2012", "birth-date"),
        ("students love robots", None), ("born in Boston in 1980", None), ("the student number doubled", None),
        ("met on 3/4/2026", None), ("a student teacher", None), ("room 123456", None),
    ],
)  # fmt: skip
def test_the_shipped_patterns_find_students_and_leave_teachers_alone(text: str, name: str | None) -> None:
    assert reading().finds(f"We met. {text}, and so on") == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("locker", "line 1: must be name = regular expression"),
        ("# ours\n\nA B = x", "line 3: must be name"),
        ("locker =", "line 1: there is no pattern 'locker' of ours"),
        ("locker = (", "locker: is no regular expression"),
        ("locker = (a+)+$", "locker: a repetition must end"),
        ("locker = a{2,}", "locker: a repetition must end"),
        ("locker = (?:a|aa){1,50}b", "locker: a repetition holds another"),
        ("locker = (?:a{1,9}){1,9}b", "locker: a repetition holds another"),
        (r"locker = \d{1,99}\d{1,99}\d{1,99}x", "locker: could take too long"),
        (r"locker = (a)\1", "locker: a pattern must not look back"),
        ("locker = a?", "locker: finds something in everything"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadPatterns) as refused:
        reading(text=text)
    assert says in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(SettingsError, match=r"^STUDENT_PATTERNS: "):
        of_settings(settings.read(student_patterns=text))


def test_patterns_are_added_and_ours_left_out() -> None:
    found = reading(text="# lockers\nlocker = locker\\s?\\d{1,5}\nbirth-date =")
    assert list(found.patterns) == ["student-id", "student-name", "locker"]
    assert found.finds("in LOCKER 12") == "locker" and found.finds("DOB 3/4/2012") is None


@pytest.mark.parametrize("piece", ["student ", "born ", "1", "student id ", " ", "birth", "a", "student:\n", "1/"])
def test_no_text_takes_long(piece: str) -> None:
    body = (piece * 300_000)[:256_000]
    began = time.process_time()
    reading().finds(body)
    assert time.process_time() - began < 2


@given(st.text(max_size=300), st.sampled_from(["Student ID: zq99120077", "student: Jo 99120077", "DOB 1/2/2012"]))
def test_nothing_that_is_found_survives_masking(text: str, found: str) -> None:
    body = checked(Body, {"notes": (text + " " + found).replace("\0", "").strip()})
    masked, refused = reading("mask").passed(body)
    assert refused == [] and masked.notes is not None
    assert reading().finds(masked.notes) is None and CANARY not in masked.notes


SPELLED = [
    "ｓｔｕｄｅｎｔ ＩＤ： ９９１２００７７",
    "stu\u00addent id: 99120077",
    "stu\u200bdent id: 9912\u20600077",
    "student     id:  99120077",
    "student%20id:%2099120077",
]


@pytest.mark.parametrize("text", SPELLED)
def test_what_reads_the_same_is_found_however_it_is_spelled(text: str) -> None:
    body = checked(Body, {"notes": f"call {text} now", "contacts": [{"name": "Erin"}]})
    assert [error["field"] for error in reading().passed(body)[1]] == ["notes"]
    assert reading("mask").passed(body)[0].notes in {"call [removed] now", "call [removed]"}
    for written in (
        orjson.dumps({"notes": text}),
        json.dumps({"notes": text}).encode(),
        urlencode({"q": text}).encode(),
    ):
        assert not reading().may_keep(written), written
    link = checked(Body, {"document": f"https://x.example/?q={quote(text)}", "contacts": [{"name": "Erin"}]})
    assert [error["field"] for error in reading().passed(link)[1]] == ["document"]


def test_line_breaks_that_json_escapes_are_read_too() -> None:
    assert not reading().may_keep(json.dumps({"notes": "student\nid: 99120077"}).encode())


async def test_a_name_that_people_wish_for_is_looked_at(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    for mode, status in (("refuse", 422), ("mask", 200)):
        async with serving(intake_pool, keys, student_data=mode) as intake:
            await api(intake, "POST", "/meetings", submission())
            assert (await api(intake, "PATCH", "/people/ada@school.example", {"name": STUDENT}))[0] == status
    assert await intake_pool.fetchval("SELECT name FROM people") == "call the parents, [removed] about robotics"


def test_every_field_that_somebody_writes_is_looked_at_and_no_match_repeated() -> None:
    words: dict[str, Any] = {
        "owner": {"email": "ada@school.example", "name": STUDENT}, "notes": STUDENT, "topics": ["fine", "pupil #4411"],
        "promise": STUDENT, "event": {"name": STUDENT, "place": STUDENT},
        "contacts": [{"name": "Erin"}, {"name": STUDENT}],
    }  # fmt: skip
    _, refused = reading().passed(checked(Body, words))
    assert sorted(error["field"] for error in refused) == [
        "contacts.1.name", "event.name", "event.place", "notes", "owner.name", "promise", "topics.1",
    ]  # fmt: skip
    assert all("(student-id)" in error["problem"] and CANARY not in error["problem"] for error in refused)
    masked, _ = reading("mask").passed(checked(Body, words))
    assert masked.notes == "call the parents, [removed] about robotics"
    assert masked.topics == ("fine", "[removed]") and masked.contacts and masked.contacts[0].name == "Erin"
    assert reading("off").passed(checked(Body, words))[1] == []


@pytest.fixture
def where_it_is(intake_pool: Pool) -> Any:
    async def found() -> dict[str, list[str]]:
        async with intake_pool.acquire() as conn:
            return await where(conn, CANARY)

    return found


async def api(intake: Intake, method: str, path: str, body: Any) -> tuple[int, Any]:
    async with intake.client.request(method, f"/api/v1{path}", json=body, headers=await intake.token()) as answer:
        return answer.status, await answer.json()


async def test_refused_nothing_of_it_is_kept(intake_pool: Pool, keys: tuple[SecretStr, ...], where_it_is: Any) -> None:
    async with serving(intake_pool, keys, student_data="refuse") as intake:
        source = await intake.source()
        answer = await source.send(submission(notes=STUDENT))
        assert answer.status == 422
        problem = await answer.json()
        assert problem["errors"] == [{"field": "notes", "problem": f"{guard.REFUSED} (student-id)"}]
        assert (await api(intake, "POST", "/meetings", submission(promise=STUDENT)))[0] == 422
        status, logged = await api(intake, "POST", "/meetings", submission())
        assert status == 201
        one = logged["meetings"][0]
        assert (await api(intake, "PATCH", f"/meetings/{one['id']}", {"notes": STUDENT}))[0] == 422
        assert (await api(intake, "POST", f"/connections/{one['connection']}/touches", {"note": STUDENT}))[0] == 422
        assert await intake.count("submissions", "state = 'rejected'") == 2
    assert await where_it_is() == {}


async def test_refused_also_where_it_was_only_guessed_what_the_question_asks(
    intake_pool: Pool, keys: tuple[SecretStr, ...], where_it_is: Any
) -> None:
    async with serving(intake_pool, keys, student_data="refuse") as intake:
        source = await intake.source("google-forms")
        answers = {"Your email": "ada@school.example", "Who did you meet?": "Erin", "Notes": STUDENT}
        body = {"responseId": "r1", "submittedAt": None, "formTitle": "f", "respondentEmail": None, "answers": answers}
        answer = await source.send({k: v for k, v in body.items() if v is not None})
        assert answer.status == 422, await answer.text()
        assert [error["field"] for error in (await answer.json())["errors"]] == ["notes"]
    assert await where_it_is() == {}


async def test_masked_it_is_neither_kept_nor_told(
    intake_pool: Pool, keys: tuple[SecretStr, ...], where_it_is: Any
) -> None:
    async with serving(intake_pool, keys, student_data="mask") as intake:
        source = await intake.source()
        first = await source.send(submission(notes=STUDENT))
        assert first.status == 202
        status, logged = await api(intake, "POST", "/meetings", submission(promise=STUDENT, contact={"name": "Zoe"}))
        assert status == 201
        one = logged["meetings"][0]
        assert (await api(intake, "PATCH", f"/meetings/{one['id']}", {"notes": STUDENT}))[0] == 200
        assert (await api(intake, "POST", f"/connections/{one['connection']}/touches", {"note": STUDENT}))[0] == 201
        told = " ".join(str(event) for event in await intake.events())
        assert "[removed] about robotics" in told
        again = await source.send(submission(notes=STUDENT))
        assert (again.status, await again.json()) == (200, await first.json())
    assert await where_it_is() == {}


async def test_without_the_setting_everything_is_kept(intake: Intake, where_it_is: Any) -> None:
    await (await intake.source()).send(submission(notes=STUDENT))
    assert set(await where_it_is()) == {CANARY}
