"""What somebody means who answers a message of ours: done, later, stop, start, help; in English and Spanish. Pure.

The carriers' own words come first, whatever else they might mean. Of a sentence only that counts which asks to stop:
who says so plainly is heard, however it is put.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from services.intake import later
from services.intake.later import Later, Unclear

Meant = Literal["done", "later", "stop", "start", "help"]

# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out, CTIA's handbook, and what people write instead.
_STOP: Final = """
    stop, stopall, stop all, stop everything, unsubscribe, unsub, cancel, end, quit, revoke, optout, opt out, arret,
    unsubscribe all, unsubscribe from all, unsubscribed, unsubcribe, unsuscribe, cancel all, end all, quit all, no more,
    parar, para, pare, paren, alto, parar todo, alto a todo, detener, deten, detente, cancelar, cancelar todo, basta,
    baja, dar de baja, darme de baja, dame de baja, no mas, fin, terminar, salir, anular, desuscribir, desuscribirme
"""
_START: Final = """
    start, unstop, resume, subscribe, optin, opt in, iniciar, empezar, comenzar, reanudar, alta
"""


def _listed(text: str) -> frozenset[str]:
    return frozenset(" ".join(word.split()) for word in text.split(","))


WORDS: Final[Mapping[Meant, frozenset[str]]] = {
    "stop": _listed(_STOP),
    "start": _listed(_START),
    "help": _listed("help, help me, info, ayuda, ayudame, informacion"),
    "done": _listed(
        "done, all done, did it, i did it, it s done, its done, hecho, listo, terminado, ya esta, ya lo hice"
    ),
}
THIS_ALONE: Final = _listed("stop, parar, para, pare, alto, arret")  # below a mail about one person
ALONE: Final = _listed("stop, stopall, stop all, unsubscribe, unsub, optout, opt out, parar, basta")  # in a sentence
COURTESY: Final = _listed(
    "please, pls, thanks, thank, you, very, much, ok, yes, now, immediately, already, hello, hi, por, favor, muchas, "
    "gracias, ya, ahora, hola, si"
)
LATER: Final = re.compile(r"(later|snooze|remind me|luego|despues|mas tarde|posponer|recuerdame)(?: |$|(?=\d))(.*)")
LATER_ALONE: Final = "1 week"
# What they are to write no more. "Do not email her yet" is about somebody else.
_US: Final = r"(?= ?$| (me|us|this|these|any|anything|ever|again|more|my|here|back|or|to (me|us|this)|please|thanks)\b)"
_NOT: Final = r"\b(do not|don t|dont|never|no longer|not) "
_MESSAGES: Final = (
    r"(texts?|texting|messages?|msgs?|sms|mails?|emails?|reminders?|alerts?|notifications?|updates?|nudges?|spam|"
    r"mensajes?|correos?|avisos?|recordatorios?)"
)
_WRITING: Final = r"(escrib|envi|mand|contact|molest|llam)"
# "please stop texting me", "stop sending these", "do not text me any more", "take me off your list", "no me escriban".
ASKS_TO_STOP: Final = re.compile(
    "|".join(
        (
            r"\b(stop|quit|cease|dej[ae]n? de|par[ae]n? de|no more)( (all|of|the|these|those|this|your|me|mas|\w+ing|"
            r"(envi|mand|escrib|llam)[ai]r(me)?))* (me|it|this|textos?|(envi|mand|escrib|llam)[ai]rme|"
            r"(text|messag|e?mail|send|writ|contact)ing|these$|" + _MESSAGES + r")\b",
            _NOT + r"(ever )?(text|txt|message|email|e mail|mail|contact|write|remind|send)\b" + _US,
            _NOT + r"(want|wish|need|like)( to (get|receive|have))?"
            r"( (any|more|all|of|the|these|those|this|your|further))* " + _MESSAGES + r"\b",
            _NOT + r"(want|wish) to (get|receive) (this|these|those|any|them|it)\b",
            r"\b(cancel|end|turn off)( (all|of|the|these|those|this|your|my))* (subscription|" + _MESSAGES + r")\b",
            r"\b(want|like|need|asked|asking|told|tell) (it |this |you |these )?to stop$|^(can|could|would|will) you "
            r"(please )?stop$",
            r"\b(unsubscribe|remove|delete|opt) me\b|\b(delete|lose) my number\b",
            r"\b(take|remove) (me|my (number|address|email)) (off|from)\b",
            r"\bopt(ing)? (me )?out\b|\b(want|wish|like|need) to unsubscribe\b",
            r"\bwrong number$|^wrong number\b(?! for)|\bnumero equivocado\b|\bleave me alone\b|\bdej[ae]n?me en paz\b",
            r"\bno me " + _WRITING + r"\w+(?! a \w)|\bno molest\w+$|\b(denme|quiero darme) de baja\b",
            r"\b(no|ya no)( (quiero|deseo))?( (recibir|mas))* " + _MESSAGES + r"$",
            r"^(ya no|no) (quiero|deseo) recibir\b",
            r"\b(quit|borr|elimin)[ae]n?me de (la|su|tu|esta) lista\b",
        )
    )
)
STOPS_SOMETHING: Final = re.compile(
    r"stop ?\d{1,2}|stop (?!(by|in|at|over|and|here|there|off|when|if|the|a|an)$)[a-z]+"
)
NEGATED: Final = re.compile(r"\b(do not|don t|dont|never|didn t|no) stop\b|\bstop by\b|\b(bus|whistle|pit|non) stop\b")
COUNTS: Final = {
    word: number
    for number, words in enumerate(
        (
            ("a", "an", "one", "un", "una", "uno"),
            ("two", "dos", "a couple of"),
            ("three", "tres"),
            ("four", "cuatro"),
            ("five", "cinco"),
            ("six", "seis"),
            ("seven", "siete"),
            ("eight", "ocho"),
            ("nine", "nueve"),
            ("ten", "diez"),
        ),
        start=1,
    )
    for word in words
}
UNITS: Final = {
    unit: canonical
    for canonical, units in {
        "day": ("d", "day", "days", "dia", "dias"),
        "week": ("w", "wk", "wks", "week", "weeks", "semana", "semanas", "sem"),
        "month": ("m", "mo", "mth", "month", "months", "mes", "meses"),
        "year": ("y", "yr", "yrs", "year", "years", "ano", "anos"),
    }.items()
    for unit in units
}
SPAN: Final = re.compile(r"(?:in |for |en |por |dentro de )?(\d{1,3}|[a-z]+(?: [a-z]+ of| couple of)?) ?([a-z]+)")
NAMED: Final = {"tomorrow": "1 day", "manana": "1 day", "next week": "1 week", "la semana que viene": "1 week",
                "la proxima semana": "1 week", "next month": "1 month", "el mes que viene": "1 month",
                "el proximo mes": "1 month"}  # fmt: skip
UNTIL: Final = re.compile(r"(?:until |till |on |hasta |el )?(\d{4} \d\d \d\d)")
SENTENCES: Final = re.compile(r"[.!?;:\n\u2014]|(?<=\s)[-\u2013](?=\s)")
SENTENCE: Final = 1600  # a text is no longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was meant, as far as it is plain."""

    meant: Meant
    which: int | None = None  # the number in the list that they were shown
    later: Later | None = None
    everything: bool = False  # of a stop: whoever it is about


