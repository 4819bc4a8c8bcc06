"""`afterhello plan`: dates as JSON, mistakes in one line, never a traceback."""

import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli import main
from services.scheduler.school_days import WEEKDAYS
from services.scheduler.zones import ZONES

Capture = pytest.CaptureFixture[str]


def preview(capsys: Capture, *options: str) -> list[dict[str, Any]]:
    assert main(["plan", "preview", *options, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def refused(capsys: Capture, *arguments: str) -> str:
    """Return the one line that says what is wrong."""
    status = main(["plan", *arguments])
    written = capsys.readouterr()
    assert (status, written.out, written.err.count("\n")) == (2, "", 1)
    return written.err


def test_a_preview_is_what_the_contract_shows(capsys: Capture) -> None:
    rows = preview(
        capsys, "--plan", "conference", "--met-at", "2026-10-21T14:10:00-04:00", "--zone", "America/New_York"
    )
    assert rows[0] == {
        "step": 1,
        "occurrence": 1,
        "playbook": "say-hello",
        "local": "2026-10-22T15:30:00",
        "zone": "America/New_York",
        "due_at": "2026-10-22T19:30:00Z",
    }


def test_every_wish_counts(capsys: Capture, tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text(
        '[[steps]]\nafter = "0 days"\nplaybook = "ask"\n'
        '[[steps]]\nafter = "2 weeks"\nplaybook = "ask"\n'
        '[[steps]]\nbefore = "1 week"\nplaybook = "visit"\n'
    )
    rows = preview(
        capsys,
        *("--file", str(plan), "--met-at", "2026-12-08 09:00", "--goal-at", "2027-02-01", "--zone"),
        *("Eastern Standard Time", "--send-at", "06:15", "--days", "mon,tue", "--quiet", "20:00-06:30"),
        *("--holidays", "US-MA", "--breaks", "2026-12-21..2027-01-02,2027-01-25"),
    )
    assert [(row["step"], row["local"], row["zone"]) for row in rows] == [
        (1, "2026-12-14T06:30:00", "America/New_York"),
        (2, "2027-01-04T06:30:00", "America/New_York"),
        (3, "2027-01-26T06:30:00", "America/New_York"),
    ]


def test_a_preview_says_what_goes_to_the_contact(capsys: Capture, tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    step = '[[steps]]\nafter = "{} days"\nplaybook = "ask"\n'
    plan.write_text(step.format(1) + step.format(2) + 'to = "contact"\n')
    assert [row.get("to") for row in preview(capsys, "--file", str(plan))] == [None, "contact"]
    assert main(["plan", "preview", "--file", str(plan), "--plan", "default"]) == 2
    capsys.readouterr()
    assert main(["plan", "preview", "--file", str(plan)]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["to", "owner", "contact"]


def test_a_preview_skips_nothing_because_it_is_past_and_is_utc(capsys: Capture) -> None:
    rows = preview(capsys, "--plan", "default", "--met-at", "1900-01-01")
    assert [row["due_at"] for row in rows] == ["1900-01-02T15:30:00Z", "1900-01-15T15:30:00Z", "1900-03-01T15:30:00Z"]


def test_who_met_on_a_day_that_never_was_met_on_the_next(capsys: Capture, tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text('[[steps]]\nafter = "2 days"\nplaybook = "ask"\n')
    samoan = ("--file", str(plan), "--zone", "Pacific/Apia", "--days", "sun,mon,tue")
    # The offset before the gap makes 30 December 31 December there, as the API has it.
    [skipped] = preview(capsys, *samoan, "--met-at", "2011-12-30T12:00")
    assert [skipped] == preview(capsys, *samoan, "--met-at", "2011-12-30T12:00-10:00")
    assert skipped["local"] == "2012-01-02T15:30:00"


def test_a_preview_without_a_date_begins_now(capsys: Capture) -> None:
    rows = preview(capsys, "--plan", "demo")
    assert len(rows) == 3
    assert rows[0]["zone"] == "UTC"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--zone", "Mars"], "--zone: 'Mars' is no time zone"),
        (["--zone", ""], "--zone: '' is no time zone"),
        (["--met-at", "yesterday"], "--met-at: 'yesterday' is no date and time"),
        (["--met-at", "2026-02-30"], "--met-at: '2026-02-30' does not exist"),
        (["--met-at", "2026-10-21T24:00"], "--met-at: "),
        (["--met-at", "2026-W43-3"], "--met-at: "),
        (["--met-at", "1899-12-31"], "--met-at: '1899-12-31' is not between 1900 and 2200"),
        (["--met-at", "2201-01-01"], "--met-at: "),
        (["--met-at", "0000-00-00"], "--met-at: "),
        (["--met-at", "2026-10-21T10:00+25:00"], "--met-at: '2026-10-21T10:00+25:00' is no date and time"),
        (["--met-at", "2026-10-21T14:10+99:00"], "--met-at: '2026-10-21T14:10+99:00' is no date and time"),
        (["--goal-at", "9999-12-31"], "--goal-at: "),
        (["--send-at", "3pm"], "--send-at: '3pm' is no time of day"),
        (["--send-at", "24:00"], "--send-at: "),
        (["--days", "mon,funday"], "--days: 'funday' is no day"),
        (["--days", ""], "--days: "),
        (["--quiet", "21:00"], "--quiet: '21:00' are no quiet hours"),
        (["--holidays", ""], "--holidays: '' is no region"),
        (["--holidays", "US-ZZ"], "--holidays: 'US-ZZ' is no region"),
        (["--breaks", "2026-12-21..2026-12-01"], "--breaks: '2026-12-21..2026-12-01' ends before it begins"),
        (["--breaks", "Christmas"], "--breaks: 'Christmas' is no break"),
        (["--breaks", "0001-01-01..9999-12-31"], "is wanted"),
        (["--file", "absent.toml"], "--plan or --file, exactly one"),
        (["--sometime", "x"], "no such option: --sometime"),
    ],
)
def test_wrong_input_is_refused_in_one_line_that_names_it(capsys: Capture, options: list[str], expected: str) -> None:
    assert expected in refused(capsys, "preview", "--plan", "default", *options)


@pytest.mark.parametrize("name", ["us-ma", "US-ma", " US-MA "])
def test_a_region_is_taken_in_any_case_as_the_api_takes_it(capsys: Capture, name: str) -> None:
    options = ("--plan", "default", "--met-at", "2026-04-18", "--zone", "America/New_York")
    assert preview(capsys, *options, "--holidays", name) == preview(capsys, *options, "--holidays", "US-MA")
    assert preview(capsys, *options, "--holidays", name) != preview(capsys, *options)


@pytest.mark.parametrize("name", ["america/new_york", "eastern standard time", " EASTERN STANDARD TIME "])
def test_a_zone_is_taken_in_any_case_as_the_api_takes_it(capsys: Capture, name: str) -> None:
    assert preview(capsys, "--plan", "default", "--zone", name)[0]["zone"] == "America/New_York"


def test_a_plan_must_be_named_and_be_there(capsys: Capture, tmp_path: Path) -> None:
    assert "--plan or --file" in refused(capsys, "preview")
    assert "--plan: there is no plan 'confrence' (is 'conference' meant?); there are chat, " in refused(
        capsys, "preview", "--plan", "confrence"
    )
    assert "--plan: there is no plan 'nope'; there are chat, conference, default, demo, edcamp, " in refused(
        capsys, "preview", "--plan", "nope"
    )
    assert "cannot be read" in refused(capsys, "preview", "--file", str(tmp_path / "absent.toml"))


def test_a_missing_goal_is_said_beside_the_dates(capsys: Capture, tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text('[[steps]]\nbefore = "1 week"\nplaybook = "visit"\n')
    assert main(["plan", "preview", "--file", str(plan), "--json"]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out) == []
    assert "step 1 counts back from a goal: give --goal-at" in written.err


def test_check_names_every_mistake_of_every_file(capsys: Capture, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.toml", tmp_path / "wrong.toml"
    right.write_text('[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    wrong.write_text('[[steps]]\nafter = "1 dya"\nplaybook = "ask"\n[[steps]]\nplaybook = "ask"\n')
    assert main(["plan", "check", str(right), str(wrong)]) == 2
    written = capsys.readouterr()
    assert written.out == f"{right}: right, 1 step\n"
    assert [line.split(": ")[2] for line in written.err.splitlines()] == ["step 1 (line 2)", "step 2 (line 4)"]
    assert main(["plan", "check", str(right), str(wrong), "--json"]) == 2
    assert [len(row["mistakes"]) for row in json.loads(capsys.readouterr().out)] == [0, 2]


def test_check_names_what_is_wrong_in_one_step_beside_what_is_wrong_in_another(capsys: Capture, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        'tittle = "T"\n[[steps]]\nafter = "1 dya"\nplaybook = "aks"\n'
        '[[steps]]\nafter = "1 day"\nbefore = "1 day"\nplaybook = "ask"\n[[steps]]\nafter = "soon"\nplaybook = "ask"\n'
    )
    assert main(["plan", "check", str(wrong)]) == 2
    found = [line.split(": ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert len(found) == 5
    assert found[0].startswith("line 1: `tittle` is not known here (is 'title' meant?)")
    assert found[1].startswith("step 1 (line 3): `after`: '1 dya' is no offset")
    assert found[1].endswith("; is '1 day' meant?")
    assert found[2].startswith("step 1 (line 4): `playbook` must be one of")
    assert found[2].endswith("(is 'ask' meant?)")
    assert found[3].startswith("step 2 (line 7): needs exactly one of")
    assert found[4].startswith("step 3 (line 10): `after`: 'soon' is no offset")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title = " + "9" * 5000, "is not TOML: "),
        ("#" * 1024 * 1024 + "\n", "is larger than 1 MiB"),
        ('[steps]\nafter = "1 day"\n', "line 1: `steps` is written [[steps]], once for each step"),
    ],
    ids=["a number too long", "a large file", "one bracket"],
)
def test_a_file_that_is_no_plan_is_refused_in_one_line(
    capsys: Capture, tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    assert f"mine.toml: {expected}" in refused(capsys, "check", str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev"])
def test_what_is_no_file_is_not_read(capsys: Capture, path: str) -> None:
    assert f"{path}: cannot be read: is no file" in refused(capsys, "check", path)


def test_check_knows_a_file_whose_name_no_plan_can_have(capsys: Capture, tmp_path: Path) -> None:
    spaced = tmp_path / "my plan.toml"
    spaced.write_text('[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    assert f"{spaced}: a plan's name is letters, digits, - and _" in refused(capsys, "check", str(spaced))


def test_check_without_files_reads_all_plans_there_are(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("")
    monkeypatch.setenv("PLANS_DIR", str(tmp_path))
    assert main(["plan", "check"]) == 2
    written = capsys.readouterr()
    assert "conference.toml: right" in written.out
    assert "mine.toml: `steps` is missing" in written.err


def test_list_shows_the_operators_plans_beside_the_shipped(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "Mine"\n[[steps]]\nafter = "1 day"\nplaybook = "ask"\n')
    monkeypatch.setenv("PLANS_DIR", str(tmp_path))
    assert main(["plan", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"] == {"name": "mine", "title": "Mine", "steps": 1, "file": str(mine)}
    assert rows["demo"]["file"] == "shipped"


HOSTILE = """
 |-|--|%s|{}|\\ud800|UTC |utc|Etc/GMT+14|America/|posixrules|EST5EDT4|24:00|00:00|00:00-00:00|23:59-00:00
21:00–07:00|7:00-8:00|MON|mon,,tue|mon,mon|US-|-US|US-MA-X|us|İ|ß|2026-01-01..|..2026-01-01|2026-01-01..2026-01-01|1900-01-01..2200-12-31
0001-01-01..9999-12-31|2026-01-01...2026-01-02|2026-01-01..2026-01-02,|1900-01-01T00:00:00+23:59|2200-12-31T23:59:59-23:59
2200-12-31T23:59|0001-01-01|9999-12-31T23:59:59Z|-1|1e9|NaN|２０２６-01-01|2026-02-29|2026-10-21T14:10:00.1234567|20261021
2026-294|2026-W43-3|now|2026-10-21t14:10z|1900-01-01..1999-12-31,2000-01-01..2200-01-01
'; DROP TABLE|../..|\u202e|a\x0bb
"""
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "2026-10-21",
        "UTC",
        "mon",
        "21:00-07:00",
        "US-MA",
        "12:00",
        "US",
        *HOSTILE.replace("\n", "|").split("|"),
        "x" * 5000,
        "\n",
        "\0",
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    options=st.dictionaries(
        st.sampled_from(
            [
                "--met-at",
                "--goal-at",
                "--zone",
                "--send-at",
                "--days",
                "--quiet",
                "--holidays",
                "--breaks",
                "--plan",
                "--file",
            ]
        ),
        TEXTS,
    )
)
def test_whatever_is_typed_is_answered_or_refused_in_one_line(options: dict[str, str]) -> None:
    arguments = [f"{name}={text}" for name, text in ({"--plan": "conference"} | options).items()]
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["plan", "preview", "--json", *arguments])
    assert status in {0, 2}
    if status == 2:
        assert (out.getvalue(), err.getvalue().count("\n")) == ("", 1)
    else:
        assert isinstance(json.loads(out.getvalue()), list)


CLOCK_TIMES = st.times().map(lambda at: at.strftime("%H:%M"))


@settings(deadline=None, max_examples=60)
@given(
    plan=st.sampled_from(["chat", "conference", "goal", "visit"]),
    met_at=st.datetimes(datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2200-12-30")),
    zone=st.sampled_from(sorted(ZONES)),
    send_at=CLOCK_TIMES,
    quiet=st.tuples(CLOCK_TIMES, CLOCK_TIMES),
    days=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
)
def test_for_any_zone_and_date_what_is_answered_is_what_the_wall_clock_shows_on_a_wanted_day(
    plan: str, met_at: datetime, zone: str, send_at: str, quiet: tuple[str, str], days: set[str]
) -> None:
    options = ["--met-at", f"{met_at:%Y-%m-%dT%H:%M}", "--goal-at", f"{met_at:%Y-%m-%d}", "--zone", zone]
    options += ["--send-at", send_at, "--quiet", "-".join(quiet), "--days", ",".join(days)]
    out = StringIO()
    with redirect_stdout(out):
        assert main(["plan", "preview", "--plan", plan, "--json", *options]) == 0
    rows = json.loads(out.getvalue())
    assert rows
    for row in rows:
        local = datetime.fromisoformat(row["local"])
        shown = datetime.fromisoformat(row["due_at"].replace("Z", "+00:00")).astimezone(ZoneInfo(zone))
        assert (shown.replace(tzinfo=None, fold=0), row["zone"]) == (local, zone)
        assert WEEKDAYS[local.weekday()] in days
        at = f"{local:%H:%M}"
        is_quiet = quiet[0] <= at < quiet[1] if quiet[0] <= quiet[1] else at >= quiet[0] or at < quiet[1]
        assert not is_quiet
    assert [row["due_at"] for row in rows] == sorted(row["due_at"] for row in rows)
