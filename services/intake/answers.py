"""What a provider's module returns: a delivery, in words that no longer know the vendor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Value = str | bool | int | float | tuple[str, ...]
# What kind of question it was, as far as it tells something about the answer.
Kind = Literal["text", "email", "phone", "url", "date", "number", "yes-no", "choice", "file", "hidden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question of a form, and what was answered; None when it was left out."""

    names: tuple[str, ...]  # the provider's id, ref or key: what a mapping names, rather than a title
    title: str
    kind: Kind
    value: Value | None
    row: "Row | None" = None  # of a group that can be filled in several times
    stands_for: str | None = None  # our field it is meant for, unless a question says otherwise


class Row(NamedTuple):
    """The cell of a group that is filled in once for each person: which one, counted from 1, and what it asks."""

    number: int
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One submission: a form's answers, or (`document`) a meeting in the API's own words."""

    key: str  # the sender's own id of it, the same on every retry
    answers: tuple[Answer, ...] = ()
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A delivery that submits nothing, such as a form half filled in; why, in words."""

    reason: str


Delivery = Submission | Ignored


class Unreadable(Exception):
    """The body is well formed, and yet not what this provider sends; why, in words."""
