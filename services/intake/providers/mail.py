"""`mail`: a letter that was also sent to the source's own address, in Bcc or forwarded, logs whom it was written to.

Anybody can write any sender into a letter, so that proves nothing: the address does, which only the owner knows.
Meetings are always the owner's, and a letter of another sender is refused, so that an answer to all that comes back to
the address does not log the owner as somebody's acquaintance.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from services.intake import fields, letter, thread
from services.intake.answers import Delivery, Ignored, Submission, Unreadable
from services.intake.body import CONTACTS
from services.intake.letter import Letter, Mailbox

OWNER: Final = "owner"  # the header under which the source's owner is told: no letter brings it


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return what a letter logs: one that was kept, or a file that a mail program saved (.eml)."""
    one = letter.of_json(body) if body.startswith(b"{") else letter.of_mime(body)
    if one.automatic:
        return Ignored(reason=one.automatic)
    owner = headers.get(OWNER, "").lower()
    if one.sender is None or one.sender.address.lower() != owner:
        raise Unreadable(f"is not from the owner, {owner or 'whom this source does not have'}")
    met, sent_at = _met(one, owner)
    if not met:
        raise Unreadable(
            "names nobody whom the owner met: write to them with this address in Bcc, or forward what they wrote"
        )
    people = [_contact(person) for person in met[:CONTACTS]]
    document: dict[str, Any] = {"owner": {"email": owner}, "notes": thread.notes(one.subject, one.text) or None}
    document |= {"contact": people[0]} if len(people) == 1 else {"contacts": people}
    if sent_at:
        document["met_at"] = sent_at
    if name := _name(one.sender.name):
        document["owner"]["name"] = name
    return Submission(key=one.id, document=document)


def _met(one: Letter, owner: str) -> tuple[list[Mailbox], str | None]:
    """Whom it was written to; if only to us, then who wrote what was forwarded, and when."""
    for written_to in (one.to, one.cc):
        if people := _others(written_to, owner):
            return people, one.sent_at
    for within in thread.forwarded(one.text):
        if people := _others(within.sender, owner) or _others(within.to, owner):
            return people, within.sent_at or one.sent_at
    return [], one.sent_at


def _others(people: Iterable[Mailbox], owner: str) -> list[Mailbox]:
    return [one for one in people if one.address.lower() != owner and not letter.OURS.fullmatch(one.address)]


def _contact(person: Mailbox) -> dict[str, str]:
    contact = {"name": _name(person.name) or _name(_spoken(person.address)) or person.address[:200]}
    with suppress(ValueError):  # no mail server takes the address; whom they met is worth keeping all the same
        contact["email"] = fields.email(person.address)
    return contact


def _spoken(address: str) -> str:
    """`erin.gardner@district.example` is Erin Gardner, as far as we know."""
    local = address.partition("@")[0].partition("+")[0]
    words = [word for word in local.replace("_", ".").split(".") if word]
    return " ".join(word.capitalize() for word in words) if len(words) > 1 and "".join(words).isalpha() else address


def _name(text: str) -> str | None:
    """The name, without what may not stand in one."""
    kept = "".join(one if one.isprintable() and one not in fields.BIDI_CONTROLS else " " for one in text)
    return " ".join(kept.split())[: fields.NAME_LENGTH] or None
