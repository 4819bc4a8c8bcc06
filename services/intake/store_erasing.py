"""Every query that erases a person: what is kept of them, and what mentions them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.db import Connection
from shared.events import Channel

SEARCH_SECONDS: Final = 300  # every submission that is kept is looked through

# Whether a text has one of the words in $1, in small letters, whatever bytes there are beside it.
_HAS = """
    EXISTS (SELECT FROM unnest($1::text[]) AS word
             WHERE strpos(lower(encode({column}, 'escape')), encode(convert_to(word, 'UTF8'), 'escape')) > 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Somebody's connection with a contact, and its meetings."""

    connection: UUID
    meetings: tuple[UUID, ...]


async def met(conn: Connection, addresses: Collection[str]) -> list[Met]:
    """Return the connections whose contact is reached at one of these addresses (in small letters); locks them."""
    rows = await conn.fetch(
        """
        SELECT c.id, ARRAY (SELECT m.id FROM meetings m WHERE m.connection = c.id ORDER BY m.id) AS meetings
          FROM connections c
         WHERE lower(c.contact ->> 'email') = ANY ($1::text[]) OR c.contact ->> 'phone' = ANY ($1::text[])
         ORDER BY c.id
           FOR UPDATE OF c
        """,
        list(addresses),
    )
    return [Met(connection=row["id"], meetings=tuple(row["meetings"])) for row in rows]


async def shared_with_others(conn: Connection, addresses: Collection[str], *, but: UUID | None) -> set[str]:
    """Return which of these addresses (in small letters) also reach another person."""
    rows = await conn.fetch(
        """
        SELECT address
          FROM unnest($1::text[]) AS given (address)
         WHERE EXISTS (SELECT FROM people p
                        WHERE address IN (lower(p.email), p.phone, lower(p.apprise_url))
                          AND p.id IS DISTINCT FROM $2)
        """,
        list(addresses),
        but,
    )
    return {row["address"] for row in rows}


async def delete_person(conn: Connection, person: UUID, at: datetime) -> int:
    """Delete a person with all that they logged, did and were sent; return how many meetings that were."""
    await conn.execute("INSERT INTO erased (person, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", person, at)
    await conn.execute(
        """
        UPDATE idempotency_keys k
           SET answer = '{"meetings":[]}'
          FROM submissions s
          JOIN meetings m ON m.submission = s.id
         WHERE m.person = $1 AND k.token = s.token AND strpos(k.answer, m.id::text) > 0
        """,
        person,
    )
    await conn.execute(
        """
        UPDATE submissions
           SET body = '', headers = '{}'
         WHERE id IN (SELECT submission FROM meetings WHERE person = $1)
            OR touched && (SELECT array_agg(id) FROM meetings WHERE person = $1)
        """,
        person,
    )
    await conn.execute(
        """
        DELETE FROM happenings
         WHERE entity IN (SELECT id FROM follow_ups WHERE person = $1 UNION SELECT id FROM nudges WHERE person = $1)
        """,
        person,
    )
    for table in ("follow_ups", "nudges"):
        await conn.execute(f"DELETE FROM {table} WHERE person = $1", person)  # noqa: S608 - one of two tables
    meetings: int = await conn.fetchval("SELECT count(*) FROM meetings WHERE person = $1", person)
    await conn.execute("DELETE FROM people WHERE id = $1", person)  # what is theirs goes with them
    return meetings


async def delete_connections(conn: Connection, connections: Sequence[UUID]) -> None:
    """Delete these connections; their meetings are gone by now."""
    await conn.execute("DELETE FROM connections WHERE id = ANY ($1::uuid[])", list(connections))


async def forget_mentions(conn: Connection, words: Sequence[str]) -> int:
    """Forget, among what is kept as it came, whatever has one of these words (in small letters) in it; return how many.

    Of a submission that was accepted its mark stays, so that a repeat is recognised; one that was rejected goes.
    """
    body, key = _HAS.format(column="body"), _HAS.format(column="convert_to(key, 'UTF8')")
    await conn.execute("SELECT set_config('statement_timeout', $1, true)", f"{SEARCH_SECONDS}s")
    found = 0
    for statement in (
        f"DELETE FROM submissions WHERE state = 'rejected' AND ({body} OR {key})",  # noqa: S608 - ours
        f"UPDATE submissions SET body = '', headers = '{{}}' WHERE body <> '' AND {body}",  # noqa: S608
        f"UPDATE submissions SET key = 'erased:' || id WHERE {key}",  # noqa: S608
        f"DELETE FROM idempotency_keys WHERE {key}",  # noqa: S608
    ):
        status: str = await conn.execute(statement, list(words), timeout=SEARCH_SECONDS)
        found += int(status.split()[-1])
    return found


async def mentioning(conn: Connection, words: Collection[str]) -> list[UUID]:
    """Return the meetings in whose words one of these (in small letters) stands."""
    rows = await conn.fetch(
        """
        SELECT id FROM meetings
         WHERE EXISTS (SELECT FROM unnest($1::text[]) AS word WHERE strpos(lower(sent::text), word) > 0)
         ORDER BY id
        """,
        list(words),
        timeout=SEARCH_SECONDS,
    )
    return [row["id"] for row in rows]


async def notes_mentioning(conn: Connection, words: Collection[str]) -> list[tuple[UUID, str]]:
    """Return the touches, with their notes, in which one of these (in small letters) stands."""
    rows = await conn.fetch(
        """
        SELECT id, note FROM touches
         WHERE EXISTS (SELECT FROM unnest($1::text[]) AS word WHERE strpos(lower(note), word) > 0)
         ORDER BY id
        """,
        list(words),
        timeout=SEARCH_SECONDS,
    )
    return [(row["id"], row["note"]) for row in rows]


async def change_note(conn: Connection, touch: UUID, note: str) -> None:
    """Keep this note instead."""
    await conn.execute("UPDATE touches SET note = $2 WHERE id = $1", touch, note)


async def forget_address(conn: Connection, address: str) -> tuple[str, ...]:
    """Delete what is kept by an address; return the names of the sources that were one person's, and are disabled.

    A token that opened this person's data opens nothing any more. What they alone handed in, and was rejected, goes.
    """
    await conn.execute(
        """
        DELETE FROM submissions
         WHERE state = 'rejected'
           AND (token IN (SELECT id FROM api_tokens WHERE owner = $1)
                OR source IN (SELECT id FROM sources
                               WHERE lower(owner) = $1 OR lower(fixed ->> 'owner.email') = $1))
        """,
        address,
    )
    await conn.execute("DELETE FROM suppressed WHERE address = $1", address)
    await conn.execute(
        """
        UPDATE api_tokens
           SET owner = 'erased:' || id, name = 'erased', revoked_at = coalesce(revoked_at, clock_timestamp())
         WHERE owner = $1
        """,
        address,
    )
    rows = await conn.fetch(
        """
        UPDATE sources
           SET owner = CASE WHEN lower(owner) <> $1 THEN owner END,
               fixed = CASE WHEN lower(fixed ->> 'owner.email') = $1 THEN fixed - 'owner.email' ELSE fixed END,
               disabled_at = coalesce(disabled_at, clock_timestamp())
         WHERE lower(owner) = $1 OR lower(fixed ->> 'owner.email') = $1
        RETURNING name
        """,
        address,
    )
    return tuple(sorted(row["name"] for row in rows))


async def keep_fingerprints(conn: Connection, prints: Sequence[tuple[str, Channel]], at: datetime) -> None:
    """Keep these keyed hashes of addresses that must not be written to."""
    await conn.execute(
        """
        INSERT INTO erased_addresses (fingerprint, channel, at)
        SELECT fingerprint, channel, $3 FROM unnest($1::text[], $2::text[]) AS given (fingerprint, channel)
            ON CONFLICT DO NOTHING
        """,
        [one for one, _ in prints],
        [channel for _, channel in prints],
        at,
    )


async def take_fingerprints(conn: Connection, prints: Collection[str]) -> bool:
    """Delete these keyed hashes of one address; say whether one was there."""
    status: str = await conn.execute("DELETE FROM erased_addresses WHERE fingerprint = ANY ($1::text[])", list(prints))
    return status != "DELETE 0"


async def has_fingerprints(conn: Connection) -> bool:
    """Return whether anybody was ever erased whose address is not to be written to."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM erased_addresses)")
    return found


async def fingerprints(conn: Connection) -> list[tuple[str, str, datetime]]:
    """Return the keyed hashes of addresses that must not be written to, with channel and since when, newest first."""
    rows = await conn.fetch("SELECT fingerprint, channel, at FROM erased_addresses ORDER BY at DESC, fingerprint")
    return [(row["fingerprint"], row["channel"], row["at"]) for row in rows]


async def erased(conn: Connection, people: Collection[UUID]) -> set[UUID]:
    """Return which of these people were erased."""
    rows = await conn.fetch("SELECT person FROM erased WHERE person = ANY ($1::uuid[])", list(people))
    return {row["person"] for row in rows}
