"""Calendar entries: only where a plan wants them, and right by the book (RFC 5545, 5546, 6047)."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from icalendar import Calendar

from services.notifier.channels.mail_bytes import mailbox
from services.notifier.channels.mail_bytes import written as as_bytes
from services.notifier.message import Mail
from shared.events import Contact
from tests.factories import at
from tests.notifier.nudges import HOSTILE, NOW, follow_up, nudge, several, written

SENDER = "hello@school.example"


def mail(playbook: str = "call", *, locale: str = "en", now: datetime = NOW, **given: Any) -> Mail:
    one = follow_up(playbook=playbook, **{"calendar": True} | given)
    return written(nudge(one, locale=locale), now=now, organizer=SENDER)


def entry(mail: Mail) -> Any:
    assert mail.calendar is not None
    calendar = Calendar.from_ical(mail.calendar)
    assert calendar["METHOD"] == "PUBLISH"
    (found,) = calendar.walk("VEVENT")
    return found


def test_there_is_an_entry_only_where_the_plan_wants_one_and_there_is_something_to_fix() -> None:
    assert mail().calendar is not None and mail("visit").calendar is not None
    assert mail(calendar=False).calendar is None
    assert mail("ask").calendar is None
    assert written(nudge(follow_up(playbook="call", calendar=True))).calendar is None  # nobody to organise it
    assert written(several(), organizer=SENDER).calendar is None


def test_a_call_is_fifteen_minutes_on_the_next_weekday_at_the_hour_of_the_nudge() -> None:
    wednesday = entry(mail())
    assert wednesday.decoded("DTSTART") == at("2026-11-12 15:30", "America/New_York").astimezone(UTC)
    assert wednesday.decoded("DTEND") - wednesday.decoded("DTSTART") == timedelta(minutes=15)
    friday = at("2026-11-13 15:30", "America/New_York")
    assert entry(mail(due_at=friday, now=friday)).decoded("DTSTART") == at("2026-11-16 15:30", "America/New_York")
    before_the_change = at("2026-10-30 15:30", "America/New_York")
    assert entry(mail(due_at=before_the_change, now=before_the_change)).decoded("DTSTART") == datetime(
        2026, 11, 2, 20, 30, tzinfo=UTC
    )


def test_a_visit_is_when_they_agreed_on() -> None:
    goal = at("2027-02-01 09:00", "America/New_York")
    assert entry(mail("visit", goal_at=goal)).decoded("DTSTART") == goal
    assert entry(mail("visit", goal_at=NOW - timedelta(days=1))).decoded("DTSTART") > NOW


def test_the_entry_says_whom_in_the_readers_language_and_nothing_that_is_private() -> None:
    found = mail(locale="es")
    assert entry(found)["SUMMARY"] == "Llamar a Erin Okafor: quince minutos"
    assert entry(mail("visit"))["SUMMARY"] == "Visit with Erin Okafor"
    said = (found.calendar or b"").decode()
    for private in ("rubric", "spare kit", "robotics", "/a/", "+1508"):
        assert private not in said
    assert entry(found)["CLASS"] == "PRIVATE" and entry(found)["TRANSP"] == "TRANSPARENT"


def test_after_a_snooze_it_is_the_same_entry_moved() -> None:
    first, later = entry(mail()), entry(mail(due_at=NOW + timedelta(days=7), now=NOW + timedelta(days=7)))
    assert first["UID"] == later["UID"] and first["UID"].endswith("@school.example")
    assert later["SEQUENCE"] > first["SEQUENCE"]
    assert later.decoded("DTSTART") > first.decoded("DTSTART")
    again = entry(mail())
    assert (again["UID"], again["SEQUENCE"]) == (first["UID"], first["SEQUENCE"])


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_inert_in_a_calendar(words: str) -> None:
    found = mail(contact=Contact(name=words, email=words))
    said = (found.calendar or b"").decode()
    (one,) = Calendar.from_ical(said).walk("VEVENT")
    assert {"ATTENDEE", "URL", "ATTACH"}.isdisjoint(one.keys())
    assert one["ORGANIZER"] == f"mailto:{SENDER}"
    assert said.count("\r\nBEGIN:") == 1 and all(len(line) <= 75 for line in (found.calendar or b"").split(b"\r\n"))
    assert not set(said) & set("\0\x1b\u202e\u2066")


def test_the_mail_carries_it_as_a_file_of_its_own() -> None:
    sender = mailbox(SENDER, "Afterhello")
    found = mail(contact=Contact(name="Zoë " + "ñ" * 90))
    content = as_bytes(
        found, sender=sender, recipient=mailbox("ada@school.example"), message_id="<1@school.example>", at=NOW
    )
    message = message_from_bytes(content, policy=default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar",
    ]  # fmt: skip
    (part,) = message.iter_attachments()
    assert part.get_filename() == "afterhello.ics" and part.get_content_disposition() == "attachment"
    assert dict(part["Content-Type"].params) == {"charset": "UTF-8", "method": "PUBLISH"}
    assert part.get_payload(decode=True) == found.calendar
    assert content.count(b"MIME-Version") == 1
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
