"""The timeline: what the scheduler and the notifier told us of follow-ups and nudges, kept to be shown.

A projection: events come in any order and more than once. The latest revision of each follow-up and nudge is its
state; every revision that says something happened is a line of the timeline.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection
from shared.events import DeliveryData, FollowUp, FollowUpData, RestoredData, SuppressedData

# Planned and queued are what is going to happen; what somebody did is in `acts`, said in the moment it was done.
NOTHING_HAPPENED = ("waiting", "queued", "done")


async def follow_ups(conn: Connection, meeting_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, object]]]:
    """Return each meeting's follow-ups in the API's shape, in the order of its plan; none for a meeting just logged."""
    rows = await conn.fetch(
        """
        SELECT f.meeting, f.id, f.step, f.occurrence, f.playbook, f.addressee, f.state, f.reason, f.local,
               f.zone, f.due_at, f.nudge, n.state AS nudge_state, n.reason AS nudge_reason, n.changed_at AS nudge_at
          FROM follow_ups f
          LEFT JOIN nudges n ON n.id = f.nudge
         WHERE f.meeting = ANY ($1::uuid[])
         ORDER BY f.meeting, f.step, f.occurrence
        """,
        list(meeting_ids),
    )
    found: dict[UUID, list[dict[str, object]]] = {meeting: [] for meeting in meeting_ids}
    for row in rows:
        # Handed to the notifier, who has not said anything yet: it waits in its queue.
        nudge = row["nudge"] and {
            "id": row["nudge"],
            "state": row["nudge_state"] or "queued",
            "reason": row["nudge_reason"],
            "at": row["nudge_at"],
        }
        shown = ("id", "step", "occurrence", "playbook", "state", "reason", "local", "zone", "due_at")
        to = {"to": "contact"} if row["addressee"] == "contact" else {}
        found[row["meeting"]].append({key: row[key] for key in shown} | {"nudge": nudge} | to)
    return found


async def timeline(conn: Connection, meeting_id: UUID) -> list[dict[str, object]]:
    """Return what happened around a meeting since it was logged, oldest first: `at`, `what`, and `detail` or None."""
    rows = await conn.fetch(
        """
        WITH meeting AS (
            SELECT id, person, connection, logged_at FROM meetings WHERE id = $1
        ), planned AS (
            SELECT id, playbook FROM follow_ups WHERE meeting = $1
        ), sendings AS (
            SELECT n.id, n.channel, string_agg(DISTINCT p.playbook, ', ' ORDER BY p.playbook) AS playbooks
              FROM nudges n JOIN planned p ON p.id = ANY (n.follow_ups)
             WHERE n.follow_ups && (SELECT array_agg(id) FROM planned)
             GROUP BY n.id, n.channel
        ), lines AS (
            SELECT logged_at AS at, 0 AS place, 'logged' AS what, NULL AS about, NULL AS reason FROM meeting
            UNION ALL
            SELECT h.at, 2, h.what, string_agg(DISTINCT p.playbook, ', ' ORDER BY p.playbook), h.reason
              FROM planned p JOIN happenings h ON h.entity = p.id
             GROUP BY h.at, h.what, h.reason
            UNION ALL
            SELECT h.at, 3, h.what, s.playbooks || ' by ' || s.channel, h.reason
              FROM sendings s JOIN happenings h ON h.entity = s.id
            UNION ALL
            SELECT a.at, 1, a.act, coalesce(p.playbook, CASE WHEN a.connection IS NULL THEN 'everything' END),
                   coalesce(a.span, 'until ' || a.until)
              FROM meeting m
              JOIN acts a ON a.person = m.person AND a.at >= m.logged_at
                         AND (a.connection IS NULL OR a.connection = m.connection)
              LEFT JOIN planned p ON p.id = a.follow_up
             WHERE a.act = 'stop' OR p.id IS NOT NULL
            UNION ALL
            SELECT t.at, 1, CASE t.kind WHEN 'answered' THEN 'replied' ELSE 'touched' END, NULL, t.note
              FROM meeting m JOIN touches t ON t.connection = m.connection AND t.at >= m.logged_at
             WHERE t.kind <> 'done'
            UNION ALL
            SELECT s.at, 4, 'suppressed', s.channel, s.reason
              FROM meeting m JOIN suppressed s ON s.person = m.person AND s.at >= m.logged_at
            UNION ALL
            SELECT s.restored_at, 5, 'restored', s.channel, NULL
              FROM meeting m JOIN suppressed s ON s.person = m.person AND s.restored_at >= m.logged_at
        )
        SELECT at, what, nullif(concat_ws(': ', about, reason), '') AS detail FROM lines ORDER BY at, place, what
        """,
        meeting_id,
    )
    return [dict(row) for row in rows]


async def expect(conn: Connection, previews: Sequence[FollowUp], at: datetime) -> None:
    """Show these follow-ups until the scheduler tells of them: an id that was answered can be acted on at once.

    What they say has not happened yet.
    """
    drafts = [preview.model_copy(update={"revision": 0}) for preview in previews]
    await _keep(conn, [FollowUpData(follow_up=draft, at=at) for draft in drafts])


async def keep_follow_ups(conn: Connection, changes: Sequence[FollowUpData]) -> None:
    """Keep the newest of each follow-up, and every change as something that happened."""
    await _keep(conn, changes)
    rows = [change.follow_up for change in changes]
    await _happened(
        conn, [(row.id, row.revision, row.state, row.reason, c.at) for row, c in zip(rows, changes, strict=True)]
    )


async def _keep(conn: Connection, changes: Sequence[FollowUpData]) -> None:
    rows = [change.follow_up for change in changes]
    await conn.execute(
        """
        INSERT INTO follow_ups AS f (id, revision, person, connection, meeting, step, occurrence, playbook,
                                     state, reason, local, zone, due_at, nudge, changed_at, addressee)
        SELECT DISTINCT ON (id) *
          FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::uuid[], $6::int[], $7::int[], $8::text[],
                      $9::text[], $10::text[], $11::timestamp[], $12::text[], $13::timestamptz[], $14::uuid[],
                      $15::timestamptz[], $16::text[])
            AS new (id, revision, person, connection, meeting, step, occurrence, playbook,
                    state, reason, local, zone, due_at, nudge, changed_at, addressee)
         ORDER BY id, revision DESC
            ON CONFLICT (id) DO UPDATE
           SET revision = excluded.revision, state = excluded.state, reason = excluded.reason, local = excluded.local,
               zone = excluded.zone, due_at = excluded.due_at, nudge = excluded.nudge, playbook = excluded.playbook,
               changed_at = excluded.changed_at, addressee = excluded.addressee, is_expected = false
         WHERE f.revision < excluded.revision OR (f.is_expected AND f.revision = excluded.revision)
        """,
        [row.id for row in rows],
        [row.revision for row in rows],
        [row.person for row in rows],
        [row.connection for row in rows],
        [row.meeting for row in rows],
        [row.step for row in rows],
        [row.occurrence for row in rows],
        [row.playbook for row in rows],
        [row.state for row in rows],
        [row.reason for row in rows],
        [row.local for row in rows],
        [row.zone for row in rows],
        [row.due_at for row in rows],
        [row.nudge for row in rows],
        [change.at for change in changes],
        [row.to for row in rows],
    )


async def keep_nudges(conn: Connection, changes: Sequence[DeliveryData]) -> None:
    """Keep the newest of each nudge, and every change as something that happened."""
    await conn.execute(
        """
        INSERT INTO nudges AS n (id, revision, person, channel, state, reason, follow_ups, changed_at)
        SELECT DISTINCT ON (id) id, revision, person, channel, state, reason, follow_ups::uuid[], changed_at
          FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                      $8::timestamptz[])
            AS new (id, revision, person, channel, state, reason, follow_ups, changed_at)
         ORDER BY id, revision DESC
            ON CONFLICT (id) DO UPDATE
           SET revision = excluded.revision, state = excluded.state, reason = excluded.reason,
               follow_ups = excluded.follow_ups, changed_at = excluded.changed_at
         WHERE n.revision < excluded.revision
        """,
        [change.nudge for change in changes],
        [change.revision for change in changes],
        [change.person for change in changes],
        [change.channel for change in changes],
        [change.state for change in changes],
        [change.reason for change in changes],
        ["{" + ",".join(map(str, change.follow_ups)) + "}" for change in changes],  # unnest flattens arrays of arrays
        [change.at for change in changes],
    )
    await _happened(
        conn, [(change.nudge, change.revision, change.state, change.reason, change.at) for change in changes]
    )


async def keep_suppressed(conn: Connection, suppressed: Sequence[SuppressedData]) -> None:
    """Keep which addresses must not be written to; the latest reason stays."""
    await conn.execute(
        """
        INSERT INTO suppressed AS s (address, channel, person, reason, at)
        SELECT DISTINCT ON (new.address, new.channel)
               new.address, new.channel, coalesce(new.person, p.id), new.reason, new.at
          FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[])
            AS new (address, channel, person, reason, at)
          LEFT JOIN people p ON (new.channel = 'email' AND lower(p.email) = new.address)
                             OR (new.channel = 'sms' AND p.phone = new.address)
                             OR (new.channel = 'apprise' AND lower(p.apprise_url) = new.address)
         ORDER BY new.address, new.channel, new.at DESC
            ON CONFLICT (address, channel) DO UPDATE
           SET person = coalesce(excluded.person, s.person), reason = excluded.reason, at = excluded.at,
               restored_at = NULL
         WHERE s.at < excluded.at
        """,
        [fact.address.lower() for fact in suppressed],
        [fact.channel for fact in suppressed],
        [fact.person for fact in suppressed],
        [fact.reason for fact in suppressed],
        [fact.at for fact in suppressed],
    )


async def keep_restored(conn: Connection, restored: Sequence[RestoredData]) -> None:
    """Keep since when these addresses may be written to again."""
    await conn.execute(
        """
        UPDATE suppressed s
           SET restored_at = given.at
          FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS given (address, channel, at)
         WHERE (s.address, s.channel) = (given.address, given.channel) AND s.at <= given.at
        """,
        [fact.address.lower() for fact in restored],
        [fact.channel for fact in restored],
        [fact.at for fact in restored],
    )


async def _happened(conn: Connection, told: Sequence[tuple[UUID, int, str, str | None, datetime]]) -> None:
    rows = [row for row in told if row[2] not in NOTHING_HAPPENED]
    await conn.execute(
        """
        INSERT INTO happenings (entity, revision, what, reason, at)
        SELECT *
          FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::timestamptz[])
            AS new (entity, revision, what, reason, at)
         ORDER BY entity, revision
            ON CONFLICT DO NOTHING
        """,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [row[4] for row in rows],
    )
