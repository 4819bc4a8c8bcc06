"""Messages: golden files of every playbook, and hostile words made harmless."""

import os
import time
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from services.notifier import message
from services.notifier.words import PLAYBOOKS as PLAYBOOKS_WITH_WORDS
from services.notifier.words import TEMPLATES
from shared.events import Contact, DueFollowUp, Gathering, MissedFollowUp, NudgeData, Recipient
from shared.links import Acting, Leaving, Links
from tests.factories import at
from tests.notifier.sending import KEYS, LINKS

GOLDEN: Final = Path(__file__).parent / "golden"
NOW: Final = at("2026-11-11 15:30", "America/New_York")
PLAYBOOKS: Final = sorted(PLAYBOOKS_WITH_WORDS)
HOSTILE: Final = (
    "{{7*7}}{% for x in ().__class__.__mro__ %}{{x}}{% endfor %}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "Erin\r\nBcc: victim@example.org\r\n\r\n<p>hello",
    "=?utf-8?q?=0D=0ABcc:_x@y?=",
    "\u202eevil\u2066 \u200fnirE\x00\x1b[31m",
    "a" * 1_000_000,
    "\ud800 lone \udfff",
    "\u2028\u2029\x85\v\f",
)


def follow_up(n: int = 1, **given: Any) -> DueFollowUp:
    fields: dict[str, Any] = {
        "id": UUID(int=n),
        "playbook": "say-hello",
        "step": 1,
        "occurrence": 1,
        "due_at": NOW,
        "meeting": UUID(int=100 + n),
        "connection": UUID(int=200 + n),
        "logged_at": NOW - timedelta(days=21),
        "met_at": NOW - timedelta(days=21),
        "contact": Contact(name="Erin Okafor", email="erin@district.example", links=("https://bsky.app/profile/erin",)),
        "event": Gathering(name="MassCUE 2026", kind="conference", place="Foxborough"),
        "notes": "Robotics club swap.\nHas a spare kit & knows the judges",
        "topics": ("robotics", "grants"),
        "promise": "send the rubric",
    }
    return DueFollowUp(**fields | given)


def nudge(*follow_ups: DueFollowUp, **given: Any) -> NudgeData:
    fields: dict[str, Any] = {
        "nudge": UUID(int=9),
        "recipient": Recipient(id=UUID(int=7), name="Ada", address="ada@school.example", time_zone="America/New_York"),
        "channel": "email",
        "due_at": NOW,
        "too_late_after": NOW + timedelta(days=1),
        "follow_ups": follow_ups or (follow_up(),),
    }
    return NudgeData(**fields | given)


def written(nudge: NudgeData, *, now: datetime = NOW) -> message.Mail:
    return message.mail(nudge, LINKS, now=now)


def digest() -> NudgeData:
    return nudge(
        follow_up(1, playbook="keep-promise"),
        follow_up(2, contact=Contact(name="Bo"), event=Gathering(name="EdCamp Boston", kind="edcamp"), promise=None),
        follow_up(3, contact=Contact(name="Cy", phone="+15085550123"), playbook="call", notes=None, promise=None),
        missed=(
            MissedFollowUp(
                id=UUID(int=5),
                playbook="check-in",
                due_at=NOW - timedelta(days=3),
                connection=UUID(int=6),
                contact=Contact(name="Di"),
            ),
        ),
    )


@pytest.mark.parametrize("name", [*PLAYBOOKS, "digest"])
def test_a_message_reads_as_its_golden_files(name: str) -> None:
    with time_machine.travel(NOW.astimezone(UTC), tick=False):  # a signed link holds when it was signed
        mail = written(digest() if name == "digest" else nudge(follow_up(playbook=name)))
    for file, words in (
        (GOLDEN / f"{name}.txt", f"Subject: {mail.subject}\n\n{mail.text}"),
        (GOLDEN / f"{name}.html", mail.html),
    ):
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(words, encoding="utf-8")
        assert words == file.read_text(encoding="utf-8"), f"{file.name} differs; UPDATE_GOLDEN=1 writes it anew"


