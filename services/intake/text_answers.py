"""What we answer to a text: each in one part of 160 characters, in letters that every telephone has. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

Kind = Literal["help", "stopped", "started", "done", "later", "which", "nothing", "unclear"]
Language = Literal["en", "es"]

NAME_LENGTH: Final = 14
LISTED: Final = 4  # more than these fit no text

# GSM 03.38 has no a, i, o or u with an acute accent: one would cut the text to 70 characters.
ANSWERS: Final[dict[Language, dict[Kind, str]]] = {
    "en": {
        "help": "Afterhello reminds you of people you met. Reply DONE, LATER 3D or LATER 2 WEEKS; STOP ends all texts.",
        "stopped": "You get no more texts from Afterhello. Reply START if you want them again.",
        "started": "Afterhello texts you again. Reply STOP to stop, HELP for help.",
        "done": "Noted as done. Well done.",
        "later": "We remind you again then.",
        "nothing": "Nothing waits for an answer just now. Reply HELP for help, STOP to stop.",
        "unclear": "Sorry, we did not get that. Reply DONE, LATER 2 WEEKS or STOP.",
    },
    "es": {
        "help": "Afterhello te recuerda a gente que conociste. Responde HECHO, LUEGO 3 DIAS; STOP para terminar.",
        "stopped": "No recibes ya textos de Afterhello. Responde START si los quieres de nuevo.",
        "started": "Afterhello te escribe de nuevo. Responde STOP para terminar, AYUDA para ayuda.",
        "done": "Anotado como hecho.",
        "later": "Te lo recordamos entonces.",
        "nothing": "Nada espera respuesta ahora. Responde AYUDA para ayuda, STOP para terminar.",
        "unclear": "No lo hemos entendido. Responde HECHO, LUEGO 2 SEMANAS o STOP.",
    },
}
WHICH: Final[dict[Language, tuple[str, str, str]]] = {
    "en": ("Which one? Reply {word} and the number: ", "DONE", "LATER"),
    "es": ("¿A quien? Responde {word} y el numero: ", "HECHO", "LUEGO"),
}


def language(locale: str) -> Language:
    """Return the language in which somebody of this locale is answered."""
    return "es" if locale.lower().partition("-")[0].partition("_")[0] == "es" else "en"


def answer(kind: Kind, language: Language) -> str:
    """Return what we say."""
    return ANSWERS[language][kind]


def which(names: Sequence[str], language: Language, *, is_later: bool) -> str:
    """Return the question whom they mean: a number and a first name for each, and nothing else of them."""
    head, done, later = WHICH[language]
    listed = ", ".join(f"{number} {_short(name)}" for number, name in enumerate(names[:LISTED], start=1))
    return head.format(word=later if is_later else done) + listed


def _short(name: str) -> str:
    first = next(iter(name.split()), "?")
    kept = "".join(one for one in first if one.isalnum() or one in "-'")
    return kept[:NAME_LENGTH] or "?"
