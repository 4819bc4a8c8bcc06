"""A nudge to a contact goes out on behalf of its owners, and ends with them; pure."""

from collections.abc import Collection
from uuid import UUID

from shared.events import NudgeData


def owners(nudge: NudgeData) -> set[UUID]:
    """Return on whose behalf a contact is written to; nobody's for a nudge to an owner."""
    return {one.owner.id for one in nudge.follow_ups if one.owner}


def without_owners(nudge: NudgeData, gone: Collection[UUID]) -> NudgeData | None:
    """Return the nudge without what it carries on behalf of these; None when nothing is left, the same value when it
    carries nothing of theirs."""
    left = tuple(one for one in nudge.follow_ups if one.owner is None or one.owner.id not in gone)
    if len(left) == len(nudge.follow_ups):
        return nudge
    return nudge.model_copy(update={"follow_ups": left}) if left else None
