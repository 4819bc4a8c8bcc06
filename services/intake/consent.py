"""Consent: who brought an address, in which words its holder agreed, and whether that was they themselves. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.events import Channel, Contact, Person

ASKED_AS: Final[dict[Channel, str]] = {"email": "owner.email", "sms": "owner.phone", "apprise": "owner.channel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What hands in meetings: a source, or a token of the API."""

    name: str = ""
    confirms: bool = False  # its addresses are others' to give: each is confirmed by its holder before the first nudge
    vouched: str | None = None  # the owner whom the operator named for it, in small letters: no need to ask them
    note: str | None = None  # the words in which people were asked, as the operator put them
    questions: Mapping[str, str] = field(default_factory=dict)  # fields: which question of the form they answer

    def asking(self, questions: Mapping[str, str]) -> "Origin":
        """Return it with the questions that one submission answered."""
        return replace(self, questions=questions)

    def is_themselves(self, email: str | None) -> bool:
        """Whether who has this address gave it themselves, or the operator answers for it."""
        return not self.confirms or (email is not None and email.lower() == self.vouched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A row of `consents`."""

    person: UUID
    connection: UUID | None = None  # of a contact; None: the owner themselves
    channel: Channel
    address: str | None
    at: datetime
    source: str
    wording: str | None
    confirmed_at: datetime | None = None


def of_owner(person: Person, origin: Origin, *, at: datetime) -> list[Consent]:
    """Return what came in of an owner's own addresses, which are all that this person is given with."""
    confirmed_at = at if origin.is_themselves(person.email) else None
    return [
        Consent(
            person=person.id,
            channel=channel,
            address=address,
            at=at,
            source=origin.name,
            wording=origin.note or origin.questions.get(ASKED_AS[channel]),
            confirmed_at=confirmed_at,
        )
        for channel, address in addresses(person.email, person.phone, person.apprise_url)
    ]


def of_contact(contact: Contact, origin: Origin, *, person: UUID, connection: UUID, at: datetime) -> list[Consent]:
    """Return what a submission says that a contact agreed to: nothing, unless it says so."""
    if not contact.consent:
        return []
    asked = [origin.questions[name] for name in sorted(origin.questions) if name.endswith(".consent")]
    wording = asked[0] if asked else origin.note
    known: list[tuple[Channel, str | None]] = [*addresses(contact.email, contact.phone)] or [("email", None)]
    return [
        Consent(
            person=person,
            connection=connection,
            channel=channel,
            address=address,
            at=at,
            source=origin.name,
            wording=wording,
        )
        for channel, address in known
    ]


def addresses(email: str | None, phone: str | None, apprise_url: str | None = None) -> list[tuple[Channel, str]]:
    """Return those of these that are known, with the channels that write to them."""
    known: list[tuple[Channel, str | None]] = [("email", email), ("sms", phone), ("apprise", apprise_url)]
    return [(channel, address) for channel, address in known if address]