def read(text: str, *, today: date, length: int = SENTENCE) -> Said | None:
    """Return what these words mean, `today` being the day of who wrote them; None when that is not plain.

    What is longer than `length` is no answer to us.
    """
    words = folded(text)
    if not words or len(words) > length:
        return None
    bare = _without_courtesy(words)
    for meant in ("stop", "start", "help"):
        if bare in WORDS[meant]:
            return Said(meant=meant, everything=meant == "stop" and bare not in THIS_ALONE)
    if ASKS_TO_STOP.search(words) and not NEGATED.search(words):
        return Said(meant="stop", everything=True)
    if STOPS_SOMETHING.fullmatch(bare):
        return Said(meant="stop")
    # "Who is this? Stop.", "STOP - Ada", "STOP\n\nSent from my phone": a sentence or line of its own.
    sentences = (_without_courtesy(folded(one)) for one in SENTENCES.split(text))
    if alone := next((one for one in sentences if one in ALONE), None):
        return Said(meant="stop", everything=alone not in THIS_ALONE)
    which, rest = (None, words) if words in WORDS["done"] else _numbered(bare, WORDS["done"])
    if rest in WORDS["done"]:
        return Said(meant="done", which=which)
    return _later(bare, today)


def folded(text: str) -> str:
    """Return the words in lower case, without accents, signs and full-width forms, one blank between them."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).casefold()
    kept = "".join(
        " " if not one.isalnum() else one for one in plain if not unicodedata.combining(one) and one not in INVISIBLE
    )
    parts = kept.split()
    return "".join(parts) if len(parts) > 1 and all(len(part) == 1 for part in parts) else " ".join(parts)


def _without_courtesy(words: str) -> str:
    parts = words.split()
    while len(parts) > 1 and parts[-1] in COURTESY:
        parts.pop()
    while len(parts) > 1 and parts[0] in COURTESY:
        parts.pop(0)
    return parts[0] if len(set(parts)) == 1 else " ".join(parts)  # "STOP STOP STOP"


INVISIBLE: Final = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f")


def _numbered(words: str, known: frozenset[str]) -> tuple[int | None, str]:
    """ "done 2" and "2 done"."""
    for pattern in (r"(?P<rest>.+?) ?(?P<n>\d{1,2})", r"(?P<n>\d{1,2}) (?P<rest>.+)"):
        found = re.fullmatch(pattern, words)
        if found and found["rest"] in known:
            return int(found["n"]), found["rest"]
    return None, words


def _later(words: str, today: date) -> Said | None:
    """ "later", "later 3d", "later 2 weeks", "later 2: 3 days" (the second of the list), "later until 2026-12-01"."""
    # A span alone, as after "When?", is meant: "2 weeks".
    if (span := _how_long(words, today)) is not None:
        return Said(meant="later", later=span)
    which = None
    if found := re.fullmatch(r"(\d{1,2}) (.+)", words):
        which, words = int(found[1]), found[2]
    found = LATER.fullmatch(words)
    if found is None:
        return None
    asked = found[2].strip()
    if not asked:
        return Said(meant="later", which=which, later=Later(span=LATER_ALONE))
    if (how_long := _how_long(asked, today)) is not None:
        return Said(meant="later", which=which, later=how_long)
    if which is None and (numbered := re.fullmatch(r"(\d{1,2})(?: (.+))?", asked)):
        rest = _how_long(numbered[2], today) if numbered[2] else Later(span=LATER_ALONE)
        return Said(meant="later", which=int(numbered[1]), later=rest) if rest else None
    return None


def _how_long(asked: str, today: date) -> Later | None:
    try:
        if asked in NAMED:
            return Later(span=NAMED[asked])
        if found := UNTIL.fullmatch(asked):
            return later.read(span=None, until=found[1].replace(" ", "-"), today=today)
        found = SPAN.fullmatch(asked)
        if found is None or found[2] not in UNITS:
            return None
        count = int(found[1]) if found[1].isdigit() else COUNTS.get(found[1])
        if count is None:
            return None
        return later.read(span=f"{count} {UNITS[found[2]]}", until=None, today=today)
    except Unclear:
        return None
