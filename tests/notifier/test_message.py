"""Messages: golden files of every playbook, and what every message holds."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from services.notifier import words
from services.notifier.message import Lost
from shared.events import Contact, Gathering, NudgeData, Recipient
from shared.links import Acting, Leaving, Links
from tests.factories import at
from tests.notifier.nudges import (
    LANGUAGES,
    PLAYBOOKS,
    PROMPTS,
    Read,
    chat,
    follow_up,
    nudge,
    of,
    prompt,
    several,
    to_contact,
    written,
)
from tests.notifier.sending import KEYS

GOLDEN: Final = Path(__file__).parent / "golden"
OTHERS: Final[dict[str, Callable[..., NudgeData]]] = {
    "_several": several,
    "_chat": chat,
    "_to-contact": to_contact,
    "_unknown": lambda **given: nudge(follow_up(playbook="bake-a-cake", promise=None), **given),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [*PLAYBOOKS, *OTHERS])
def test_a_message_reads_as_its_golden_files(name: str, language: str) -> None:
    given = OTHERS[name](locale=language) if name in OTHERS else of(name, locale=language)
    mail = written(given)
    first = given.follow_ups[0]
    sms = words.sms(
        first.playbook,
        words.language(language),
        name=(first.owner or first.contact or Contact(name="")).name or "",
        event=first.event.name or "",
        link="https://hello.school.example/s/abcdefghij",
        others=len(given.follow_ups) - 1,
    )
    for file, said in (
        (GOLDEN / f"{name}.{language}.txt", f"Subject: {mail.subject}\n\n{mail.text}\nSMS: {sms}\n"),
        (GOLDEN / f"{name}.{language}.html", _bare(mail.html)),
    ):
        said = re.sub(r"(?<=/[au]/)[\w.-]+", "TOKEN", said)
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(said, encoding="utf-8")
        assert said == file.read_text(encoding="utf-8"), f"{file.name} differs; UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_subject_names_the_person_in_less_than_sixty_characters(playbook: str, language: str) -> None:
    short = written(of(playbook, locale=language)).subject
    long_name = Contact(name="Dr. Maximiliane Featherstonehaugh-Wolfeschlegelsteinhausen")
    conference = Gathering(name="The Long Conference " * 5)
    long = written(nudge(follow_up(playbook=playbook, contact=long_name, event=conference), locale=language)).subject

    assert len(short) < 60 and len(long) < 60
    if playbook not in PROMPTS:
        assert "Erin Okafor" in short
        assert "Dr. Maximili" in long


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_subject_of_several_names_one_of_them_and_how_many_more(language: str) -> None:
    long_name = Contact(name="Dr. Maximiliane Featherstonehaugh-Wolfeschlegelsteinhausen")
    many = [follow_up(n, contact=long_name) for n in range(12)]
    subject = written(nudge(*many, locale=language)).subject
    assert "Dr. Maximiliane" in subject and " 11 " in subject and len(subject) < 60


def test_every_follow_up_has_its_own_buttons() -> None:
    mail = written(several())
    links = Links("https://hello.school.example", KEYS)
    in_html = [_acts(links, href) for href in Read(mail.html).hrefs if "/a/" in href]
    assert sorted((acting.follow_up.int, act) for acting, act in in_html) == [
        (n, act) for n in (1, 2, 3) for act in ("done", "later", "stop")
    ]
    in_text = [_acts(links, url) for url in re.findall(r"Done, later or stop: (\S+)", mail.text)]
    assert sorted(acting.follow_up.int for acting, _ in in_text) == [1, 2, 3]
    for acting, _ in in_html + in_text:
        n = acting.follow_up
        assert acting == Acting(person=UUID(int=7), connection=UUID(int=200 + n.int), follow_up=n, nudge=UUID(int=9))


def test_the_way_out_is_in_text_and_html() -> None:
    mail = written(several())
    assert mail.leave_url in mail.text and mail.leave_url in Read(mail.html).hrefs
    leaving = Links("https://hello.school.example", KEYS).read_leave(mail.leave_url.partition("/u/")[2])
    assert leaving == Leaving(person=UUID(int=7), channel="email", address="ada@school.example")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [*PLAYBOOKS, *OTHERS])
def test_the_text_holds_every_link_and_word_of_the_html(name: str, language: str) -> None:
    mail = written(OTHERS[name](locale=language) if name in OTHERS else of(name, locale=language))
    read = Read(mail.html)
    for href in read.hrefs:
        if href.startswith("http") and "/intent/" not in href:  # these hold the words that are there to copy
            assert href.partition("?act=")[0] in mail.text
    in_text = set(re.findall(r"\w+", mail.text.lower()))
    greeting = mail.text.partition("\n")[0]  # above it is what is shown beside the subject
    for line in read.texts[read.texts.index(greeting) :]:
        assert set(re.findall(r"\w+", line.lower())) <= in_text, line


def test_the_promise_comes_first_and_before_the_name() -> None:
    mail = written(nudge())
    said = Read(mail.html).text
    assert mail.text.index("You promised") < mail.text.index("About Erin Okafor")
    assert said.index("You promised") < said.index("You met 3 weeks ago")
    assert "You promised" not in written(nudge(follow_up(promise=None))).text


def test_what_did_not_arrive_is_said_in_the_next_message() -> None:
    sent = at("2026-11-09 15:30", "America/New_York")
    lost = [Lost(at=sent, address="old@school.example", names=("Erin", "Bo")), Lost(at=sent), Lost(at=sent, to="Erin")]
    english = written(nudge(), lost=lost)
    assert (
        "Our message of Mon 9 Nov 2026, 15:30 (America/New_York) did not reach you at old@school.example. "
        "It was about Erin and Bo.\n"
        "Our message of Mon 9 Nov 2026, 15:30 (America/New_York) did not reach you.\n"
        "Our message of Mon 9 Nov 2026, 15:30 (America/New_York) to Erin did not arrive.\n"
    ) in english.text
    assert "did not reach you at old@school.example. It was about Erin and Bo." in Read(english.html).text
    nameless = written(nudge(), lost=[Lost(at=sent, address="erin@district.example", to="erin@district.example")])
    assert "to erin@district.example did not arrive.\n" in nameless.text
    assert "no te llegó a old@school.example. Trataba de Erin y Bo." in written(nudge(locale="es"), lost=lost).text


def test_what_came_too_late_is_named_once() -> None:
    assert "- Di: check in, due Sun 8 Nov 2026, 15:30 (America/New_York)" in written(several()).text
    assert "- Di: ponerse al día, para el domingo 8 de noviembre" in written(several(locale="es")).text


def test_where_answers_are_understood_the_message_says_so() -> None:
    answers_to = "reply+abc@in.school.example"
    mail = written(nudge(), answers_to=answers_to)
    assert f"Or write done, later 2 weeks, or stop to {answers_to}" in mail.text
    assert answers_to in Read(mail.html).text
    assert "Or write" not in written(nudge()).text


def test_of_answers_only_those_are_named_that_are_understood() -> None:
    ours = "reply+abc@in.school.example"
    for locale, stop in (("en", f"Or write stop, for all of them, to {ours}"), ("es", f"O escribe parar a {ours}")):
        about_many = written(several(locale=locale), answers_to=ours).text
        assert stop in about_many  # of several nobody can tell who is done
        assert "later 2 weeks" not in about_many and "más tarde 2 semanas" not in about_many
    met_twice = [follow_up(n, connection=UUID(int=4)) for n in (1, 2)]
    assert "Or write done, later 2 weeks" in written(nudge(*met_twice), answers_to=ours).text
    for nobody_met in ("who-did-you-meet", "confirm-address"):
        assert ours not in written(of(nobody_met), answers_to=ours).text
    assert ours not in written(to_contact(), answers_to=ours).text  # what is done is not for a contact to say


def test_a_contact_is_told_nothing_that_was_noted_or_promised() -> None:
    mail = written(to_contact())
    for said in (mail.subject, mail.text, mail.html):
        for private in ("rubric", "spare kit", "robotics", "+15085550123", "/a/"):
            assert private not in said
    assert mail.subject == "Ask Ada Lovelace one question"
    assert mail.reply_to == "ada@school.example"
    assert "you met Ada Lovelace and agreed to be reminded" in mail.text
    assert "Hi Ada," in mail.text and mail.text.count("Erin") == 2  # the greeting, and below the draft


def test_whom_a_stranger_names_is_not_greeted_by_that_name() -> None:
    mail = written(
        nudge(
            prompt(playbook="confirm-address"), recipient=Recipient(id=UUID(int=7), name="BUY", address="a@b.example")
        )
    )
    assert "BUY" not in mail.text + mail.html + mail.subject


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
    assert written(several()).reply_to is None
    assert written(several()).thread is None
    assert written(nudge()).thread == UUID(int=201)


def test_a_host_is_asked_whom_they_met_with_the_form_at_hand_and_no_buttons_about_nobody() -> None:
    mail = written(nudge(prompt()))
    assert mail.subject == "Who did you meet at Robotics SIG?"
    assert "Log them: https://hello.example/log?event.name=SIG" in mail.text
    assert "https://hello.example/log?event.name=SIG" in Read(mail.html).hrefs
    for text in (mail.text, mail.html):
        assert "You met" not in text
        assert "/a/" not in text
        assert "somebody" not in text
    assert mail.reply_to is None


def test_a_prompt_stands_behind_the_people_in_the_subject() -> None:
    mail = written(nudge(prompt(), follow_up(1, connection=UUID(int=77))))
    assert mail.subject.startswith("Erin Okafor and 1 more")
    assert "Log them: https://hello.example/log?event.name=SIG" in mail.text


def test_nothing_is_loaded_from_elsewhere_and_nobody_is_tracked() -> None:
    html = written(several()).html
    assert "<img" not in html and "url(" not in html and "@import" not in html and "<link" not in html
    assert "prefers-color-scheme: dark" in html


def test_a_thousand_messages_take_no_time_to_speak_of() -> None:
    began = time.perf_counter()
    for _ in range(1000):
        written(nudge())
    assert time.perf_counter() - began < 10  # about two seconds on an idle machine


def _bare(html: str) -> str:
    """The body without its styles, which page.html has in one place."""
    body = html[html.index("<body") :]
    return re.sub(r' style="[^"]*"', "", body)


def _acts(links: Links, url: str) -> tuple[Acting, str]:
    token, _, act = url.partition("/a/")[2].partition("?act=")
    return links.read_act(token), act
