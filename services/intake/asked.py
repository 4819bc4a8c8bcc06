"""The questions of one submission, to be found by what a mapping calls them. Pure."""

from collections.abc import Sequence
from typing import Final

from services.intake.answers import Answer, Value
from services.intake.filling import as_text
from services.intake.guesses import tidied

AND: Final = " + "


class Asked:
    """Finds questions: by id, ref or key first, then by title, by its very letters and then by its words."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self._by_name: dict[str, Answer] = {}
        self._by_title: dict[str, Answer] = {}
        self._by_words: dict[str, Answer] = {}
        for answer in answers:
            for name in answer.names:
                self._by_name.setdefault(name, answer)
            for titles, title in ((self._by_title, answer.title), (self._by_words, tidied(answer.title))):
                # Of several with one title it is the first that was answered.
                if title and (title not in titles or (titles[title].value is None and answer.value is not None)):
                    titles[title] = answer

    def find(self, question: str) -> tuple[Answer, ...]:
        """Return the question, or those that are joined by a plus: `First name + Last name`; () if there is none."""
        if found := self._one(question):
            return (found,)
        parts = [self._one(part.strip()) for part in question.split(AND)] if AND in question else []
        return tuple(part for part in parts if part)

    def _one(self, question: str) -> Answer | None:
        return self._by_name.get(question) or self._by_title.get(question) or self._by_words.get(tidied(question))

    def unused(self, used: Sequence[Answer]) -> tuple[Answer, ...]:
        """Return what was answered and not used; not the parts of a name, an address or a date beside the whole."""
        names = {answer.names for answer in used}
        return tuple(
            answer
            for answer in self._answers
            if answer.value is not None and answer.names not in names and not self._is_part(answer)
        )

    def _is_part(self, answer: Answer) -> bool:
        whole, dot, _ = answer.names[0].rpartition(".")
        return bool(dot) and whole in self._by_name


def joined(found: Sequence[Answer]) -> Value | None:
    """Return the answer, or the answers with a blank between them; None when there is none."""
    given = [answer.value for answer in found if answer.value is not None]
    if len(given) < 2:
        return given[0] if given else None
    return " ".join(as_text(value) for value in given)
