"""What a text from a telephone does: STOP and START for its number, DONE and LATER for what it was nudged about."""

import base64
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.intake import (
    acts,
    answering,
    leaving,
    open_nudges,
    proofs,
    reply_words,
    store_erasing,
    store_people,
    text_answers,
)
from services.intake.open_nudges import Open
from services.intake.reply_words import Said
from services.intake.text_answers import Kind, Language
from shared import db, outbox
from shared.db import Connection
from shared.events import AddressRestored, AddressSuppressed, RestoredData, SuppressedData
from shared.signing import Fingerprints

ANSWERS: Final[dict[str, Kind]] = {"done": "done", "later": "later", "stop": "stopped", "start": "started"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What came from a telephone."""

    vendor: str
    id: str  # the vendor's own, the same when it sends it again
    sender: str  # E.164
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """What became of it, in a word, and what is to be answered."""

    what: str
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whose:
    """Who has this number; several may share one."""

    number: str
    people: list[UUID]
    language: Language
    today: date


async def receive(conn: Connection, text: Text, *, confirms_stop: bool, erased: Fingerprints | None = None) -> Replied:
    """Do what the text says, once. Whatever asks for it stops; anything else has to be plain."""
    if not await proofs.once(conn, text.vendor, text.id):
        return Replied(what="repeated")
    whose = await _whose(conn, text.sender)
    texts = (text.text, _unpacked(text.text))
    said = next((found for one in texts if one and (found := reply_words.read(one, today=whose.today))), None)
    match said:
        case Said(meant="stop"):
            await _stop(conn, whose)
            return await _answer(conn, whose, "stop") if confirms_stop else Replied(what="stop")
        case Said(meant="start"):
            await _start(conn, whose, erased)
            return await _answer(conn, whose, "start")
        case Said(meant="help"):
            return await _answer(conn, whose, "help")
        case Said():
            return await _act(conn, whose, said)
        case _:
            return await _answer(conn, whose, "unclear")


def _unpacked(text: str) -> str | None:
    """Some gateways hand on what was written in base64 (`U1RPUA==`)."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None


async def _whose(conn: Connection, number: str) -> _Whose:
    people = await store_people.reached_at(conn, number, "sms")
    row = await conn.fetchrow(
        "SELECT locale, time_zone FROM people WHERE id = ANY ($1::uuid[]) ORDER BY created_at, id LIMIT 1", people
    )
    zone = ZoneInfo(row["time_zone"] if row else "UTC")
    return _Whose(
        number=number,
        people=people,
        language=text_answers.language(row["locale"] if row else "en"),
        today=(await db.now(conn)).astimezone(zone).date(),
    )


async def _stop(conn: Connection, whose: _Whose) -> None:
    for person in whose.people:
        await leaving.stop_everything(conn, person=person, channel="sms", address=whose.number, via="reply")
    if not whose.people:  # a number that we do not know yet, or no more
        at = await db.now(conn)
        fact = SuppressedData(address=whose.number, channel="sms", reason="unsubscribed", at=at)
        await outbox.add(conn, [AddressSuppressed(source="/afterhello/intake", time=at, subject="sms", data=fact)])


async def _start(conn: Connection, whose: _Whose, erased: Fingerprints | None) -> None:
    """Also a number that a carrier gave up may be written to again: somebody writes from it. Who was erased is known
    by the fingerprint of their number alone."""
    if erased is not None:
        await store_erasing.take_fingerprints(conn, erased.every(whose.number))
    news = [
        await leaving.start_again(conn, person=person, channel="sms", address=whose.number) for person in whose.people
    ]
    if not any(news):
        at = await db.now(conn)
        fact = RestoredData(address=whose.number, channel="sms", at=at)
        await outbox.add(conn, [AddressRestored(source="/afterhello/intake", time=at, subject="sms", data=fact)])


async def _act(conn: Connection, whose: _Whose, said: Said) -> Replied:
    waiting = await open_nudges.of_people(conn, whose.people, "sms")
    kind = f"which {said.meant}"
    if said.which is not None:
        # Numbers are those of the list that they were shown, whatever has changed since.
        kinds = (kind, "which done", "which later")
        lists = [shown for one in kinds if (shown := await answering.shown(conn, whose.number, one))]
        shown = lists[0] if lists else []
        wanted = shown[said.which - 1] if 0 < said.which <= len(shown) else None
        chosen = [one for one in waiting if one.about.follow_up == wanted]
        if not chosen and wanted is not None:
            return await _answer(conn, whose, "nothing")
    else:
        chosen = waiting if len(waiting) == 1 else []
    if len(chosen) == 1:
        about = chosen[0].about
        if said.meant == "done":
            await acts.done(conn, about, via="reply")
        elif said.later is not None:
            await acts.later(conn, about, said.later, via="reply")
        return await _answer(conn, whose, said.meant)
    if not waiting:
        return await _answer(conn, whose, "nothing")
    return await _ask(conn, whose, waiting, kind, is_later=said.meant == "later")


async def _ask(conn: Connection, whose: _Whose, waiting: list[Open], kind: str, *, is_later: bool) -> Replied:
    listed = waiting[-text_answers.LISTED :]  # the newest, should there be more
    if not await answering.may(conn, whose.number, kind, follow_ups=[one.about.follow_up for one in listed]):
        return Replied(what="which")
    names = [one.contact for one in listed]
    return Replied(what="which", answer=text_answers.which(names, whose.language, is_later=is_later))


async def _answer(conn: Connection, whose: _Whose, what: str) -> Replied:
    kind = ANSWERS.get(what) or what
    if not await answering.may(conn, whose.number, kind):
        return Replied(what=what)
    return Replied(what=what, answer=text_answers.answer(kind, whose.language))  # type: ignore[arg-type]
