"""When and where they met, and by when something is wanted: as people say it, in both languages."""

import re
from datetime import timedelta

import pytest

from shared.events import Gathering
from tests.factories import at
from tests.notifier.nudges import NOW, follow_up, nudge, written


@pytest.mark.parametrize(
    ("days", "english", "spanish"),
    [
        (0, "today", "hoy"),
        (1, "yesterday", "ayer"),
        (2, "2 days ago", "hace 2 días"),
        (7, "a week ago", "hace una semana"),
        (21, "3 weeks ago", "hace 3 semanas"),
        (92, "3 months ago", "hace 3 meses"),
        (365, "a year ago", "hace un año"),
        (800, "2 years ago", "hace 2 años"),
        (-3, "today", "hoy"),
    ],
)
def test_when_they_met_is_said_as_people_say_it(days: int, english: str, spanish: str) -> None:
    met = follow_up(met_at=NOW - timedelta(days=days))
    assert f"You met {english} at MassCUE 2026, Foxborough." in written(nudge(met)).text
    assert f"Se conocieron {spanish} en MassCUE 2026 (Foxborough)." in written(nudge(met, locale="es")).text


def test_yesterday_is_counted_on_the_recipients_calendar() -> None:
    midnight = at("2026-11-11 00:10", "America/New_York")
    mail = written(nudge(follow_up(met_at=midnight - timedelta(minutes=20), due_at=midnight)), now=midnight)
    assert "You met yesterday" in mail.text


@pytest.mark.parametrize(
    ("event", "english", "spanish"),
    [
        (Gathering(name="MassCUE 2026"), "at MassCUE 2026.", "en MassCUE 2026."),
        (Gathering(kind="conference"), "at the conference.", "en el congreso."),
        (Gathering(kind="visit", place="Lowell"), "during the visit in Lowell.", "durante la visita en Lowell."),
        (Gathering(kind="chat", hashtag="#masscue"), "in the #masscue chat.", "en el chat #masscue."),
        (Gathering(kind="chat", hashtag="edchat"), "in #edchat.", "en #edchat."),
        (Gathering(place="Foxborough"), "in Foxborough.", "en Foxborough."),
        (Gathering(), "ago.", "semanas."),
    ],
)
def test_where_they_met_is_said_as_people_say_it(event: Gathering, english: str, spanish: str) -> None:
    assert re.search(rf"^You met 3 weeks .*{re.escape(english)}$", written(nudge(follow_up(event=event))).text, re.M)
    said = written(nudge(follow_up(event=event), locale="es")).text
    assert re.search(rf"^Se conocieron hace 3 .*{re.escape(spanish)}$", said, re.M)


def test_a_late_message_says_when_it_was_due_and_in_which_zone() -> None:
    late = NOW + timedelta(hours=3)
    assert "it was due Wed 11 Nov 2026, 15:30 (America/New_York)" in written(nudge(), now=late).text
    assert "era para el miércoles 11 de noviembre de 2026, 15:30" in written(nudge(locale="es"), now=late).text
    assert "it was due" not in written(nudge()).text


def test_a_goal_ahead_is_named_and_one_behind_is_not() -> None:
    ahead = follow_up(goal_at=at("2027-02-01 12:00", "America/New_York"), playbook="write-together")
    assert "You are aiming for 1 February 2027." in written(nudge(ahead)).text
    assert "es el 1 de febrero de 2027." in written(nudge(ahead, locale="es")).text
    assert "aiming" not in written(nudge(follow_up(goal_at=NOW - timedelta(days=1)))).text


@pytest.mark.parametrize("locale", ["en", "es"])
def test_what_ends_in_a_full_stop_ends_a_sentence(locale: str) -> None:
    event = Gathering(name="EdTech Inc.", kind="conference", place="Washington, D.C.")
    met = follow_up(event=event, topics=("A.I.",), notes="Wait..", document="https://docs.example/..")
    text = written(nudge(met, locale=locale)).text
    assert "D.C.\n" in text or "D.C.)." in text
    assert "A.I.\n" in text and "Inc.." not in text
    assert "Wait..\n" in text and "https://docs.example/..\n" in text  # theirs stay as they are
