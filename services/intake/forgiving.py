"""A form or a booking is not sent twice, so an answer only guessed to be one of our fields must not cost it. Pure."""

from collections.abc import Sequence
from typing import Final

from services.intake import guard, several
from services.intake.answers import Submission
from services.intake.body import FieldError
from services.intake.mapping import LeftOut, Mapped

# Without these there is no meeting; and what was meant for the owner must not be logged as somebody else's.
REQUIRED: Final = ("owner.email", "contact.name")


def wrong_guesses(mapped: Mapped, errors: Sequence[FieldError]) -> LeftOut:
    """Return the fields that were guessed wrong, and why; none when it is something else that is wrong.

    A question that has the name of our field is no guess: there the form, or the tool, says itself what it means.
    """
    found: dict[str, str] = {}
    for line in mapped.report:
        if line.how != "guessed" or line.question == line.field or several.single(line.field) in REQUIRED:
            continue
        for error in errors:
            if guard.is_refusal([error]):
                continue  # what is not to be kept is refused, also where it was only guessed what it is
            if _is_in(line.field, several.renamed(error["field"], mapped.numbers)):
                found.setdefault(line.field, error["problem"])
    return found


def names_owner(submission: Submission) -> bool:
    """Say whether the tool itself tells whose booking it is: whatever else is asked is about the contact then."""
    return any("owner.email" in answer.names and answer.value for answer in submission.answers)


def _is_in(field: str, wrong: str) -> bool:
    """Say whether this field is what is wrong, or what is wrong is a part of it: `topics.0`."""
    return wrong == field or wrong.startswith(f"{field}.")
