"""What a letter to one of our addresses for a nudge does: `reply+TOKEN@`, `unsub+TOKEN@`, `bounce+TOKEN@`.

The token says which nudge; who wrote it says what it may do. The words of an owner act, when they were written to us
alone. What an owner writes to whom they met, or forwards of theirs, is a real contact, and so is what the contact
answers. Nobody else does anything, and no machine does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.intake import (
    acts,
    leaving,
    letter,
    open_nudges,
    proofs,
    reply_text,
    reply_words,
    store_connections,
    thread,
)
from services.intake.acts import About
from services.intake.letter import Letter
from services.intake.reply_words import Said
from services.intake.store_connections import Whose
from shared import db, outbox
from shared.db import Connection
from shared.events import Channel, ConnectionTouched, Touch, TouchData, new_id

What = Literal["done", "later", "stop", "start", "touched", "replied", "unsubscribed", "repeated", "nothing"]

LENGTH: Final = 300  # of words that are an answer to us
MANY: Final = 50
KINDS: Final[dict[Touch, str]] = {"logged": "logged", "replied": "answered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Met:
    """One connection that a nudge was about."""

    about: About
    address: str | None  # the contact's, in lower case


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nudge:
    id: UUID
    person: UUID
    is_to_contact: bool  # it went to whom they met, in their name
    owner: str | None  # their address, in lower case
    zone: str
    channel: Channel
    met: Sequence[_Met]


async def receive(conn: Connection, one: Letter, nudge: UUID) -> What:
    """Do what a letter to `reply+TOKEN@` says, once, and return what that was."""
    if one.automatic or one.sender is None:
        return "nothing"
    found = await _find(conn, nudge)
    if found is None or not await proofs.once(conn, "reply", f"{nudge} {one.id}"):
        return "nothing" if found is None else "repeated"
    sender = one.sender.address.lower()
    if sender == found.owner:
        written_to = {person.address.lower() for person in (*one.to, *one.cc)} - {sender}
        if met := [met for met in found.met if met.address in written_to | _forwarded(one, sender)]:
            return await _touch(conn, found, met, "logged")
        # To others, who are nobody of this nudge: it is not us who are spoken to.
        return "nothing" if written_to else await _obey(conn, found, one)
    if met := [met for met in found.met if met.address == sender]:
        # The nudge went to them in the owner's name, and whoever says so plainly wants no other.
        if found.is_to_contact and (said := await _said(conn, found, one)) and said.meant == "stop":
            return await unsubscribe(conn, nudge) or "nothing"
        return await _touch(conn, found, met, "replied")
    return "nothing"


async def unsubscribe(conn: Connection, nudge: UUID) -> What | None:
    """Let nothing more go to whom this nudge went to, on its channel; None when we have not heard of the nudge yet."""
    row = await conn.fetchrow(
        """
        SELECT n.person, n.channel, n.person = p.id AS is_owner,
               CASE n.channel WHEN 'email' THEN p.email ELSE p.phone END AS address,
               (SELECT c.contact ->> 'email'
                  FROM follow_ups f JOIN connections c ON c.id = f.connection
                 WHERE f.id = ANY (n.follow_ups) AND c.contact ->> 'email' IS NOT NULL LIMIT 1) AS contact
          FROM nudges n
          LEFT JOIN people p ON p.id = n.person
         WHERE n.id = $1
        """,
        nudge,
    )
    if row is None:
        return None
    address = row["address"] if row["is_owner"] else row["contact"]
    if not address:
        return "nothing"
    await leaving.stop_everything(
        conn, person=row["person"], channel=row["channel"], address=address, via="unsubscribe"
    )
    return "unsubscribed"


async def touch_known(conn: Connection, one: Letter, meetings: Sequence[UUID]) -> int:
    """Note a letter that logged meetings as a real contact with those whom its owner had met before."""
    rows = await conn.fetch(
        """
        SELECT m.connection, m.person, p.time_zone AS zone
          FROM meetings m JOIN people p ON p.id = m.person
         WHERE m.id = ANY ($1::uuid[])
           AND EXISTS (SELECT FROM meetings o
                        WHERE o.connection = m.connection AND o.id <> ALL ($1::uuid[]) AND o.logged_at <= m.logged_at)
        """,
        list(meetings),
    )
    new = [row for row in rows if await proofs.once(conn, "letter touch", f"{row['connection']} {one.id}")]
    for row in new:
        await _note(conn, Whose(**row), "logged")
    return len(new)


async def _find(conn: Connection, nudge: UUID) -> _Nudge | None:
    rows = await conn.fetch(
        """
        SELECT f.id AS follow_up, f.person, f.connection, lower(p.email) AS owner, p.time_zone AS zone,
               coalesce(n.channel, 'email') AS channel, coalesce(n.person <> f.person, false) AS is_to_contact,
               lower(c.contact ->> 'email') AS address
          FROM follow_ups f
          JOIN people p ON p.id = f.person
          JOIN connections c ON c.id = f.connection
          LEFT JOIN nudges n ON n.id = $1
         WHERE f.nudge = $1 OR f.id = ANY (SELECT unnest(follow_ups) FROM nudges WHERE id = $1)
         ORDER BY f.due_at, f.id
         LIMIT $2
        """,
        nudge,
        MANY,
    )
    if not rows:
        return None
    first = rows[0]
    met = [
        _Met(
            about=About(person=row["person"], connection=row["connection"], follow_up=row["follow_up"], nudge=nudge),
            address=row["address"],
        )
        for row in rows
    ]
    about = {name: first[name] for name in ("person", "is_to_contact", "owner", "zone", "channel")}
    return _Nudge(id=nudge, met=met, **about)


async def _obey(conn: Connection, nudge: _Nudge, one: Letter) -> What:
    """Do what the owner says above what they quote, if it is plain; a stop concerns all that the nudge was about."""
    match await _said(conn, nudge, one):
        case Said(meant="stop", everything=True):
            assert nudge.owner is not None
            await leaving.stop_everything(conn, person=nudge.person, channel="email", address=nudge.owner, via="reply")
            return "stop"
        case Said(meant="stop"):
            for about in {met.about.connection: met.about for met in nudge.met}.values():
                await acts.stop_connection(conn, about, via="reply")
            return "stop"
        case Said(meant="start"):
            assert nudge.owner is not None
            await leaving.start_again(conn, person=nudge.person, channel="email", address=nudge.owner)
            return "start"
        case Said(meant="done" | "later") as said:
            return await _act(conn, nudge, said)
        case _:
            return "nothing"


async def _said(conn: Connection, nudge: _Nudge, one: Letter) -> Said | None:
    """Return what is said above what they quote, if it is plain."""
    today = (await db.now(conn)).astimezone(ZoneInfo(nudge.zone)).date()
    texts = reply_text.candidates(one.text)
    return next((found for text in texts if (found := reply_words.read(text, today=today, length=LENGTH))), None)


async def _act(conn: Connection, nudge: _Nudge, said: Said) -> What:
    """Act on what waits, when that is about one person: of several nobody can tell who was meant."""
    waiting = await open_nudges.of_nudge(conn, nudge.id)
    if len({one.about.connection for one in waiting}) != 1:
        return "nothing"
    for one in waiting:
        if said.meant == "done":
            await acts.done(conn, one.about, via="reply")
        elif said.later is not None:
            await acts.later(conn, one.about, said.later, via="reply")
    return "done" if said.meant == "done" else "later"


def _forwarded(one: Letter, owner: str) -> set[str]:
    """Who wrote, or was written, the letters that stand within this one."""
    heads = thread.forwarded(one.text)
    people = {person.address.lower() for head in heads for person in (*head.sender, *head.to)}
    return {address for address in people if not letter.OURS.fullmatch(address)} - {owner}


async def _touch(conn: Connection, nudge: _Nudge, met: Sequence[_Met], how: Touch) -> What:
    for connection in dict.fromkeys(one.about.connection for one in met):
        await _note(conn, Whose(connection=connection, person=nudge.person, zone=nudge.zone), how)
    return "replied" if how == "replied" else "touched"


async def _note(conn: Connection, whose: Whose, how: Touch) -> None:
    at = await db.now(conn)
    await store_connections.touch(conn, whose, id=new_id(), kind=KINDS[how], at=at, note=None)
    data = TouchData(person=whose.person, connection=whose.connection, at=at, how=how)
    await outbox.add(conn, [ConnectionTouched(time=at, subject=str(whose.connection), data=data)])
