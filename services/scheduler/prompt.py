"""A prompt: something to ask an owner, such as whom they met at a gathering that is over; pure.

It is kept as a meeting with nobody yet, a connection of its own, so that it waits, moves, stops and coalesces as
everything else that a person gets.
"""

from datetime import datetime
from typing import Any, Final

from services.scheduler import wall_time
from services.scheduler.clocks import clock_of
from services.scheduler.plan import PlannedFollowUp
from shared.events import Contact, Meeting, Person, PromptData

PLAYBOOK: Final = "who-did-you-meet"
CONFIRM: Final = "confirm-address"  # the one thing that goes to who has not confirmed
NOBODY: Final = Contact(name="")


class Prompt(Meeting):
    """A gathering whose host has still to say whom they met, or an address that its holder has still to confirm."""

    form_url: str
    playbook: str = PLAYBOOK


def prompt(wanted: PromptData, *, at: datetime) -> Prompt:
    """Return the prompt that was wanted at this moment."""
    return Prompt(
        id=wanted.prompt,
        revision=1,
        connection=wanted.prompt,
        plan="",
        logged_at=at,
        met_at=wanted.ended_at,
        contact=NOBODY,
        event=wanted.event,
        form_url=wanted.form_url,
        playbook=wanted.playbook,
    )


def planned(what: Prompt, host: Person) -> PlannedFollowUp:
    """Return its one follow-up: at the host's next send time."""
    playbook: Any = what.playbook  # what plans may name is checked in plans
    clock = clock_of(host)
    target = wall_time.next_send_time(what.logged_at, clock)
    return PlannedFollowUp(
        step=1,
        occurrence=1,
        playbook=playbook,
        channel=None,
        heeds_quiet=True,
        target=target,
        moment=wall_time.place(target, clock),
    )
