"""The words: complete in every language, each of them used, and right whatever the facts."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest

from services.notifier import words
from services.notifier.message import Lost
from services.notifier.moments import listed
from services.notifier.story import first_name
from services.notifier.text_message import parts
from services.notifier.words import LANGUAGES, TEMPLATES, Words
from shared.events import Contact, EventKind, Gathering
from tests.notifier.nudges import (
    ERIN,
    NOW,
    PLAYBOOKS,
    PROMPTS,
    chat,
    follow_up,
    nudge,
    of,
    several,
    to_contact,
    written,
)

FOLDERS: Final = ["_base", *PLAYBOOKS]
LINK: Final = "https://hello.school.example/s/abcdefghij"
KINDS: Final[tuple[EventKind, ...]] = ("conference", "edcamp", "meetup", "chat", "sig", "webinar", "visit", "other")
OF_ENGLISH: Final = (
    "the|and|with|you|your|to|of|is|are|what|when|this|that|from|for|not|done|later|stop|today|ago|hello|hi|subject|about|"
    "because|mail|email|log|them|their|it|we|us|our|at|in|on|week|month|year|day|call|text|post|link|shared|due"
)
OF_SPANISH: Final = "el|la|los|las|con|tu|tus|de|es|que|este|esta|por|para|hola|hace|hoy|ayer|en|un|una|y|o|se|lo|su"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("es", "es"), ("es-MX", "es"), ("es_419", "es"), ("ES", "es"), (" es-US ", "es"), ("en", "en"), ("en-GB", "en"),
     ("est", "en"), ("fr", "en"), ("", "en"), ("<b>", "en")],
)  # fmt: skip
def test_a_locale_is_read_in_a_language_that_we_have(locale: str, language: str) -> None:
    assert words.language(locale) == language


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_playbook_says_the_same_things_in_every_language(folder: str) -> None:
    files = {file.name for file in (TEMPLATES / folder).iterdir() if file.suffix == ".toml"}
    assert {f"{language}.toml" for language in LANGUAGES} <= files <= {"en.toml", "es.toml", "offers.toml"}
    keys = [sorted(key for key, _ in _phrases(folder, language) if "and_before" not in key) for language in LANGUAGES]
    assert all(one == keys[0] for one in keys)
    assert {"title", "subject", "line", "suggestion", "sms"} <= set(keys[0])
    if folder not in PROMPTS:
        assert {"draft_subject", "draft", "short"} <= set(keys[0])
    assert ("post" in words.offers(folder)) == ("praise" in keys[0])
    assert ("calendar" in words.offers(folder)) == ("calendar" in keys[0])
    for language in LANGUAGES:
        used = [set(re.findall(r"\{\{ (\w+)", phrase)) for _, phrase in sorted(_phrases(folder, language))]
        assert not any("_" in name for name in set().union(*used))


def test_every_word_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    said: set[tuple[int, str]] = set()
    say = Words.say

    def heard(self: Words, phrase: str, /, **facts: object) -> str:
        said.add((id(self._phrases[phrase]), phrase))
        return say(self, phrase, **facts)

    monkeypatch.setattr(Words, "say", heard)
    for language in LANGUAGES:
        for n in _everything(language):
            written(
                n, lost=[Lost(at=NOW), Lost(at=NOW, to="x")], answers_to="reply@in.example", organizer="a@b.example"
            )
            written(n, now=NOW + timedelta(days=1))
        for playbook, others in itertools.product([*PLAYBOOKS, "other"], (0, 1)):
            words.sms(playbook, language, name="Erin", event="", link=LINK, others=others)
            words.words(playbook, language).say("title")
        for month in range(12):
            words.words("ask", language).say(f"dates.months.{month}")
        for folder in FOLDERS:
            own = words.words(folder, language)
            unused = {key for key, _ in _phrases(folder, language) if (id(own._phrases[key]), key) not in said}
            assert not {key for key in unused if not key.startswith("dates.weekdays.")}, folder


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("playbook", FOLDERS)
def test_the_words_are_right_whatever_is_known(playbook: str, language: words.Language) -> None:
    own = words.words(playbook, language)
    facts = {"name": "Zoë Qux", "first": "Zoë", "tag": "@zoe"}
    either: dict[str, tuple[object, ...]] = {
        "me": ("", "Ada"), "event": ("", "Xyz"), "at": ("", " @ Xyz"), "topics": ("", "Qqq"), "promise": ("", "ppp"),
        "document": (None, "https://d.example"), "hashtag": ("", "#xyz"), "goal": ("", "1 May"),
    }  # fmt: skip
    for values in itertools.product(*either.values()):
        given = facts | dict(zip(either, values, strict=True))
        for key in ("subject", "line", "suggestion", "draft_subject", "draft", "short", "praise", "button", "because"):
            if own.has(key):
                said = own.say(key, **given)
                assert said == said.strip() and said
                assert not re.search(r"  | [,.;:!?]|[{}]|\(\)|None|\n{3}|\.\.|,\.", said), said
                assert said.count("¿") == (said.count("?") if language == "es" else 0), said
                assert said.count("¡") == (said.count("!") if language == "es" else 0), said
                assert key == "draft" or "\n" not in said
                # A paragraph ends with an empty line, unless something of its own follows a colon.
                assert not re.search(r"[^:\n]\n(?!\n)", said), said


@pytest.mark.parametrize(("language", "others"), [("es", OF_ENGLISH), ("en", OF_SPANISH)])
def test_no_word_of_another_language_is_left(language: words.Language, others: str) -> None:
    for folder in FOLDERS:
        for key, phrase in _phrases(folder, language):
            plain = re.sub(r"\{[{%].*?[%}]\}", " ", phrase)
            found = set(re.findall(r"\w+", plain.lower())) & set(others.split("|"))
            assert not found, (folder, key, found)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("playbook", [*PLAYBOOKS, "other"])
def test_a_text_fits_into_one_part_with_its_link_and_a_name(playbook: str, language: words.Language) -> None:
    said = "Afterhello: " + words.sms(playbook, language, name="Erin Okafor-Baptiste", event="", link=LINK)
    assert parts(said) == 1
    assert LINK in said and said.count("http") == 1
    several = words.sms(playbook, language, name="Erin Okafor", event="MassCUE", link=LINK, others=3)
    assert parts(several) == 1 and "3" in several and "Erin Okafor" in several


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("playbook", sorted(set(PLAYBOOKS) - PROMPTS))
def test_a_text_says_who_and_nothing_that_is_private(playbook: str, language: words.Language) -> None:
    said = words.sms(playbook, language, name="Erin Okafor", event="MassCUE", link=LINK)
    assert "Erin Okafor" in said and "MassCUE" in said
    phrase = dict(_phrases(playbook, language))["sms"]
    assert set(re.findall(r"\w+", " ".join(re.findall(r"\{[{%](.*?)[}%]\}", phrase)))) == {
        "if",
        "endif",
        "name",
        "event",
        "link",
    }


@pytest.mark.parametrize(
    ("things", "english", "spanish"),
    [
        (["a"], "a", "a"),
        (["a", "b"], "a and b", "a y b"),
        (["a", "b", "c"], "a, b and c", "a, b y c"),
        (["Ana", "Inés"], "Ana and Inés", "Ana e Inés"),
        (["ciencias", "historia"], "ciencias and historia", "ciencias e historia"),
        (["agua", "hielo"], "agua and hielo", "agua y hielo"),
        (["", "b"], "b", "b"),
        ([], "", ""),
    ],
)
def test_things_are_listed_as_people_list_them(things: list[str], english: str, spanish: str) -> None:
    assert listed(things, words.words("ask", "en")) == english
    assert listed(things, words.words("ask", "es")) == spanish


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Erin Okafor", "Erin"),
        ("Erin", "Erin"),
        ("Okafor, Erin", "Erin"),
        ("Dr. Erin Okafor", "Dr. Erin Okafor"),
        ("Profesora García", "Profesora García"),
        ("J. R. Smith", "J. R. Smith"),
        ("the woman from the bus", "the woman from the bus"),
        ("María José García", "María José"),
        ("María García", "María"),
        ("李雷", "李雷"),
        ("", ""),
    ],
)
def test_a_draft_addresses_people_as_a_friend_would(name: str, first: str) -> None:
    assert first_name(name) == first


def _phrases(folder: str, language: str) -> Iterator[tuple[str, str]]:
    def flat(table: Any, above: str = "") -> Iterator[tuple[str, str]]:
        for key, value in table.items() if isinstance(table, dict) else enumerate(table):
            if isinstance(value, str):
                yield f"{above}{key}", value
            else:
                yield from flat(value, f"{above}{key}.")

    return flat(tomllib.loads((TEMPLATES / folder / f"{language}.toml").read_text(encoding="utf-8")))


def _everything(language: str) -> Iterator[Any]:
    """Nudges enough for every word to be said."""
    for playbook in [*PLAYBOOKS, "other"]:
        yield of(playbook, locale=language)
        yield nudge(follow_up(playbook=playbook, calendar=True), locale=language)
        yield nudge(follow_up(playbook=playbook, contact=Contact(name="", phone="+15085550123")), locale=language)
    yield several(locale=language)
    yield chat(locale=language)
    yield to_contact(locale=language)
    yield nudge(
        follow_up(contact=ERIN.model_copy(update={"links": ("nowhere",)}), document="https://d.example"),
        locale=language,
    )
    yield nudge(follow_up(contact=None, event=Gathering(), form_url="https://f.example"), locale=language)
    for kind, place in itertools.product(KINDS, ("", "Lowell")):
        yield nudge(
            follow_up(event=Gathering(kind=kind, place=place), goal_at=NOW + timedelta(days=9)), locale=language
        )
    for days in (0, 1, 2, 7, 21, 30, 92, 365, 900):
        yield nudge(follow_up(met_at=NOW - timedelta(days=days), topics=("a", "Inés")), locale=language)
