"""Calendars as schools really have them: odd bytes, odd events; what is wrong is named, and the rest counts."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler import ical
from services.scheduler.ical import NotACalendar

TODAY = date(2026, 10, 21)
WINTER = "DTSTART;VALUE=DATE:20261221\nDTEND;VALUE=DATE:20270103\nSUMMARY:Winter recess"


def calendar(*events: str, end: str = "\r\n") -> str:
    body = "".join(f"BEGIN:VEVENT\nUID:{n}\n{event}\nEND:VEVENT\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{body}END:VCALENDAR\n".replace("\n", end)


def found(text: str | bytes, only: Sequence[str] = ()) -> tuple[list[str], tuple[str, ...]]:
    read = ical.read(text.encode() if isinstance(text, str) else text, today=TODAY, only=only)
    return [f"{one.first}..{one.last}" for one in read.breaks], read.left_out


WINTERS = ["2026-12-21..2027-01-02"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("SUMMARY:Bad", "it does not say when it begins (DTSTART)"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:2026-11-26", "its DTSTART is '2026-11-26', which is no day or time"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20260230", "its DTSTART is '20260230', which is no day or time"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20261126\nRRULE:FREQ=NEVER", "its rule (RRULE) is none"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20261126\nRRULE:FREQ=HOURLY", "a rule that repeats whole days by hours"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20261126\nDURATION:long", "its DURATION is 'long', which is no day or time"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20290101", "it lasts longer than a year"),
        ("SUMMARY:Bad\nDTSTART;VALUE=DATE:20261126\nRDATE:tomorrow", "its RDATE is no list of days"),
    ],
)
def test_one_bad_event_is_named_and_the_others_count(bad: str, why: str) -> None:
    breaks, [left_out] = found(calendar(bad, WINTER))
    assert breaks == WINTERS
    assert left_out.startswith(f"'Bad' (line 4): {why}")


def test_what_is_wrong_with_a_line_that_does_not_matter_does_not_matter() -> None:
    noise = 'DESCRIPTION;X="unclosed:…\nno colon here\nATTENDEE;;;=:x\nX-ODD\nGEO:north\nPRIORITY:very\n'
    assert found(calendar(noise + WINTER)) == (WINTERS, ())
    alarm = "\nBEGIN:VALARM\nTRIGGER:-PT15M\nDTSTART:nonsense\nSUMMARY:Ring\nEND:VALARM"
    assert found(calendar(WINTER + alarm)) == (WINTERS, ())


def test_two_calendars_in_one_file_are_both_read() -> None:
    assert found(calendar(WINTER) + calendar("DTSTART;VALUE=DATE:20261126\nDURATION:P2D")) == (
        ["2026-11-26..2026-11-27", *WINTERS],
        (),
    )


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_any_line_ends_will_do(end: str) -> None:
    assert found(calendar(WINTER, end=end)) == (WINTERS, ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_any_encoding_of_a_schools_computer_will_do(encoding: str) -> None:
    text = calendar(WINTER.replace("Winter recess", "Frühjahr – Café"), "DTSTART;VALUE=DATE:20261126\nSUMMARY:Fête")
    raw = text.encode(encoding)
    assert found(raw, only=["FRÜHJAHR"]) == (WINTERS, ())
    assert found(raw, only=["fe\u0302te"]) == (["2026-11-26..2026-11-26"], ())  # a letter and its accent, typed apart
    with pytest.raises(NotACalendar, match="no event of whole days with Pâques in its name"):
        found(raw, only=["Pâques"])


def test_a_letter_that_is_folded_in_its_middle_is_whole_again() -> None:
    name = "Frühjahr".encode()
    cut = name.index(b"\xbc")
    raw = calendar(WINTER).encode().replace(b"Winter recess", name[:cut] + b"\r\n " + name[cut:])
    assert found(raw, only=["frühjahr"]) == (WINTERS, ())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        # A day that begins as a day and ends at an hour lasts into the day of that hour.
        ("DTSTART;VALUE=DATE:20261126\nDTEND:20261127T150000", ["2026-11-26..2026-11-27"]),
        ("DTSTART;VALUE=DATE:20261126\nDTEND:20261127T000000", ["2026-11-26..2026-11-26"]),
        ("DTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20261126", ["2026-11-26..2026-11-26"]),
        ("DTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20261120", ["2026-11-26..2026-11-26"]),
        ("DTSTART;VALUE=DATE:20261126T000000", ["2026-11-26..2026-11-26"]),
        ("DTSTART;VALUE=DATE:20261126\nDTSTART;VALUE=DATE:20261126", ["2026-11-26..2026-11-26"]),
        ("DTSTART;VALUE=DATE:20261126\nSUMMARY:A\nSUMMARY:B\nUID:again", ["2026-11-26..2026-11-26"]),
        (
            "DTSTART;VALUE=DATE:20261126\nRDATE;VALUE=PERIOD:20261201T000000/P1D,20261210T000000/20261211T000000",
            ["2026-11-26..2026-11-26", "2026-12-01..2026-12-01", "2026-12-10..2026-12-10"],
        ),
        ("DTSTART;VALUE=DATE:20261126\nDURATION:-P3D", ["2026-11-26..2026-11-26"]),
        ("dtstart;value=date:20261126", ["2026-11-26..2026-11-26"]),
        (
            "DTSTART;VALUE=DATE:20261126\nRRULE:FREQ=YEARLY;COUNT=2\nRRULE:FREQ=DAILY;COUNT=2",
            ["2026-11-26..2026-11-27", "2027-11-26..2027-11-26"],
        ),
    ],
)
def test_an_odd_event_is_taken_as_it_was_meant(event: str, expected: list[str]) -> None:
    assert found(calendar(event)) == (expected, ())


def test_a_file_that_breaks_off_has_what_was_whole() -> None:
    text = calendar(WINTER, "DTSTART;VALUE=DATE:20261126\nSUMMARY:Cut")
    breaks, left_out = found(text.partition("SUMMARY:Cut")[0] + "SUMMARY:Cut")
    assert (breaks, left_out) == (WINTERS, ("'Cut' (line 10): it is cut off",))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=WEEKLY;INTERVAL=00",
        "FREQ=DAILY;INTERVAL=999999999999",
        "FREQ=YEARLY;BYEASTER=0",
        "FREQ=MONTHLY;BYSETPOS=0",
        "FREQ=DAILY;COUNT=99999999",
        "FREQ=DAILY;COUNT=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=DAILY;UNTIL=19000101",
        "FREQ=DAILY;UNTIL=",
        "COUNT=3",
        "",
    ],
)
def test_no_rule_takes_long(rule: str) -> None:
    began = time.monotonic()
    with suppress(NotACalendar):
        found(calendar(f"DTSTART;VALUE=DATE:20261102\nRRULE:{rule}", WINTER))
    assert time.monotonic() - began < 5


WRITTEN = """
BEGIN:VEVENT|END:VEVENT|BEGIN:VCALENDAR|END:VCALENDAR|BEGIN:VALARM|END:VALARM| folded|:|SUMMARY:No school|UID:1
DTSTART;VALUE=DATE:20261126|DTSTART:20261126T000000Z|DTSTART:|DTSTART;TZID=Mars:20261126T000000|STATUS:CANCELLED
DTEND;VALUE=DATE:20261128|DTEND:20261128T120000|DURATION:P2D|DURATION:PT1H|DURATION:-P9999999D|RRULE:FREQ=DAILY
RRULE:FREQ=WEEKLY;COUNT=3|RRULE:FREQ=YEARLY;BYDAY=-1MO,99TU|RDATE;VALUE=DATE:20261126,0|EXDATE:x|RECURRENCE-ID:
RECURRENCE-ID;VALUE=DATE:20261203|DTSTART;VALUE=DATE:00010101|DTSTART;VALUE=DATE:99991231|DTEND;VALUE=DATE:99991231
"""
LINES = st.lists(st.sampled_from(WRITTEN.strip().replace("\n", "|").split("|")), max_size=14)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "no"]))
def test_whatever_stands_in_a_calendar_is_taken_or_named(lines: list[str], end: str, only: str) -> None:
    text = end.join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"])
    with suppress(NotACalendar):
        read = ical.read(text.encode(), today=TODAY, only=[only] if only else ())
        assert read.breaks
        for one, after in zip(read.breaks, read.breaks[1:], strict=False):
            assert one.first <= one.last < after.first - timedelta(days=1)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_read_or_refused(raw: bytes) -> None:
    for text in (raw, b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + raw + b"\nEND:VEVENT\nEND:VCALENDAR"):
        with suppress(NotACalendar):
            ical.read(text, today=TODAY)
