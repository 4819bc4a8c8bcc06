"""What is to come of a meeting that was changed, before the scheduler has told; pure."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.events import FollowUp, Meeting

# Skipped for what the meeting was: when it changes, so may these.
REVIVED: Final = ("past", "rescheduled", "cancelled", "no-show", "no-consent")
SHOWN: Final = ("id", "step", "occurrence", "playbook", "state", "reason", "local", "zone", "due_at")


def shown(preview: Sequence[FollowUp]) -> list[dict[str, Any]]:
    """Return what is going to follow in the API's shape; what goes to the contact says so."""
    return [
        one.model_dump(include=set(SHOWN)) | {"nudge": None} | ({"to": one.to} if one.to == "contact" else {})
        for one in preview
    ]


def is_planned_anew(before: Meeting, after: Meeting) -> bool:
    """Whether what its plan goes by is other than before."""
    facts = [(one.met_at, one.goal_at, one.plan) for one in (before, after)]
    return facts[0] != facts[1] or (before.state == "cancelled" != after.state)


def changed(
    known: Sequence[dict[str, Any]],
    preview: Sequence[FollowUp],
    after: Meeting,
    *,
    put_off: Collection[UUID],
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the follow-ups as the change will leave them: what was nudged or has ended stays as it is, and so does
    the time of what its owner put off."""
    planned = {one["id"]: one for one in shown(preview)}
    found = []
    for one in known:
        # What is superseded before its time was taken over by another meeting, and may be given back.
        is_taken_over = one["reason"] == "superseded" and one["due_at"] > now
        may_move = (
            one["state"] == "waiting" or (one["state"] == "skipped" and one["reason"] in REVIVED) or is_taken_over
        )
        fresh = planned.pop(one["id"], None)
        if not may_move or one["id"] in put_off:
            found.append(one)
        elif fresh:
            found.append(fresh | {"nudge": one["nudge"]})
        else:
            found.append(one | ({"state": "skipped", "reason": "rescheduled"} if one["state"] == "waiting" else {}))
    found += planned.values()
    return sorted((stood(one, after) for one in found), key=lambda one: (one["step"], one["occurrence"]))


def is_addressed_anew(before: Meeting, after: Meeting) -> bool:
    """Whether the contact may be written to, or must not, other than before."""
    return (before.contact.consent, before.contact.email) != (after.contact.consent, after.contact.email)


def addressed(
    known: Sequence[dict[str, Any]], preview: Sequence[FollowUp], after: Meeting, *, now: datetime
) -> list[dict[str, Any]]:
    """Return the follow-ups as the contact's consent leaves them: what goes to them ends without, and what is still to
    come of it waits again with it."""
    planned = {one["id"]: one for one in shown(preview)}
    may_be = bool(after.contact.consent and after.contact.email)
    found = []
    for one in known:
        waits = one | {"state": "waiting", "reason": None}
        fresh = planned.get(one["id"], waits)  # its plan may have lost the step since
        if one.get("to") == "contact" and one["state"] == "waiting" and not may_be:
            one = one | {"state": "skipped", "reason": "no-consent"}
        elif one["reason"] == "no-consent" and may_be and one["due_at"] > now:
            one = (waits if fresh["state"] == "waiting" else fresh) | {"nudge": one["nudge"]}
        found.append(stood(one, after))
    return found


def stood(one: dict[str, Any], meeting: Meeting) -> dict[str, Any]:
    """Return a follow-up as the state of its meeting leaves it."""
    if one["state"] != "waiting" or meeting.state in {"active", "paused"}:
        return one
    if meeting.state == "stopped":
        return one | {"state": "stopped", "reason": None}
    return one | {"state": "skipped", "reason": meeting.state_reason or "cancelled"}
