"""Every query about bookings: what their tools told of them so far."""

from collections.abc import Sequence
from uuid import UUID

from services.intake.booking import Known, Seat
from shared.db import Connection
from shared.events import new_id

SEAT = "attendee, meeting, is_logged, is_current, booked_at, cancelled_at, is_no_show, no_show_at"


async def lock(conn: Connection, source: UUID, bookings: Sequence[str]) -> dict[str, Known]:
    """Return what is known of these bookings by their tool's ids; until the transaction ends nobody else adds to it."""
    rows = await conn.fetch(
        """
        INSERT INTO bookings AS b (id, source, booking)
        SELECT id, $1, booking
          FROM unnest($2::uuid[], $3::text[]) AS told (id, booking)
         ORDER BY booking  -- two events about the same bookings lock them in one order
            ON CONFLICT (source, booking) DO UPDATE SET booking = excluded.booking
        RETURNING id, booking, is_cancelled, is_host_no_show
        """,
        source,
        [new_id() for _ in bookings],
        list(bookings),
    )
    seats: dict[UUID, dict[str, Seat]] = {row["id"]: {} for row in rows}
    for seat in await conn.fetch(
        f"SELECT booking, {SEAT} FROM seats WHERE booking = ANY($1) ORDER BY attendee",  # noqa: S608
        list(seats),
    ):
        fields = dict(seat)
        of = seats[fields.pop("booking")]
        of[seat["attendee"]] = Seat(**fields)
    return {
        row["booking"]: Known(
            id=row["id"],
            is_cancelled=row["is_cancelled"],
            is_host_no_show=row["is_host_no_show"],
            seats=seats[row["id"]],
        )
        for row in rows
    }


async def keep(conn: Connection, known: Sequence[Known]) -> None:
    """Keep what is known of these bookings now."""
    await conn.execute(
        """
        UPDATE bookings b
           SET is_cancelled = told.is_cancelled, is_host_no_show = told.is_host_no_show
          FROM unnest($1::uuid[], $2::boolean[], $3::boolean[]) AS told (id, is_cancelled, is_host_no_show)
         WHERE b.id = told.id
        """,
        [one.id for one in known],
        [one.is_cancelled for one in known],
        [one.is_host_no_show for one in known],
    )
    seats = [(one.id, seat) for one in known for seat in one.seats.values()]
    await conn.execute(
        f"""
        INSERT INTO seats (booking, {SEAT})
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::boolean[], $5::boolean[], $6::timestamptz[],
                             $7::timestamptz[], $8::boolean[], $9::timestamptz[])
            ON CONFLICT (booking, attendee) DO UPDATE
           SET meeting = excluded.meeting, is_logged = excluded.is_logged, is_current = excluded.is_current,
               booked_at = excluded.booked_at, cancelled_at = excluded.cancelled_at,
               is_no_show = excluded.is_no_show, no_show_at = excluded.no_show_at
        """,  # noqa: S608 - names of columns, ours
        [booking for booking, _ in seats],
        [seat.attendee for _, seat in seats],
        [seat.meeting for _, seat in seats],
        [seat.is_logged for _, seat in seats],
        [seat.is_current for _, seat in seats],
        [seat.booked_at for _, seat in seats],
        [seat.cancelled_at for _, seat in seats],
        [seat.is_no_show for _, seat in seats],
        [seat.no_show_at for _, seat in seats],
    )
