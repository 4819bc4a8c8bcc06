"""What happened to one educator, for whoever checks it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from shared.events import Meeting, NudgeData, Person

Cause = Literal["meeting", "person", "touch", "act", "stop", "suppressed", "restored", "fired"]


class Change(NamedTuple):
    """A follow-up as it became, when and by what."""

    at: datetime
    cause: Cause
    after: FollowUp


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop of a connection, or (None) of everything."""

    said_at: datetime
    heard_at: datetime
    connection: UUID | None


@dataclass(slots=True)
class Record:
    """Everything that the scheduler heard, decided and sent for one educator."""

    number: int
    people: list[tuple[datetime, Person]] = field(default_factory=list)  # their facts, since when we know them
    meetings: list[tuple[datetime, Meeting]] = field(default_factory=list)
    stops: list[Stopped] = field(default_factory=list)
    suppressed: list[tuple[datetime, datetime]] = field(default_factory=list)  # their mail address, from and until
    erased_at: datetime | None = None
    put_off: dict[UUID, list[tuple[datetime, bool]]] = field(default_factory=dict)  # when, and whether by hours
    changes: list[Change] = field(default_factory=list)
    nudges: list[tuple[datetime, NudgeData]] = field(default_factory=list)

    def add(self, at: datetime, cause: Cause, after: FollowUp) -> None:
        """Keep that this became of a follow-up."""
        self.changes.append(Change(at, cause, after))
