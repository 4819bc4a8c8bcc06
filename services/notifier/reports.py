"""Reports: what a vendor or a mail server says of messages that had been taken, minutes or days later.

They come twice, in any order, and before the answer to our own request is recorded: then they are kept until it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from services.notifier import report_meaning, store_channels, store_reports, store_standing
from services.notifier.plain import one_line
from services.notifier.report_meaning import EARLY, Meaning, Reported
from services.notifier.store_standing import Suppression
from shared import metrics, outbox
from shared.db import Connection
from shared.events import AddressSuppressed, DeliveryChanged, ReportData, SuppressedData

log = structlog.get_logger()

AGAIN_WITHIN: Final = timedelta(days=7)
DETAIL_LENGTH: Final = 500


async def apply(conn: Connection, reports: Sequence[ReportData], now: datetime) -> None:
    """Move deliveries to `delivered` or `bounced`, give up addresses that are gone, and tell the others."""
    ordered = sorted(reports, key=lambda report: report.at)
    subjects = await store_reports.subjects(conn, ordered)
    standing = await store_reports.lock(conn, {nudge for nudge in subjects if nudge})
    moved: dict[UUID, tuple[str, str | None]] = {}
    again: dict[UUID, tuple[datetime, str | None]] = {}
    said: dict[UUID, str] = {}
    early: list[tuple[UUID, ReportData]] = []
    gone: list[tuple[Reported, ReportData, str]] = []
    for report, nudge in zip(ordered, subjects, strict=True):
        one = standing.get(nudge) if nudge else None
        if nudge is None or one is None:
            log.info("report.unknown", what=report.what, channel=report.channel)
            continue
        meaning = _meaning(report)
        is_about = report_meaning.is_about(report, one, long_ago=store_reports.ABOUT_THE_LAST)
        state = report_meaning.next_state(one, meaning) if is_about else None
        log.info("delivery.reported", nudge=str(nudge), what=report.what, code=report.code, state=state)
        if state == EARLY:
            early.append((nudge, report))
            continue
        if state is not None and (at := report_meaning.again_at(one, meaning, now)):
            again[nudge] = (at, meaning.reason)
            standing[nudge] = replace(one, state="queued", reason=meaning.reason)
        elif state is not None:
            reason = meaning.reason if state == "bounced" else None
            moved[nudge] = (state, reason)
            standing[nudge] = replace(one, state=state, reason=reason)
        said[nudge] = one_line(f"{report.what} {report.code or ''} {report.detail or ''}", DETAIL_LENGTH)
        is_gone = meaning.gone == "now" or (
            meaning.gone == "again" and await _happened_before(conn, nudge, meaning.reason or "", now)
        )
        if is_gone:
            gone.append((one, report, meaning.reason or "refused"))
        if is_about:
            await _trouble(conn, one.channel, meaning, now)
    await store_reports.keep(conn, early)
    await store_reports.note(conn, said)
    told = await store_reports.move(conn, moved, now) + await store_reports.try_again(conn, again, now)
    for data in told:
        metrics.deliveries.labels(channel=data.channel, outcome=data.state).inc()
    await outbox.add(conn, [DeliveryChanged(time=now, subject=str(data.nudge), data=data) for data in told])
    await _give_up(conn, gone, now)


async def apply_kept(conn: Connection, nudges: Sequence[UUID], now: datetime) -> None:
    """Apply what was said of these nudges before their attempts had ended."""
    if kept := await store_reports.take_kept(conn, nudges):
        await apply(conn, kept, now)


def _meaning(report: ReportData) -> Meaning:
    return report_meaning.text(report) if report.channel == "sms" else report_meaning.mail(report)


async def _happened_before(conn: Connection, nudge: UUID, reason: str, now: datetime) -> bool:
    return await store_standing.refused_before(conn, nudge, reason, since=now - AGAIN_WITHIN)


async def _trouble(conn: Connection, channel: str, meaning: Meaning, now: datetime) -> None:
    if meaning.stop and await store_channels.stop(conn, channel, meaning.reason or "refused", now):
        log.error("channel.stopped", channel=channel, reason=meaning.reason)
    if meaning.pause and await store_channels.pause(conn, channel, meaning.pause, now):
        log.warning("channel.paused", channel=channel, reason=meaning.reason)
    if meaning.alert:
        log.warning("delivery.refused_later", channel=channel, reason=meaning.reason)


async def _give_up(conn: Connection, gone: Sequence[tuple[Reported, ReportData, str]], now: datetime) -> None:
    new = await store_standing.suppress(
        conn,
        [
            Suppression(address=one.address, channel=one.channel, reason=reason, at=min(report.at, now))
            for one, report, reason in gone
        ],
    )
    whose = {(one.address.lower(), one.channel): (one, report.channel) for one, report, _ in gone}
    await outbox.add(
        conn,
        [
            AddressSuppressed(
                time=now,
                subject=str(one.person),
                data=SuppressedData(
                    address=one.address, channel=channel, reason=given.reason, at=given.at, person=one.person
                ),
            )
            for given in new
            for one, channel in [whose[given.address, given.channel]]
        ],
    )
