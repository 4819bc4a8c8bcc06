"""A booking is not sent twice, so an answer only guessed to be one of our fields must not cost it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from services.intake.answers import Submission
from services.intake.body import FieldError
from services.intake.mapping import Mapped


def forgiven(submission: Submission, mapped: Mapped, errors: Sequence[FieldError]) -> Submission | None:
    """Return the submission without the answers that were guessed wrong; None when it is something else that is wrong.

    The tool's own facts stand under our names: only what the booker answered beside them was a guess.
    """
    guessed = {
        line.question
        for line in mapped.report
        if line.how == "guessed" and line.question != line.field and any(_is_in(line.field, one) for one in errors)
    }
    kept = tuple(answer for answer in submission.answers if answer.title not in guessed)
    return replace(submission, answers=kept) if len(kept) < len(submission.answers) else None


def names_owner(submission: Submission) -> bool:
    """Say whether the tool itself tells whose booking it is: whatever else is asked is about the contact then."""
    return any("owner.email" in answer.names and answer.value for answer in submission.answers)


def _is_in(field: str, error: FieldError) -> bool:
    """Say whether this field is what is wrong, or what is wrong is a part of it: `topics.0`."""
    return error["field"] == field or error["field"].startswith(f"{field}.")
