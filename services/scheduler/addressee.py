"""To whom a step goes: the owner, or the contact they met, who must have agreed to it; pure.

A contact is nobody we know: who they are is what their address says. The same address is the same contact, whoever met
them, so that several owners' steps for them are one nudge, and one unsubscribe ends them all.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from services.scheduler import follow_up as kept
from services.scheduler.follow_up import FollowUp
from services.scheduler.wall_clock import Clock
from shared.events import Channel, Contact, Meeting, Person

BY: Final[Channel] = "email"  # nobody agrees to be texted by being met
CONTACTS: Final = UUID("6f2c7d1e-3b0a-4f6e-9d55-0c1a2b7e8f90")  # the namespace of their ids


def agreed(contact: Contact) -> str | None:
    """Return where this contact agreed to be written to; None when they did not, or gave no address."""
    return contact.email if contact.consent and contact.email else None


def contact_id(address: str) -> UUID:
    """Return the id of whoever has this address, the same from whomever we have it."""
    return uuid5(CONTACTS, address.strip().lower())


def id_of(contact: Contact) -> UUID | None:
    """Return the id of this contact as one to be written to; None when they must not be."""
    address = agreed(contact)
    return contact_id(address) if address else None


def channel_of(follow_up: FollowUp, person: Person) -> Channel:
    """Return the channel that a follow-up of this owner goes by, whomever it goes to."""
    return BY if follow_up.addressee == "contact" else follow_up.channel_for(person)


def addressed(follow_up: FollowUp, meeting: Meeting, clock: Clock, now: datetime) -> FollowUp:
    """Return one to the contact as their consent and address are now: skipped without, and when both are there again
    waiting, unless its time has passed meanwhile; any other as it is."""
    if follow_up.addressee == "owner":
        return follow_up
    to = id_of(meeting.contact)
    if follow_up.state == "waiting":
        if to is None:
            return kept.ended(follow_up, "skipped", "no-consent")
        return follow_up if follow_up.contact_id == to else follow_up.but(contact_id=to)
    if to is None or (follow_up.state, follow_up.reason) != ("skipped", "no-consent"):
        return follow_up
    waits = follow_up.but(state="waiting", reason=None, contact_id=to)
    waits = kept.moved(waits, clock)
    return waits if waits.due_at > now else follow_up
