"""A prompt: a gathering is over, and its host is asked whom they met; pure.

It is kept as a meeting with nobody yet, a connection of its own, so that it waits, moves, stops and coalesces as
everything else that a person gets.
"""

from datetime import datetime
from typing import Final

from services.scheduler import wall_time
from services.scheduler.clocks import clock_of
from services.scheduler.plan import PlannedFollowUp
from services.scheduler.plan_words import Playbook
from shared.events import Contact, Meeting, Person, PromptData

PLAYBOOK: Final[Playbook] = "who-did-you-meet"
NOBODY: Final = Contact(name="")


class Prompt(Meeting):
    """A gathering whose host has still to say whom they met."""

    form_url: str


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
    )


def planned(what: Prompt, host: Person) -> PlannedFollowUp:
    """Return its one follow-up: at the host's next send time."""
    clock = clock_of(host)
    target = wall_time.next_send_time(what.logged_at, clock)
    return PlannedFollowUp(
        step=1,
        occurrence=1,
        playbook=PLAYBOOK,
        channel=None,
        heeds_quiet=True,
        target=target,
        moment=wall_time.place(target, clock),
    )