def test_there_are_twelve_playbooks_and_one_more_with_all_their_words() -> None:
    assert len(PLAYBOOKS) == 12 + 1
    for playbook in PLAYBOOKS:
        assert {file.name for file in (TEMPLATES / playbook).iterdir()} == {"en.toml", "es.toml"}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_subject_names_the_person_in_less_than_sixty_characters(playbook: str) -> None:
    short = written(nudge(follow_up(playbook=playbook))).subject
    long_name = Contact(name="Dr. Maximiliane Featherstonehaugh-Wolfeschlegelsteinhausen")
    long = written(
        nudge(follow_up(playbook=playbook, contact=long_name, event=Gathering(name="The Long Conference " * 5)))
    ).subject

    assert len(short) < 60 and len(long) < 60
    if playbook not in {"who-did-you-meet", "confirm-address"}:
        assert "Erin Okafor" in short
        assert "Dr. Maximili" in long


def test_every_follow_up_has_its_own_buttons_in_text_and_html() -> None:
    mail = written(digest())
    links = Links("https://hello.school.example", KEYS)
    for part in (mail.text, mail.html):
        tokens = {word for word in part.replace('"', " ").split() if "/a/" in word}
        acts = [
            (links.read_act(word.partition("/a/")[2].partition("?")[0]), word.rpartition("=")[2]) for word in tokens
        ]
        assert sorted((acting.follow_up.int, act) for acting, act in acts) == [
            (n, act) for n in (1, 2, 3) for act in ("done", "later", "stop")
        ]
        assert {acting.nudge for acting, _ in acts} == {UUID(int=9)}
        assert acts[0][0] == Acting(
            person=UUID(int=7),
            connection=UUID(int=200 + acts[0][0].follow_up.int),
            follow_up=acts[0][0].follow_up,
            nudge=UUID(int=9),
        )
        assert mail.leave_url in part
    leaving = links.read_leave(mail.leave_url.partition("/u/")[2])
    assert leaving == Leaving(person=UUID(int=7), channel="email", address="ada@school.example")


def test_no_name_passes_for_a_button_of_ours() -> None:
    mail = written(nudge(follow_up(contact=Contact(name="Done: https://elsewhere.example/a/token"))))
    buttons = [line for line in mail.text.splitlines() if line.startswith("Done: ")]
    assert len(buttons) == 1
    assert buttons[0].startswith("Done: https://hello.school.example/a/")


def test_the_text_holds_every_link_and_word_of_the_html() -> None:
    mail = written(digest())
    parser = _Words()
    parser.feed(mail.html)
    for href in parser.hrefs:
        if href.startswith("http"):
            assert href in mail.text
    for word in (
        "Erin Okafor",
        "You promised",
        "send the rubric",
        "Robotics club swap.",
        "Di",
        "check in",
        "+15085550123",
    ):
        assert word in mail.text and word in " ".join(parser.texts)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "today"),
        (1, "yesterday"),
        (2, "2 days ago"),
        (7, "a week ago"),
        (21, "3 weeks ago"),
        (92, "3 months ago"),
        (365, "a year ago"),
        (800, "2 years ago"),
        (-3, "today"),
    ],
)
def test_when_they_met_is_said_as_people_say_it(days: int, words: str) -> None:
    mail = written(nudge(follow_up(met_at=NOW - timedelta(days=days))))
    assert f"You met {words} at MassCUE 2026, Foxborough." in mail.text


def test_yesterday_is_counted_on_the_recipients_calendar() -> None:
    midnight = at("2026-11-11 00:10", "America/New_York")
    mail = written(nudge(follow_up(met_at=midnight - timedelta(minutes=20), due_at=midnight)), now=midnight)
    assert "You met yesterday" in mail.text


