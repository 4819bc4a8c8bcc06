"""Plans: what a file may say, and what a meeting becomes by it."""

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler import plan as plan_module
from services.scheduler import plan_file, school_days, wishes, zones
from services.scheduler.plan import PlannedFollowUp, Plans, follow_ups, schedule
from services.scheduler.plan_file import Plan, PlanError
from services.scheduler.planner import Planner
from services.scheduler.school_days import SchoolDays
from services.scheduler.wall_clock import Clock
from shared.events import EventKind
from tests.factories import at, meeting, person

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
MET = at("2026-10-21 14:10", "America/New_York")
ADA = person()


def plan(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return plan_file.read(path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PlanError) as found:
        plan(tmp_path, text)
    return [one.removeprefix(f"{tmp_path / 'mine.toml'}: ") for one in found.value.mistakes]


def summary(planned: list[PlannedFollowUp]) -> list[tuple[str, str | None, str]]:
    return [(one.state, one.reason, one.moment.local.isoformat(sep=" ", timespec="minutes")) for one in planned]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_plan_falls_due_as_it_always_has(path: Path, tmp_path: Path) -> None:
    """Each file is a plan, a meeting, a recipient, and when it must fall due."""
    golden: dict[str, Any] = json.loads(path.read_text())
    clock = Clock(
        zone=zones.zone(golden["zone"]),
        school_days=SchoolDays(
            days=wishes.days(golden["days"]),
            holidays=school_days.region(golden["holidays"]) if golden["holidays"] else None,
            breaks=wishes.breaks(golden["breaks"]) if golden["breaks"] else (),
        ),
        send_at=wishes.local_time(golden["send_at"]),
    )
    read = Plans.read(None).get(golden["plan"]) if "plan" in golden else plan(tmp_path, golden["toml"])
    goal_at = datetime.fromisoformat(golden["goal_at"]) if golden.get("goal_at") else None
    planned = schedule(read, clock, met_at=datetime.fromisoformat(golden["met_at"]), goal_at=goal_at)
    assert [
        f"{one.step}.{one.occurrence} {one.playbook}: {one.moment.local} = {one.moment.due_at:%Y-%m-%dT%H:%M:%SZ}"
        for one in planned
    ] == golden["expected"]


def test_every_shipped_plan_reads_and_has_its_playbooks() -> None:
    plans = Plans.read(None)
    assert set(plans.names) == {"default", "goal", "demo", *get_args(EventKind)}
    assert [str(step.by) for step in plans.get("demo").steps] == ["0 seconds", "5 seconds", "15 seconds"]
    assert plans.get("demo").ignore_quiet_hours


def test_an_operators_plan_takes_precedence(tmp_path: Path) -> None:
    plan(tmp_path, '[[steps]]\nafter = "1 day"\nplaybook = "laugh"\n')
    (tmp_path / "mine.toml").rename(tmp_path / "default.toml")
    plans = Plans.read(tmp_path)
    assert [step.playbook for step in plans.get("default").steps] == ["laugh"]
    assert "conference" in plans.names


def test_every_mistake_is_named_with_its_step(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """\
title = "Mistaken"
color = "red"

[[steps]]
after = "1 day"
playbok = "say-hello"

[[steps]]
after = "soon"
playbook = "say-helo"
at = "25:00"
""",
    )
    begins = (
        "line 2: `color` is not known here: a plan has title, ",
        "step 1 (line 4): `playbook` is missing",
        "step 1 (line 6): `playbok` is not known here (is 'playbook' meant?)",
        "step 2 (line 9): `after`: 'soon' is no offset such as",
        "step 2 (line 10): `playbook` must be one of say-hello, ",
        "step 2 (line 11): `at` must be a time of day such as '08:00', not '25:00'",
    )
    assert len(found) == len(begins)
    assert all(map(str.startswith, found, begins)), found
    assert found[4].endswith("(is 'say-hello' meant?)")


@pytest.mark.parametrize(
    ("step", "line", "expected"),
    [
        ('after = "soon"', 4, "`after`: 'soon' is no offset"),
        ('after = "1 day"\nevery = "1 day"\ntimes = 2', 5, "has after and every"),
        ("", 2, "has none"),
        ('every = "1 month"', 4, "`every` needs `times`"),
        ('every = "0 days"\ntimes = 3', 4, "must be more than nothing"),
        ('every = "1 year"\ntimes = 400', 4, "more than 100 years"),
        ('every = "1 day"\ntimes = 0', 5, "`times` input should be greater than or equal to 1, not 0"),
        ('every = "1 day"\ntimes = "2"', 5, "`times` input should be a valid integer"),
        ('after = "1 day"\ntimes = 2', 5, "`times` goes with `every`"),
        ('after = "2 hours"\nat = "08:00"', 5, "`at` goes with days"),
        ('after = "1 day"\nto = "contact"\nchannel = "sms"', 6, "`channel`: a contact is written to by email alone"),
        ('after = "1 day"\nto = "everybody"', 5, "`to` must be one of owner"),
        ('after = "1 day"\nchannel = "fax"', 5, "`channel` must be one of email, sms, apprise, not 'fax'"),
        ('after = "1 day"\ncalendar = true', 5, "`calendar` goes with call or visit"),
        ('after = "1 day"\ncalendar = "yes"', 5, "`calendar` input should be a valid boolean"),
        ("after = 1", 4, "`after` input should be a valid string"),
        ('after = "1 day"\nat = 1979-05-27T07:32:00', 5, "must be a time of day"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(tmp_path: Path, step: str, line: int, expected: str) -> None:
    [found] = mistakes(tmp_path, f'title = "T"\n[[steps]]\nplaybook = "ask"\n{step}\n')
    assert found.startswith(f"step 1 (line {line}): ")
    assert expected in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "`steps` is missing"),
        ("steps = []", "`steps` needs at least one"),
        ("steps = 3", "line 1: `steps` is written [[steps]], once for each step"),
        ("[[steps]", "is not TOML"),
        ('title = ""\n[[steps]]\nafter="1 day"\nplaybook="ask"', "`title`"),
        ('ignore_quiet_hours = "yes"\n[[steps]]\nafter="1 day"\nplaybook="ask"', "`ignore_quiet_hours`"),
        ("steps = [1]", "step 1 (line 1): "),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in mistakes(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('title = 7\n\nignore_quiet_hours = "y"\n', ["line 1: `title`", "line 3: `ignore_quiet_hours`", "`steps` is"]),
        (
            'steps = [\n  { after = "1 dya", playbook = "ask" },\n  { after = "1 day", playbok = "ask" },\n]\n',
            ["step 1 (line 2): `after`", "step 2 (line 3): `playbook` is missing", "step 2 (line 3): `playbok`"],
        ),
        (
            # Each of a step's mistakes, those of its parts beside those of the whole.
            '[[steps]]\nafter = "1 hour"\nat = "08:00"\nchannel = "fax"\ntimes = 3\nplaybook = "ask"\non = "done"\n',
            ["`at` goes", "`channel` must", "`times` goes", "`on` is about"],
        ),
        ('[[step]]\nafter = "1 day"\nplaybook = "ask"\n', ["`steps` is missing", "(is 'steps' meant?)"]),
        ('[[steps]]\n' * 101, ["`steps` has 101: at most 100"]),
        ('[[steps]]\nAfter = "1 day"\nplaybook = "Say_Hello"\n', ["needs", "(is 'after' meant?)", "'say-hello' meant"]),
    ],
)  # fmt: skip
def test_every_mistake_is_named_where_it_stands(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = mistakes(tmp_path, text)
    assert all(any(words in one for one in found) for words in expected), found
    numbers = [int(n) for one in found for n in re.findall(r"line (\d+)", one)]
    assert numbers == sorted(numbers)


@given(st.text() | st.text(alphabet='[]steps="\n1 day{},', max_size=60))
def test_no_file_does_anything_but_be_read_or_refused(text: str) -> None:
    with NamedTemporaryFile(suffix=".toml") as file:
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        with suppress(PlanError):
            plan_file.read(Path(file.name))


def test_what_cannot_be_read_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'title = "caf\xe9"')
    with pytest.raises(PlanError, match="is not UTF-8"):
        plan_file.read(tmp_path / "latin.toml")
    with pytest.raises(PlanError, match="cannot be read: no such file"):
        plan_file.read(tmp_path / "absent.toml")
    with pytest.raises(PlanError, match="PLANS_DIR"):
        Plans.read(tmp_path / "absent")


def test_a_file_whose_name_can_be_no_plans_name_is_refused_among_the_plans(tmp_path: Path) -> None:
    (tmp_path / "My plan.toml").write_text('[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    with pytest.raises(PlanError, match="letters, digits"):
        Plans.read(tmp_path)


def test_toml_time_and_a_written_time_are_the_same(tmp_path: Path) -> None:
    step = '[[steps]]\nafter = "1 day"\nplaybook = "ask"\nat = {}\n'
    assert plan(tmp_path, step.format('"08:00"')) == plan(tmp_path, step.format("08:00:00"))


def test_a_meeting_logged_late_catches_up_once_at_the_next_send_time() -> None:
    met = meeting(met_at=MET, plan="conference")
    planned = follow_ups(met, Plans.read(None).get("conference"), ADA, now=MET + timedelta(days=40))
    assert summary(planned)[:4] == [
        ("skipped", "past", "2026-10-22 15:30"),
        ("skipped", "past", "2026-10-27 15:30"),
        ("waiting", None, "2026-11-30 15:30"),  # a Monday, 13:10: the send time of that day is still to come
        ("waiting", None, "2026-12-02 15:30"),
    ]
    assert [one.step for one in planned][:4] == [1, 2, 3, 4]


def test_the_newest_past_step_is_the_one_that_catches_up() -> None:
    met = meeting(met_at=MET, plan="default")
    saturday = at("2026-11-14 10:00", "America/New_York")
    planned = follow_ups(met, Plans.read(None).get("default"), ADA, now=saturday)
    assert [(one.step, *line) for one, line in zip(planned, summary(planned), strict=True)] == [
        (1, "skipped", "past", "2026-10-22 15:30"),
        (2, "waiting", None, "2026-11-16 15:30"),
        (3, "waiting", None, "2026-12-21 15:30"),
    ]


def test_a_meeting_logged_in_time_skips_nothing() -> None:
    met = meeting(met_at=MET, plan="demo")
    planned = follow_ups(met, Plans.read(None).get("demo"), ADA, now=MET + timedelta(seconds=40))
    assert {one.state for one in planned} == {"waiting"}


def test_the_demo_does_not_wait_for_the_send_time_even_when_late() -> None:
    met = meeting(met_at=MET, plan="demo")
    midnight = at("2026-10-25 00:00", "America/New_York")
    planned = follow_ups(met, Plans.read(None).get("demo"), ADA, now=midnight)
    assert [(one.step, one.state) for one in planned] == [(1, "skipped"), (2, "skipped"), (3, "waiting")]
    assert planned[-1].moment.due_at == midnight


def test_a_step_back_from_a_goal_waits_for_the_goal(tmp_path: Path) -> None:
    goal = plan(tmp_path, '[[steps]]\nbefore = "2 weeks"\nplaybook = "co-present"\n')
    assert follow_ups(meeting(met_at=MET), goal, ADA, now=MET) == []
    known = follow_ups(meeting(met_at=MET, goal_at=at("2027-02-01 09:00")), goal, ADA, now=MET)
    assert summary(known) == [("waiting", None, "2027-01-18 15:30")]


def test_a_preview_has_the_ids_that_will_be() -> None:
    met = meeting(met_at=MET)
    first = Planner(Plans.read(None)).preview(met, ADA, MET)
    again = Planner(Plans.read(None)).preview(met, ADA, MET + timedelta(minutes=5))
    assert [one.id for one in first] == [one.id for one in again]
    assert len({one.id for one in first}) == len(first) == 3
    assert first[0].zone == "America/New_York"
    assert first[0].due_at == at("2026-10-22 15:30", "America/New_York")


def test_a_plan_file_that_is_changed_counts_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "LOOKS_EVERY_SECONDS", 0)
    mine = tmp_path / "mine.toml"
    mine.write_text('[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    plans = Plans.read(tmp_path)
    assert [str(step.by) for step in plans.get("mine").steps] == ["1 day"]

    mine.write_text('[[steps]]\nafter = "12 days"\nplaybook = "ask"\n')
    (tmp_path / "other.toml").write_text('[[steps]]\nafter = "3 days"\nplaybook = "call"\n')
    assert [str(step.by) for step in plans.get("mine").steps] == ["12 days"]
    assert [step.playbook for step in plans.get("other").steps] == ["call"]

    mine.write_text('[[steps]]\nafter = "soon"\nplaybook = "ask"\n')  # being edited
    assert [str(step.by) for step in plans.get("mine").steps] == ["12 days"]

    mine.unlink()  # its meetings still go by it, and no new one can
    assert "mine" not in plans.names
    assert [str(step.by) for step in plans.get("mine").steps] == ["12 days"]
    tmp_path.joinpath("other.toml").unlink()
    tmp_path.rmdir()
    assert plans.get("other")
