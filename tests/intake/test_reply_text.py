"""What people write above a mail that they answer, and what they mean: words, in whatever spelling."""

import re
import time
from datetime import date

import pytest

from services.intake import reply_text, reply_words
from services.intake.later import Later
from services.intake.reply_words import Said
from tests.intake.quoting import QUOTED

TODAY = date(2026, 11, 24)
WORDS = {"Done": "done", "later 2 weeks": "later", "Stop": "stop", "Hecho!": "done", "luego 2 semanas": "later"}


@pytest.mark.parametrize("program", QUOTED)
@pytest.mark.parametrize("word", WORDS)
def test_words_above_a_quoted_mail_are_understood_whatever_quotes_it(program: str, word: str) -> None:
    texts = reply_text.candidates(QUOTED[program].format(word))
    found = [said for text in texts if (said := reply_words.read(text, today=TODAY))]
    assert (found[0].meant, found[0].everything) == (WORDS[word], False)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        "Stop.",
        " st\u200bop ",
        "S.T.O.P.",
        "s t o p",
        "ＳＴＯＰ",
        "STOP!!!",
        "stop please",
        "Ok stop",
        "STOP 🛑",
        "PARAR",
        "Alto",
        "pare",
        "arrêt",
        "STOP STOP STOP",
        "stop.stop",
        "stop immediately",
        "Stop, thank you very much",
        "STOP - Ada",
        "Who is this? Stop.",
        "STOP\n\nSent from my iPhone",
        "STOP1",
        "stop afterhello",
    ],
)
def test_stop_is_heard_in_whatever_spelling(text: str) -> None:
    assert reply_words.read(text, today=TODAY) == Said(meant="stop")


@pytest.mark.parametrize(
    "text",
    [
        "STOPALL",
        "Stop all",
        "UNSUBSCRIBE",
        "cancel",
        "End",
        "QUIT",
        "revoke",
        "OPTOUT",
        "opt-out",
        "Baja",
        "¡Basta!",
        "please stop texting me",
        "Stop sending me these messages",
        "stop all of these reminders",
        "do not text me again",
        "Don’t contact me anymore",
        "take me off your list",
        "remove my number from this",
        "unsubscribe me",
        "wrong number",
        "I want to unsubscribe",
        "No me escriban más",
        "dejen de enviarme mensajes",
        "Quiero darme de baja",
        "leave me alone",
        "número equivocado",
        "No más mensajes",
        "no quiero recibir más mensajes",
        "no me escribas",
        "Deja de escribirme",
        "Dame de baja",
        "detente",
        "Quítame de la lista",
        "déjame en paz",
        "I do not want these texts",
        "I no longer want to receive these",
        "I'd like to stop receiving these",
        "I want to stop",
        "Can you stop?",
        "stop these",
        "cancel my subscription",
        "Stop SMS",
        "stop notifications",
        "unsubscribe from all",
        "unsuscribe",
        "please delete my number",
        "dont txt me",
        "never contact me again",
    ],
)
def test_whoever_asks_for_the_end_of_it_in_words_of_their_own_is_heard(text: str) -> None:
    assert reply_words.read(text, today=TODAY) == Said(meant="stop", everything=True)


@pytest.mark.parametrize(
    "text",
    [
        "I can stop by tomorrow",
        "Don't stop",
        "we should stop meeting like this",
        "bus stop at nine",
        "I stopped",
        "ok",
        "Yes",
        "Thanks!",
        "",
        "🛑",
        "please cancel the appointment",
        "please don't stop sending these",
        "do not email her yet",
        "I will never write to her",
        "wrong number for Erin, hers is 555",
        "don't stop by",
        "stop by",
        "the end is near",
        "I will be done later",
        "done with it?",
        "later 0 days",
        "later 9999 days",
        "later until 2020-01-01",
        "later until 2026-02-30",
        "later maybe",
        "stop " * 400,
    ],
)
def test_what_is_not_plain_is_not_guessed(text: str) -> None:
    assert reply_words.read(text, today=TODAY) is None


@pytest.mark.parametrize(
    ("text", "how_long"),
    [
        ("LATER 3D", "3 days"),
        ("later 2 weeks", "2 weeks"),
        ("Later in two weeks", "2 weeks"),
        ("later 1w", "1 week"),
        ("snooze 1 month", "1 month"),
        ("luego 3 días", "3 days"),
        ("más tarde: dos semanas", "2 weeks"),
        ("later", "1 week"),
        ("después", "1 week"),
        ("later tomorrow", "1 day"),
        ("mañana", "1 day"),
        ("later a week", "1 week"),
        ("in 3 days", "3 days"),
        ("3 days", "3 days"),
        ("2 weeks", "2 weeks"),
        ("LATER3D", "3 days"),
        ("later ten days", "10 days"),
        ("later, 2 weeks please", "2 weeks"),
        ("later 2 years", "2 years"),
    ],
)
def test_how_long_later_is(text: str, how_long: str) -> None:
    assert reply_words.read(text, today=TODAY) == Said(meant="later", later=Later(span=how_long))


@pytest.mark.parametrize(
    "text", ["DONE", "done.", "Done, thanks", "yes, done!", "It's done", "I did it", "¡Hecho!", "Ya está"]
)
def test_done_is_heard_in_whatever_words(text: str) -> None:
    assert reply_words.read(text, today=TODAY) == Said(meant="done")


def test_a_day_and_a_number_of_the_list_are_read() -> None:
    until = Later(until=date(2026, 12, 1))
    assert reply_words.read("later until 2026-12-01", today=TODAY) == Said(meant="later", later=until)
    assert (
        reply_words.read("DONE 2", today=TODAY)
        == reply_words.read("2 hecho", today=TODAY)
        == Said(meant="done", which=2)
    )
    assert reply_words.read("later 2", today=TODAY) == Said(meant="later", which=2, later=Later(span="1 week"))
    assert reply_words.read("later 2: 3 days", today=TODAY) == Said(meant="later", which=2, later=Later(span="3 days"))


def test_what_is_quoted_is_cut_off_whatever_wrote_it() -> None:
    for quoted in QUOTED.values():
        assert re.match(r"word( |\n|$)", reply_text.written(quoted.format("word")))
        assert "hello" not in reply_text.written(quoted.format("word")).lower()


@pytest.mark.parametrize("part", [">", "_", " \n", "On ", "-- \n", "From: ", "On a\n", "El ", "\xa0", "Sent from my "])
def test_nothing_that_a_stranger_writes_keeps_us_busy(part: str) -> None:
    before = time.monotonic()
    list(reply_text.candidates(part * 40_000))
    reply_words.read(part * 40_000, today=TODAY)
    assert time.monotonic() - before < 3
