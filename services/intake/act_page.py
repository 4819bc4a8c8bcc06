"""What the page behind a nudge's link says and offers, as things stand; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.intake import later
from services.intake.acts import Situation
from services.intake.later import Later
from shared.events import Act

SPANS: Final[Mapping[str, str]] = {"1 week": "In a week", "1 month": "In a month"}

WELCOME: Final = (
    "Afterhello writes to {address} again. What was stopped stays stopped; reminders come of what you log from now on."
)
GONE: Final = "Nothing is kept about this any more, and no reminder of it will come."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the page says first: how things stand, or why nothing happened."""

    title: str
    text: str
    status: int = 200


NO_PROOF: Final = Notice(
    title="Once more, please",
    text="Nothing has changed: this page had lain open for too long, or was not sent by its button. Press it again.",
    status=403,
)
NO_BUTTON: Final = Notice(title="Which button was it?", text="Nothing has changed. Press one of these.", status=400)
EXPIRED: Final = Notice(
    title="This reminder is from long ago",
    text="Done and Later work for 90 days. To stop reminders about this person, the button below still does.",
)


def standing(known: Situation, *, is_fresh: bool) -> Notice | None:
    """Return how things stand, or None when nothing was done about it yet."""
    name = known.contact
    if known.stopped_at:
        text = f"Since {_day(known.stopped_at, known)}: no more reminders about {name}, until you log them again."
        return Notice(title="Stopped", text=text)
    if known.done_at:
        return Notice(title="Done", text=f"Noted on {_day(known.done_at, known)}. Nothing is left to do here.")
    if not is_fresh:
        return EXPIRED
    if known.later_at:
        return Notice(title="Later", text=f"You put this off {_how_long(known.later)}. You may still change that.")
    return None


def again(act: Act, known: Situation, *, changed: bool) -> Notice | None:
    """Return what to say of a button that changed nothing, or None when how things stand says it all."""
    if changed or (act == "later" and not known.done_at and not known.stopped_at):
        return None
    if act == "later" or (act == "done" and known.done_at):
        now = standing(known, is_fresh=True)
        return now and Notice(title=f"Already {now.title.lower()}", text=now.text)
    return None


def offers(known: Situation, *, is_fresh: bool) -> list[Act]:
    """Return the buttons that still mean something, the likeliest first."""
    if known.stopped_at:
        return []
    if known.done_at or not is_fresh:
        return ["stop"]
    return ["done", "later", "stop"]


def today(known: Situation, now: datetime) -> date:
    """Return the owner's day."""
    return now.astimezone(ZoneInfo(known.zone)).date()


def values(
    known: Situation, *, notice: Notice | None, is_fresh: bool, now: datetime, act: str | None, span: str | None
) -> dict[str, object]:
    """Return what the template shows; `act` and `span` are the button that the link in the message was for."""
    offered = offers(known, is_fresh=is_fresh)
    # Nobody is led to stop who did not ask for it.
    first = act if act in offered else "done" if "done" in offered else None
    return {
        "notice": notice or standing(known, is_fresh=is_fresh),
        "contact": known.contact,
        "event": known.event,
        "promise": known.promise,
        "offers": sorted(offered, key=lambda offer: offer != first),
        "first": first,
        "spans": SPANS,
        "chosen": span if span in SPANS else next(iter(SPANS)),
        "earliest": later.earliest(today(known, now)),
        "latest": later.latest(today(known, now)),
    }


def masked(address: str) -> str:
    """Return as much of an address as its owner recognises, and nobody else can use."""
    name, at, host = address.rpartition("@")
    return f"{name[:1]}***@{host}" if at else f"***{address[-4:]}"


def _how_long(how_long: Later) -> str:
    return f"until {_written(how_long.until)}" if how_long.until else f"for {how_long.span}"


def _day(at: datetime, known: Situation) -> str:
    return _written(at.astimezone(ZoneInfo(known.zone)).date())


def _written(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"
