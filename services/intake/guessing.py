"""Guesses at which question is about which field, where no mapping says so. Pure."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from services.intake.answers import Answer, Kind
from services.intake.guesses import (
    BEHIND,
    CLOCK,
    COLUMNS,
    DATE,
    EMAIL,
    GUESSES,
    HOURS,
    MAIL,
    NUMBER,
    ORDINAL,
    ORDINAL_WORD,
    THEIR,
    WHOSE,
    YOUR,
    Guess,
    tidied,
)

# The Spanish "su" is yours, his and hers: theirs, where the owner is known.
SU: Final = re.compile(r"\bsu\b")
YOURS: Final = re.compile(rf"\b(your|my|tu|mi) (own |school |work |propio )?{EMAIL}")
LENGTH: Final = 300  # of a title; what is longer is a letter
# Where one of these is known, the first contact is one of those that are counted.
FIRST: Final = ("contacts[0].name", "contacts[1].name", "contacts[#].name")


def guess(
    questions: Collection[Answer], wanted: Collection[str], *, mapped: Collection[str] = (), owner_is_known: bool
) -> dict[str, tuple[Answer, ...]]:
    """Return the wanted fields with the questions each is most likely answered by; no question serves two."""
    asked = _Free(question for question in questions if question.value is not None)
    found: dict[str, tuple[Answer, ...]] = {}
    for question in tuple(asked.free):  # a question whose key is the name of our field says so itself
        name = next((name for name in question.names if name in wanted and name not in found), None)
        if name:
            found[name] = asked.take(question)
    by_words = {tidied(field): field for field in wanted if field != "contact.consent"}
    for question, words in tuple(asked.free.items()):
        field = by_words.get(words)
        if field and field not in found and question.kind not in {"file", "yes-no"}:
            found[field] = asked.take(question)
    counted = any(field.startswith("contacts[") for field in mapped)
    if not counted and "contact.name" not in mapped:
        found |= asked.numbered(owner_is_known=owner_is_known)
    several = any(field in found or field in mapped for field in FIRST)
    respondent = next((question for question in asked.free if question.stands_for == "owner.email"), None)
    owner = respondent or next(
        (one for one, title in asked.free.items() if one.kind in MAIL and YOURS.search(title)), None
    )
    known = owner_is_known or owner is not None
    for field, kinds, title in GUESSES:
        if field in wanted and field not in found and not (several and field.startswith("contact.")):
            found |= asked.best(field, kinds, title, but=SU if known and field.startswith("owner.") else None)
    whose = "contact" if owner_is_known and not several else "owner"
    for part, kinds, title in WHOSE:
        if owner and not several:  # what is asked besides is about either
            whose = _whose(part, asked.first(kinds, title), owner, met="contact.name" in found)
        if (field := f"{whose}.{part}") in wanted and field not in found:
            found |= asked.best(field, kinds, title)
    field = f"{whose}.email"
    others = YOUR if whose == "contact" else THEIR
    addresses = [question for question in asked.free if question.kind == "email"]
    only = len(addresses) == 1 and not re.search(rf"\b{others}\b", asked.free[addresses[0]])
    if field in wanted and field not in found and only and not respondent:
        found[field] = asked.take(addresses[0])
    for question in tuple(asked.free):
        if (meant := question.stands_for) in wanted and meant is not None and meant not in found:
            found[meant] = asked.take(question)
    return found


def _whose(part: str, question: Answer | None, owner: Answer, *, met: bool) -> str:
    """Whom a bare "Email", "Phone" or "Name" is about: the owner, the contact, or nobody that can be told."""
    if question and SU.search(tidied(question.title)):
        return "contact"
    if part == "email" and question:
        same = str(question.value).strip().casefold() == str(owner.value).strip().casefold()
        return "owner" if same else "contact"
    if part == "name":
        return "owner" if met else "contact"
    return "nobody" if met else "contact"


class _Free:
    """The questions that are answered and not yet taken, with their tidied titles."""

    def __init__(self, questions: Iterable[Answer]) -> None:
        self.free = {question: tidied(question.title[:LENGTH]) for question in questions}

    def take(self, *questions: Answer) -> tuple[Answer, ...]:
        for question in questions:
            self.free.pop(question, None)
        return questions

    def first(
        self, kinds: Collection[Kind], title: re.Pattern[str], but: re.Pattern[str] | None = None
    ) -> Answer | None:
        """Return the question that fits best, if one does."""
        fits = [
            question
            for question, words in self.free.items()
            if question.kind in kinds
            and question.row is None
            and title.search(words)
            and not (but and but.search(words))
        ]
        # A question made for addresses is the better guess for one than a line of text.
        return min(fits, key=lambda question: tuple(kinds).index(question.kind), default=None)

    def best(
        self, field: str, kinds: Collection[Kind], title: re.Pattern[str], but: re.Pattern[str] | None = None
    ) -> dict[str, tuple[Answer, ...]]:
        """Return the field with the question that fits it best, and what belongs behind that."""
        if (first := self.first(kinds, title, but)) is None:
            return {}
        words = self.free[first]
        self.take(first)
        return {field: (first, *(self._name(words) if field.endswith(".name") else self._clock(field, first)))}

    def _name(self, words: str) -> tuple[Answer, ...]:
        """The family name, where it is a question of its own."""
        for first, others in BEHIND:
            wanted = {first.sub(other, words, count=1) for other in others} if first.search(words) else set()
            if last := next((question for question, title in self.free.items() if title in wanted), None):
                return self.take(last)
        return ()

    def _clock(self, field: str, day: Answer) -> tuple[Answer, ...]:
        """The time of the day, where it is a question of its own."""
        if field != "met_at" or not isinstance(day.value, str) or not DATE.fullmatch(day.value.strip()):
            return ()
        for question, title in self.free.items():
            time = HOURS.fullmatch(str(question.value).strip()) if CLOCK.search(title) else None
            if time:
                self.take(question)
                return (replace(question, value=f"{int(time[1]):02}:{time[2]}"),)
        return ()

    def numbered(self, *, owner_is_known: bool) -> dict[str, tuple[Answer, ...]]:
        """Return `contacts[2].name` and the like; whoever has no name is nobody."""
        found: dict[int, dict[str, Answer]] = {}
        mine = [one._replace(field=f"contact.{one.field}") for one in WHOSE] if owner_is_known else []
        for question, title in self.free.items():
            number, words = _counted(question, title)
            table: Sequence[Guess] = COLUMNS if question.row else (*GUESSES, *mine)
            for field, kinds, pattern in table if 0 < number <= 50 else ():
                if question.kind in kinds and pattern.search(words):
                    if field.startswith("contact."):
                        found.setdefault(number, {}).setdefault(field.rpartition(".")[2], question)
                    break
        named = {number: parts for number, parts in found.items() if "name" in parts}
        return {
            f"contacts[{number}].{part}": self.take(question)
            for number, parts in sorted(named.items())
            for part, question in parts.items()
        }


def _counted(question: Answer, title: str) -> tuple[int, str]:
    """Which of several contacts a question is about, and its title without the number; 0 if it does not count."""
    if question.row:
        return question.row.number, tidied(question.row.column)
    found = NUMBER.findall(title) or [ORDINAL[word] for word in ORDINAL_WORD.findall(title)]
    if len(found) != 1:
        return 0, title
    return int(found[0]), " ".join(ORDINAL_WORD.sub(" ", NUMBER.sub(" ", title)).split())