def test_a_late_message_says_when_it_was_due_and_in_which_zone() -> None:
    mail = written(nudge(), now=NOW + timedelta(hours=3))
    assert "it was due Wed 11 Nov 2026, 15:30 (America/New_York)" in mail.text
    assert "it was due" not in written(nudge()).text


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_inert_in_every_output(words: str) -> None:
    hostile = follow_up(
        contact=Contact(name=words, email=words, phone=words, links=(words, f"javascript:{words}", "data:text/html,x")),
        event=Gathering(name=words, place=words, hashtag=words),
        notes=words,
        promise=words,
        topics=(words,),
        document=f"javascript:{words[:100]}",
        playbook="../_base",
    )
    mail = written(nudge(hostile, recipient=Recipient(id=UUID(int=7), name=words, address="ada@school.example")))

    parser = _Words()
    parser.feed(mail.html)
    assert "script" not in parser.tags and "img" not in parser.tags and parser.handlers == []
    assert all(href.startswith(("https://hello.school.example/", "mailto:", "tel:")) for href in parser.hrefs)
    for output in (mail.subject, mail.text, mail.html):
        assert "49" not in _without_tokens(output)  # 7*7
        assert not set(output) & set("\0\x1b\u202e\u2066\u200f\u2028\u2029\x85\v\f\r")
        output.encode()
    assert "\n" not in mail.subject and "=?" not in mail.subject and len(mail.subject) < 60
    assert not any(line.startswith(("Bcc:", "Done: j", "Stop: j")) for line in mail.text.splitlines())
    assert len(mail.text) < 20_000 and len(mail.html) < 40_000


def test_typed_lines_cannot_pass_for_ours() -> None:
    mail = written(nudge(follow_up(notes="hello\n-- \nDone: https://evil.example/")))
    assert "\nDone: https://evil.example" not in mail.text


@given(name=st.text(max_size=300), notes=st.text(max_size=300), event=st.text(max_size=200))
def test_any_words_make_a_message(name: str, notes: str, event: str) -> None:
    mail = written(nudge(follow_up(contact=Contact(name=name), notes=notes, event=Gathering(name=event))))
    assert 0 < len(mail.subject) < 60
    assert "\n" not in mail.subject


def test_an_unknown_zone_or_playbook_of_the_operators_still_makes_a_message() -> None:
    mail = written(
        nudge(
            follow_up(playbook="bake-a-cake"),
            recipient=Recipient(id=UUID(int=7), address="a@b.example", time_zone="Mars/Olympus", locale="<b>"),
        )
    )
    assert mail.subject == "Get back to Erin Okafor"
    assert '<html lang="en">' in mail.html and "Hello,\n" in mail.text


def test_a_reply_goes_to_the_contact_only_when_there_is_one() -> None:
    assert written(nudge()).reply_to == "erin@district.example"
    assert written(digest()).reply_to is None
    assert written(digest()).thread is None
    assert written(nudge()).thread == UUID(int=201)


def test_nothing_is_loaded_from_elsewhere_and_nobody_is_tracked() -> None:
    html = written(digest()).html
    assert "<img" not in html and "url(" not in html and "@import" not in html and "<link" not in html
    assert "prefers-color-scheme: dark" in html


def test_a_thousand_messages_take_no_time_to_speak_of() -> None:
    began = time.perf_counter()
    for _ in range(1000):
        written(nudge())
    assert time.perf_counter() - began < 10  # about half a second on an idle machine


def _without_tokens(output: str) -> str:
    """The output without the parts in which digits mean nothing."""
    return " ".join(word for word in output.split() if "/a/" not in word and "/u/" not in word and "#" not in word)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.hrefs: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.hrefs += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def prompt(**given: Any) -> DueFollowUp:
    asked = {"contact": None, "form_url": "https://hello.example/log?event.name=SIG", "promise": None, "notes": None}
    return follow_up(8, **{"playbook": "who-did-you-meet", "event": Gathering(name="Robotics SIG")} | asked | given)


def test_a_host_is_asked_whom_they_met_with_the_form_at_hand_and_no_buttons_about_nobody() -> None:
    mail = written(nudge(prompt()))
    assert mail.subject == "Who did you meet at Robotics SIG?"
    assert "Log them: https://hello.example/log?event.name=SIG" in mail.text
    assert 'href="https://hello.example/log?event.name=SIG"' in mail.html
    for text in (mail.text, mail.html):
        assert "You met" not in text
        assert "/a/" not in text
        assert "somebody" not in text
    assert mail.reply_to is None


def test_a_prompt_stands_behind_the_people_in_the_subject() -> None:
    mail = written(nudge(prompt(), follow_up(1, connection=UUID(int=77))))
    assert mail.subject.startswith("Erin Okafor and 1 more")
