"""A submission becomes meetings, or says which field is wrong. No database, no clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import meeting
from services.intake.body import Invalid
from services.intake.meeting import Defaults, Draft
from tests.factories import at

NOW = at("2026-10-21 14:30", "America/New_York")
PLANS = ("default", "conference", "demo")
OWNER = {"email": "ada@school.example"}


def read(
    *, zone: str = "America/New_York", now: datetime = NOW, defaults: Defaults | None = None, **given: Any
) -> list[Draft]:
    document = {"owner": OWNER, "contact": {"name": "Erin"}} | given
    return meeting.settle(meeting.read(document, plans=PLANS, defaults=defaults or Defaults()), zone=zone, now=now)


def problems(**given: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        read(**given)
    return {error["field"]: error["problem"] for error in raised.value.errors}


def test_only_an_owner_and_a_name_are_needed() -> None:
    [draft] = read()
    assert (draft.contact.name, draft.plan, draft.met_at, draft.goal_at) == ("Erin", "default", NOW, None)


def test_every_required_field_that_is_missing_is_named() -> None:
    assert problems(owner={}, contact=None) == {"owner.email": "is required", "contact.name": "is required"}


def test_the_facts_are_in_the_words_of_the_api() -> None:
    sent: dict[str, Any] = {
        "owner": {"email": "ada@school.example", "name": "Ada", "phone": "+15085550123", "time_zone": "Asia/Tokyo"}
        | {"channel": "email"},
        "contact": {"name": "Erin", "email": "e@x.example", "phone": None, "links": ["https://x.example/"]}
        | {"consent": True},
        "event": {"name": "MassCUE 2026", "kind": "conference", "hashtag": "masscue", "place": "Foxborough"},
        "met_at": "2026-10-21T14:10:00-04:00",
        "notes": "robotics club swap",
        "topics": ["robotics"],
        "promise": "send the rubric",
        "document": "https://docs.google.com/x",
        "goal_at": "2027-01-01T00:00:00+09:00",
        "plan": "demo",
    }
    [draft] = read(**sent)
    assert draft.facts == sent


@pytest.mark.parametrize(
    ("given", "defaults", "plan"),
    [
        ({"plan": "demo", "event": {"kind": "conference"}}, Defaults(plan="default"), "demo"),
        ({"event": {"kind": "conference"}}, Defaults(plan="demo"), "demo"),
        ({"event": {"kind": "conference"}}, Defaults(), "conference"),
        ({"event": {"kind": "visit"}}, Defaults(), "default"),
        ({"event": None, "plan": " "}, Defaults(), "default"),
    ],
)
def test_the_plan_is_the_given_one_else_the_sources_else_the_kinds(
    given: dict[str, Any], defaults: Defaults, plan: str
) -> None:
    assert read(defaults=defaults, **given)[0].plan == plan


def test_the_same_contact_twice_is_one_in_the_first_place() -> None:
    met = [
        {"name": "Zoe", "email": "Zoe@x.example"},
        {"name": "Abe"},
        {"name": "Z.", "email": "zoe@X.example"},
        {"name": " ABE"},
        {"name": "Abe", "phone": "+15085550123"},
    ]
    assert [draft.contact.name for draft in read(contact=None, contacts=met)] == ["Zoe", "Abe", "Abe"]
    assert [draft.contact.name for draft in read(contact=met[1], contacts=met)] == ["Abe", "Zoe", "Abe"]


def test_fifty_contacts_of_whom_some_come_twice_are_fifty() -> None:
    met = [{"name": f"E{n}"} for n in range(50)]
    assert len(read(contact=None, contacts=[*met, *met])) == 50


@pytest.mark.parametrize(
    ("given", "field", "problem"),
    [
        ({"contact": {"name": ""}}, "contact.name", "must not be empty"),
        ({"contact": {"name": 7}}, "contact.name", "must be text"),
        ({"contact": {}}, "contact.name", "is required"),
        ({"contact": {"name": "x" * 201}}, "contact.name", "must have at most 200 characters"),
        ({"contact": {"name": "a\nb"}}, "contact.name", "must be one line"),
        ({"contact": {"name": "a\u202eb"}}, "contact.name", "must be one line"),
        ({"contact": {"name": "a\u2028b"}}, "contact.name", "must be one line"),
        ({"contact": {"name": "a\x7fb"}}, "contact.name", "must be one line"),
        ({"contact": {"name": "E", "consent": "yes"}}, "contact.consent", "must be true or false"),
        ({"contact": {"name": "E", "consent": 1}}, "contact.consent", "must be true or false"),
        ({"contact": {"name": "E", "links": "https://x.example"}}, "contact.links", "must be a list"),
        ({"contact": {"name": "E", "links": ["https://x.example"] * 11}}, "contact.links", "must be at most 10"),
        ({"contact": {"name": "E", "links": ["//x.example"]}}, "contact.links.0", "must be a web address"),
        ({"contact": {"name": "E", "age": 7}}, "contact.age", "is not a field known here"),
        ({"contact": "Erin"}, "contact", "must be an object"),
        ({"contacts": [{"name": "E"}, {"name": "F", "email": "x"}]}, "contacts.1.email", "must be one e-mail address"),
        ({"contacts": [{"name": f"E{n}"} for n in range(10_000)]}, "contacts", "must be at most 50"),
        ({"contacts": [{"name": f"E{n}"} for n in range(50)]}, "contacts", "must be at most 50"),
        ({"owner": None}, "owner", "must be an object"),
        ({"owner": OWNER | {"time_zone": "Mars/Olympus"}}, "owner.time_zone", "must be a time zone"),
        ({"owner": OWNER | {"channel": "sms"}}, "owner.channel", "must be email"),
        ({"owner": OWNER | {"channel": "pigeon"}}, "owner.channel", "must be email, sms, or the address"),
        ({"owner": OWNER | {"send_at": "24:00"}}, "owner.send_at", "must be a time of day"),
        ({"owner": OWNER | {"send_at": 1530}}, "owner.send_at", "must be a time of day"),
        ({"owner": OWNER | {"days": []}}, "owner.days", "must be at least 1"),
        ({"owner": OWNER | {"days": ["funday"]}}, "owner.days.0", "must be 'mon'"),
        ({"owner": OWNER | {"daily_limit": 0}}, "owner.daily_limit", "must be at least 1"),
        ({"owner": OWNER | {"daily_limit": "1_0"}}, "owner.daily_limit", "must be a whole number"),
        ({"owner": OWNER | {"daily_limit": True}}, "owner.daily_limit", "must be a whole number"),
        ({"owner": OWNER | {"breaks": ["2027-01-02..2026-12-21"]}}, "owner.breaks.0", "must not end before"),
        ({"owner": OWNER | {"breaks": ["2026-02-30"]}}, "owner.breaks.0", "must be a date"),
        (
            {"owner": OWNER | {"holidays": "US-ZZ"}},
            "owner.holidays",
            "must be a region whose public holidays are known",
        ),
        ({"owner": OWNER | {"paused_until": "soon"}}, "owner.paused_until", "must be a date"),
        ({"event": {"kind": "party"}}, "event.kind", "must be 'conference'"),
        ({"event": []}, "event", "must be an object"),
        ({"notes": "x" * 4001}, "notes", "must have at most 4,000 characters"),
        ({"promise": "x" * 501}, "promise", "must have at most 500 characters"),
        ({"topics": ["x"] * 21}, "topics", "must be at most 20"),
        ({"topics": ["x" * 61]}, "topics.0", "must have at most 60 characters"),
        ({"topics": [""]}, "topics.0", "must not be empty"),
        ({"topics": {"a": 1}}, "topics", "must be a list"),
        ({"document": "https://x.example/" + "x" * 2000}, "document", "must have at most 2,000 characters"),
        ({"plan": "nope"}, "plan", "must be one of conference, default, demo"),
        ({"plan": 1}, "plan", "must be text"),
        ({"id": "x"}, "id", "is not a field known here"),
        ({"owner.email": "x"}, "owner.email", "is not a field known here"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_is_wrong(given: dict[str, Any], field: str, problem: str) -> None:
    found = problems(**given)
    assert found.keys() == {field}
    assert found[field].startswith(problem)


@pytest.mark.parametrize("text", ["x" * 5000, "<script>alert(1)</script>", "erin@district.example"])
def test_what_was_sent_is_not_repeated_in_an_error(text: str) -> None:
    found = problems(contact={"name": "E", "email": text + "@", "phone": text, "consent": text}, plan=text * 3)
    assert not [problem for problem in found.values() if text in problem]


def test_names_of_unknown_fields_are_cut_short() -> None:
    assert [len(field) for field in problems(**{"x" * 100_000: 1})] == [60]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-21T14:10:00-04:00", at("2026-10-21 14:10", "America/New_York")),
        ("2026-10-21T18:10:00Z", at("2026-10-21 18:10")),
        ("2026-10-21t18:10:00.123456789z", at("2026-10-21 18:10:00.123456")),
        ("2026-10-21 14:10", at("2026-10-21 14:10", "America/New_York")),
        ("2026-10-20", at("2026-10-20 12:00", "America/New_York")),
        ("2026-10-22T14:29:00-04:00", at("2026-10-22 14:29", "America/New_York")),
        ("2026-03-08T02:30:00", at("2026-03-08 07:30")),  # in a gap: the offset before it
        ("2025-11-02T01:30:00", at("2025-11-02 05:30")),  # in a fold: the first
    ],
)
def test_when_they_met_is_read_in_the_owners_zone(text: str, expected: datetime) -> None:
    assert read(met_at=text)[0].met_at.astimezone(UTC) == expected.astimezone(UTC)


def test_a_day_alone_is_its_noon_and_today_not_later_than_now() -> None:
    morning = at("2026-10-21 09:00", "America/New_York")
    assert read(met_at="2026-10-21", now=morning)[0].met_at == morning
    assert read(met_at="2026-10-21")[0].met_at == at("2026-10-21 12:00", "America/New_York")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2026-10-22T14:31:00-04:00", "must not be more than a day ahead"),
        ("2016-10-20T00:00:00Z", "must not be older than ten years"),
        ("1899-12-31", "must not be older than ten years"),
        ("0001-01-01T00:00:00+14:00", "must"),
        ("9999-12-31T23:59:59-12:00", "must"),
        ("2026-10-21T24:00:00Z", "must be a date and time"),
        ("2026-06-30T23:59:60Z", "must be a date and time"),
        ("2026-02-30", "must be a date and time"),
        ("2026-W43-3", "must be a date and time"),
        ("20261021", "must be a date and time"),
        ("1795446000", "must be a date and time"),
        ("2026-10-21T14:10:00+23:59", "must have an offset of at most 14 hours"),
        ("10/21/2026", "must be a date and time"),
        ("yesterday", "must be a date and time"),
        ("２０２６-10-21", "must be a date and time"),
        (1795446000, "must be text"),
        (True, "must be text"),
        (["2026-10-21"], "must be text"),
    ],
)
def test_when_they_met_must_be_a_time_of_our_days(value: object, problem: str) -> None:
    assert problems(met_at=value)["met_at"].startswith(problem)


def test_a_goal_may_lie_years_ahead() -> None:
    assert read(goal_at="2030-06-01")[0].goal_at == at("2030-06-01 12:00", "America/New_York")
    assert problems(goal_at="2040-01-01")["goal_at"] == "must not be more than ten years ahead"


@pytest.mark.parametrize(
    ("stored", "given", "source", "expected"),
    [
        ("Asia/Tokyo", "Europe/Madrid", "Europe/Paris", ("Asia/Tokyo", "person")),
        (None, "Europe/Madrid", "Europe/Paris", ("Europe/Madrid", "person")),
        (None, None, "Europe/Paris", ("Europe/Paris", "source")),
        (None, None, None, ("UTC", "default")),
    ],
)
def test_a_persons_own_zone_counts_first(stored: str, given: str, source: str, expected: tuple[str, str]) -> None:
    document = {"owner": OWNER | {"time_zone": given}, "contact": {"name": "E"}}
    defaults = Defaults(zone=source)
    submitted = meeting.read(document, plans=PLANS, defaults=defaults)
    assert meeting.zone_of(submitted, stored=stored, defaults=defaults) == expected


def test_the_wishes_are_those_that_were_given() -> None:
    owner = OWNER | {"send_at": "16:00", "days": ["mon", "fri"], "breaks": ["2026-12-21..2027-01-02", "2027-02-15"]}
    submitted = meeting.read({"owner": owner, "contact": {"name": "E"}}, plans=PLANS, defaults=Defaults())
    wishes = meeting.wishes(submitted.owner)
    assert wishes.keys() == {"send_at", "days", "breaks"}
    assert [(str(one.first), str(one.last)) for one in wishes["breaks"]] == [
        ("2026-12-21", "2027-01-02"),
        ("2027-02-15", "2027-02-15"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "email", "links", "kind"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["owner", "contact", "contacts", "event", "met_at", "topics", "plan", "x"]), JSON)
)
def test_whatever_is_sent_is_a_meeting_or_says_why_not(document: dict[str, Any]) -> None:
    try:
        drafts = read(**document, now=datetime(2026, 10, 21, tzinfo=UTC))
    except Invalid as invalid:
        assert all(error["field"] and error["problem"] for error in invalid.errors)
    else:
        assert drafts


@given(
    st.datetimes(timezones=st.timezones()) | st.dates(), st.sampled_from(["UTC", "Pacific/Apia", "America/New_York"])
)
def test_any_moment_is_an_instant_or_out_of_reach(value: datetime, zone: str) -> None:
    try:
        [draft] = read(met_at=value.isoformat(), zone=zone)
    except Invalid:
        return
    assert NOW - timedelta(days=3654) < draft.met_at <= NOW + timedelta(days=1)
