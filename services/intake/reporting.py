"""Tell the notifier what a vendor says of what it sent: each report once, as far as the vendor names it."""

from collections.abc import Sequence

from services.intake import proofs
from shared import db, outbox
from shared.db import Connection
from shared.events import DeliveryReported, ReportData

Named = tuple[str, ReportData]  # under a name that is the same when it is sent again


async def tell(conn: Connection, vendor: str, reports: Sequence[Named]) -> int:
    """Tell of these reports; return how many of them are new."""
    at = await db.now(conn)
    told = []
    for name, report in reports:
        if await proofs.once(conn, f"{vendor} report", name):
            told.append(DeliveryReported(time=at, subject=str(report.nudge or report.channel), data=report))
    await outbox.add(conn, told)
    return len(told)
