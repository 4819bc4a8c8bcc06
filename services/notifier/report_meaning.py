"""What a report about a message that had been taken makes of its delivery, its address and the channel. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never
from uuid import UUID

from services.notifier.channels import sms_codes
from services.notifier.channels.receipt import Pause
from shared.events import NudgeState, ReportData

# What an enhanced code (RFC 3463) of a bounce says, the more telling entry first: why it did not arrive, and whether
# its address is given up: at once, when it happens again, or never.
Gone = Literal["now", "again", "never"]
BOUNCES: Final[dict[str, tuple[str, Gone]]] = {
    "1.7": ("policy", "never"),  # of us, the sender
    "1.8": ("policy", "never"),
    "1": ("bad-address", "now"),
    "2.1": ("mailbox-disabled", "again"),
    "2.2": ("mailbox-full", "never"),
    "2.3": ("too-big", "never"),
    "2.4": ("refused", "never"),  # a mailing list's expansion
    "2": ("bad-address", "now"),
    "3": ("too-big", "never"),
    "4": ("no-route", "never"),
    "5": ("protocol", "never"),
    "6": ("content", "never"),
    "7": ("policy", "never"),  # a person is not given up for what is thought of us
    "0": ("bad-address", "now"),
}
EARLY: Final = "early"  # it is known before the end of the attempt is: to be applied then


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A delivery that a report is about, as it stands."""

    nudge: UUID
    person: UUID
    channel: str
    address: str
    state: NudgeState
    reason: str | None
    is_leased: bool
    tries: int
    refusals: int
    sent_at: datetime | None
    provider_id: str | None
    too_late_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a report says."""

    state: Literal["delivered", "bounced"] | None = None
    reason: str | None = None  # of a bounce, or of a suppression
    gone: Gone = "never"
    pause: Pause | None = None
    stop: bool = False
    alert: bool = False
    retries: int = 0  # how often what did not arrive is worth another try
    after: timedelta = timedelta()  # and how much later


def text(report: ReportData) -> Meaning:
    """Return what a report about a text says."""
    if report.what == "delivered":
        return Meaning(state="delivered")
    if report.what not in {"failed", "bounced"}:
        return mail(report)
    said = sms_codes.judge(report.code)
    return Meaning(
        state="bounced",
        reason=said.reason,
        gone="now" if said.suppress else "again" if said.suppress_when_again else "never",
        pause=said.pause,
        stop=said.stop,
        alert=said.alert,
        retries=said.retries,
        after=said.after or timedelta(),
    )


def mail(report: ReportData) -> Meaning:
    """Return what a report about a mail says."""
    match report.what:
        case "delivered":
            return Meaning(state="delivered")
        case "complained":
            return Meaning(state="delivered", reason="complaint", gone="now")
        case "unsubscribed":
            return Meaning(reason="unsubscribed", gone="now")
        case "delayed":
            return Meaning()
        case "failed":
            reason, _ = _bounce(report.code)
            return Meaning(state="bounced", reason="undelivered" if reason == "bad-address" else reason)
        case "bounced":
            if report.code is None:
                return Meaning(state="bounced", reason="bad-address", gone="now")
            reason, gone = _bounce(report.code)
            is_for_now = report.code.startswith("4")
            return Meaning(
                state="bounced",
                reason="undelivered" if is_for_now and reason == "bad-address" else reason,
                gone="never" if is_for_now else gone,
                alert=reason in {"policy", "protocol", "no-route"} and not is_for_now,
            )
        case _:
            assert_never(report.what)


def is_about(report: ReportData, one: Reported, *, long_ago: timedelta) -> bool:
    """Whether it says something of this very delivery, and of the last message of it."""
    if report.provider_id is not None and one.provider_id is not None:
        # While it waits to be tried again, what we know is the one that failed; of that nothing more is to be learnt.
        return (report.provider_id == one.provider_id) != (one.state == "queued")
    if report.nudge is not None or report.provider_id is not None:
        return True
    return one.sent_at is not None and one.sent_at >= report.at - long_ago  # an address alone may mean an older one


def again_at(one: Reported, meaning: Meaning, now: datetime) -> datetime | None:
    """Return when to try again what did not arrive; None: it is not worth it, or would be too late."""
    if meaning.state != "bounced" or one.state != "sent" or one.refusals >= meaning.retries:
        return None
    at = now + meaning.after
    return at if at <= one.too_late_after else None


def next_state(one: Reported, meaning: Meaning) -> Literal["delivered", "bounced", "early"] | None:
    """Return what becomes of the delivery; None: it stays as it is. States only move forward, whatever the order."""
    if meaning.state is None:
        return None
    match one.state:
        case "sent":
            return meaning.state
        case "delivered":  # to a relay, which found out later
            return "bounced" if meaning.state == "bounced" else None
        case "queued":
            if one.is_leased:
                return EARLY
            return meaning.state if one.tries else None  # what nobody has tried nobody can have got
        case "failed":  # given up, since nobody could tell
            return meaning.state if one.reason == "unknown" else None
        case "skipped" | "bounced":
            return None
        case _:
            assert_never(one.state)


def _bounce(code: str | None) -> tuple[str, Gone]:
    detail = (code or "").partition(".")[2]
    return BOUNCES.get(detail) or BOUNCES.get(detail.partition(".")[0]) or ("refused", "never")
