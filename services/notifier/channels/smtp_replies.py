"""What a mail server's refusal means: the basic code, then the enhanced code (RFC 3463); its text never decides."""

import random
import re
from datetime import timedelta
from typing import Final, Literal

from services.notifier.channels.receipt import Pause, Receipt
from services.notifier.plain import one_line

Stage = Literal["connect", "login", "sender", "recipient", "content"]

UNREACHABLE: Final = Pause(reason="unreachable", first=timedelta(seconds=1), longest=timedelta(seconds=30))
BUSY: Final = Pause(reason="busy", first=timedelta(minutes=1), longest=timedelta(minutes=5))
TLS: Final = Pause(reason="tls", first=timedelta(minutes=1), longest=timedelta(minutes=15))
POLICY: Final = Pause(reason="policy", first=timedelta(minutes=15), longest=timedelta(hours=4))

ENHANCED: Final = re.compile(r"\s*[245]\.(\d{1,3})\.(\d{1,3})\b")
FULL_FOR_AT_MOST: Final = timedelta(hours=24)

UNPROVEN: Final = re.compile(r"7\.[23]\d")  # SPF, DKIM, DMARC, PTR, TLS: put off now, and refused before long
LOGIN_CODES: Final = {530, 534, 535, 538}
LOGIN_DETAILS: Final = {"7.8", "7.9", "7.11", "7.14"}
BAD_ADDRESS: Final = {"1.0", "1.1", "1.2", "1.3", "1.6", "1.10"}
BAD_SENDER: Final = {"1.7", "1.8"}


def judge(code: int, text: str, stage: Stage) -> Receipt:
    """Return what this reply, which is not the one we hoped for, means for the nudge, its address and the channel."""
    reply = said(code, text)
    match = ENHANCED.match(text)
    detail = f"{int(match[1])}.{int(match[2])}" if match else ""
    slower = code < 500 and detail.startswith("7.") and stage in {"recipient", "content"}
    if code == 421:
        pause = _pause(stage, BUSY)
        after = _some_minutes()
        return Receipt(outcome="held", reason="busy", reply=reply, after=after, pause=pause, slower=slower)
    if 400 <= code < 500:
        if stage in {"connect", "login"} or detail.startswith("3."):
            return Receipt(outcome="held", reason="busy", reply=reply, pause=BUSY)
        if detail == "2.2":
            return _full(reply)
        alert = detail == "5.3" or bool(UNPROVEN.fullmatch(detail))
        return Receipt(outcome="deferred", reason="deferred", reply=reply, slower=slower, alert=alert)
    if 500 <= code < 600:
        if code in LOGIN_CODES or detail in LOGIN_DETAILS or stage == "login":
            return Receipt(outcome="held", reason="login", reply=reply, stop=True, alert=True)
        return _refusal(code, detail, reply, stage)
    return Receipt(outcome="deferred", reason="protocol", reply=reply, alert=True)


def said(code: int, text: str) -> str:
    """Return a reply fit to be kept: one line, cut short."""
    return one_line(f"{code} {text}" if code > 0 else text, 500)


def _refusal(code: int, detail: str, reply: str, stage: Stage) -> Receipt:
    if detail in {"2.3", "3.4"} or (code == 552 and stage == "sender"):
        return Receipt(outcome="refused", reason="too-big", reply=reply, alert=True)
    if detail == "2.2" or (code == 552 and not detail):
        return _full(reply)
    # A refusal of us, before or whatever the recipient: no person may be given up for it.
    if stage in {"connect", "sender"} or detail in BAD_SENDER or detail.startswith("7."):
        return Receipt(outcome="held", reason="policy", reply=reply, pause=POLICY, alert=True)
    if detail in BAD_ADDRESS:
        return Receipt(outcome="refused", reason="bad-address", reply=reply, suppress=True)
    reasons = {"2.1": "mailbox-disabled", "4": "no-route", "5": "protocol", "6": "content"}
    reason = reasons.get(detail) or reasons.get(detail.partition(".")[0]) or "refused"
    return Receipt(outcome="refused", reason=reason, reply=reply, alert=reason in {"no-route", "protocol"})


def _full(reply: str) -> Receipt:
    return Receipt(outcome="deferred", reason="mailbox-full", reply=reply, for_at_most=FULL_FOR_AT_MOST)


def _pause(stage: Stage, pause: Pause) -> Pause | None:
    return pause if stage in {"connect", "login"} else None


def _some_minutes() -> timedelta:
    return timedelta(seconds=random.uniform(60, 300))  # noqa: S311 - spreads load, guards nothing
