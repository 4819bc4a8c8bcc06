"""What a provider's module returns: a delivery, in words that no longer know the vendor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """Somebody who booked, or whom they brought along."""

    key: str  # what tells them from the other attendees of the booking; empty when there is only one
    answers: tuple[Answer, ...] = ()  # under the names of our fields, and their own; none where the tool does not tell
    is_no_show: bool | None = None  # None: the tool does not tell
    is_host: bool = False  # of the owner's team: whoever hosts a booking too was not met at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What a booking tool tells of a booking: it stands, or is over, was cancelled, or somebody did not come."""

    key: str
    id: str  # the tool's id of the booking
    what: Literal["booked", "over", "cancelled", "attendance"]
    attendees: tuple[Attendee, ...]
    at: datetime | None  # when the tool told; None: not said
    moved_from: str | None = None  # the booking whose place it takes
    is_seated: bool = False  # every attendee comes and goes by themselves
    is_host_no_show: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A gathering is over that its tool names no people of: the host is to be asked."""

    key: str
    id: str  # the tool's id of the gathering, the same whenever it tells of it
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A challenge, submitting nothing: what to answer, by the secret that proved it."""

    answer: Callable[[str], Mapping[str, str]]


Delivery = Submission | Booking | Gathered | Handshake | Ignored


class Unreadable(Exception):
    """The body is well formed, and yet not what this provider sends; why, in words."""
