"""What a text costs, and how it is kept to one part."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier import words
from services.notifier.channels.sms import INTRODUCTIONS
from services.notifier.text_message import parts, text
from shared.events import NudgeData
from tests.factories import contact, due_follow_up, gathering, nudge_due

LINK = "https://hello.school.example/s/AbCdEfGhIj"


def nudge(name: str = "Erin", event: str | None = "MassCUE 2026", **given: Any) -> NudgeData:
    follow_up = due_follow_up(contact=contact(name=name), event=gathering(name=event), **given)
    return nudge_due(channel="sms", follow_ups=(follow_up,)).data


def said(about: NudgeData, *, language: words.Language = "en", link: str = LINK, first: bool = False) -> str:
    others = len({one.connection for one in about.follow_ups}) - 1
    say = partial(words.sms, about.follow_ups[0].playbook, language, link=link, others=others)
    return text(about, say, link=link, introductions=INTRODUCTIONS[language] if first else ())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # 306 units, but the escape may not be cut in two
        ("[" * 80, 1),
        ("[" * 81, 2),
        ("a" * 69 + "’", 1),
        ("a" * 70 + "’", 2),
        ("ł" * 134, 2),
        ("ł" * 135, 3),
        ("ł" * 66 + "😀" + "ł" * 66, 3),  # 134 units, but the pair may not
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("", 1),
        ("ç", 1),
        ("Ç" * 160, 1),
        ("ç" * 71, 2),
        ("`" * 71, 2),
        ("\t" * 71, 2),
        ("\f" * 80, 1),
        ("\f" * 81, 2),
    ],
)
def test_parts_are_counted_as_carriers_do(written: str, expected: int) -> None:
    assert parts(written) == expected


def test_a_text_says_who_and_where_and_holds_the_link() -> None:
    assert said(nudge()) == f"Afterhello: Say hello to Erin (MassCUE 2026) again while it is fresh: {LINK}"


def test_curly_quotes_and_dashes_are_written_plainly() -> None:
    assert "O'Brien-Lee" in said(nudge("O’Brien–Lee"))
    assert parts(said(nudge("“Erin”", "It’s… EdCamp"))) == 1


def test_an_event_is_shortened_at_a_word_before_the_name_is() -> None:
    event = "The Twenty-Seventh Annual Massachusetts Computer Using Educators Conference and Exhibition"
    shown = said(nudge("Erin Quigley", event[:90]))
    assert parts(shown) == 1 and "Erin Quigley (The Twenty-Seventh Annual" in shown
    inside = shown.split("(")[1].split(")")[0]
    assert event.startswith(inside + " ")


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Ярослава Константинопольская", "Ярос"),
        ("李明", "李明"),
        ("李明" * 20, "李明李"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("👩\u200d🏫 Erin 😀", "Erin"),
        ("❤️ Erin", "Erin"),
        ("Erin" * 15, "Erin"),
    ],
)
def test_a_name_in_whatever_letters_is_kept_to_one_part(name: str, kept: str, first: bool) -> None:
    shown = said(nudge(name, "Конференция 🎉"), first=first)
    assert parts(shown) == 1 and LINK in shown
    assert kept in shown or (first and not kept.isascii())
    assert not first or "Reply STOP to stop, HELP for help." in shown


def test_accents_that_do_not_fit_are_left_off_and_those_that_fit_stay() -> None:
    shown = said(nudge("Zoë Núñez", "Educación"), language="es")
    assert parts(shown) == 1 and "Zoe Nuñez" in shown and "Educacion" in shown


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_first_text_is_introduced(language: words.Language) -> None:
    shown = said(nudge(), language=language, first=True)
    assert parts(shown) == 1
    assert "STOP" in shown and "HELP" in shown and LINK in shown and "Erin" in shown


def test_a_first_text_keeps_the_name_before_all_of_its_introduction() -> None:
    shown = said(nudge("Maximiliana Featherstonehaugh", "EdCamp"), first=True)
    assert "Maximiliana Featherstonehaugh" in shown and "You asked" not in shown
    shown = said(nudge("Maximiliana Featherstonehaugh Cholmondeley", "EdCamp"), first=True)
    assert "Maximiliana" in shown and "Cholmondeley" not in shown
    assert parts(shown) == 1 and "Reply STOP to stop, HELP for help." in shown


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("playbook", [*sorted(words.PLAYBOOKS - {"confirm-address"}), "of an operator's own"])
def test_every_playbook_fits_with_a_usual_name(playbook: str, language: words.Language) -> None:
    assert parts(said(nudge("Erin O’Malley-Quigley", "MassCUE 2026", playbook=playbook), language=language)) == 1


def test_several_are_one_text() -> None:
    about = nudge_due(channel="sms", follow_ups=tuple(due_follow_up() for _ in range(3))).data
    assert "Erin and 2 more" in said(about)


@given(name=st.text(max_size=200), event=st.text(max_size=200), first=st.booleans())
def test_whatever_was_typed_it_is_short_and_holds_one_link(name: str, event: str, first: bool) -> None:
    shown = said(nudge(name, event), first=first)
    assert parts(shown) == 1 and shown.count("://") == 1 and LINK in shown and "\n" not in shown


def test_what_looks_like_a_web_address_is_none_any_more() -> None:
    shown = said(nudge("Erin of www.evil.example/now", "evil.example"))
    assert "www. evil. example now" in shown and shown.count(".example") == 1


def test_no_notes_and_no_promise_are_in_it() -> None:
    shown = said(nudge(notes="he is in grade four", promise="bring Tim home"))
    assert "grade" not in shown and "Tim" not in shown
