"""What an answer about a text means: Twilio's error codes first, then the HTTP status; its words never decide.

The codes are those of https://www.twilio.com/docs/api/errors. They come at once, as an answer to the request, or
minutes later in a report. A code that is not here says nothing about the person: nobody is given up for it.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.notifier.channels.receipt import Outcome, Pause, Receipt
from services.notifier.plain import one_line

BUSY_FIRST, BUSY_LONGEST = timedelta(seconds=5), timedelta(minutes=5)
RATE: Final = Pause(reason="rate", first=BUSY_FIRST, longest=BUSY_LONGEST)
LONGEST_WAIT: Final = timedelta(hours=1)  # whatever a Retry-After says
UNREACHABLE: Final = Pause(reason="unreachable", first=timedelta(seconds=5), longest=timedelta(minutes=5))
FILTERED: Final = Pause(reason="filtered", first=timedelta(hours=1), longest=timedelta(hours=4))
AN_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a code says about the text, its number and the channel."""

    reason: str  # one word of ours
    suppress: bool = False  # the number must not be written to any more
    suppress_when_again: bool = False  # nor when it happens a second time
    retries: int = 0  # how many tries more are worth it
    after: timedelta | None = None  # and when
    pause: Pause | None = None  # of the whole channel
    stop: bool = False  # the whole channel, until a person resumes it
    alert: bool = False  # somebody has to mend something


def _gone(reason: str) -> Meaning:
    return Meaning(reason=reason, suppress=True)


def _ours(reason: str) -> Meaning:
    return Meaning(reason=reason, stop=True, alert=True)


# Nothing is wrong with the number: to this country nothing goes before somebody has mended it, elsewhere it does.
REGION: Final = Meaning(reason="region", retries=24, after=AN_HOUR, alert=True)
TOO_FAST: Final = Meaning(reason="rate", pause=RATE, retries=5, after=timedelta(minutes=10))
UNWRITABLE: Final = Meaning(reason="unwritable", alert=True)

CODES: Final[dict[str, Meaning]] = {
    # The number.
    "21610": _gone("opted-out"),  # they replied STOP
    "21211": _gone("bad-number"),
    "21217": _gone("bad-number"),
    "21265": _gone("bad-number"),  # a short code
    "21266": _gone("bad-number"),  # our own
    "21614": _gone("not-textable"),
    "21635": _gone("not-textable"),  # a landline
    "30006": _gone("not-textable"),
    "30004": _gone("blocked"),
    "30005": Meaning(reason="unknown-handset", suppress_when_again=True),
    "30003": Meaning(reason="unreachable-handset", retries=2, after=timedelta(hours=6)),  # three tries in twelve hours
    # The way there.
    "30008": Meaning(reason="undelivered", retries=1, after=timedelta(minutes=15)),
    "30410": Meaning(reason="unknown"),  # the carrier was silent: it may have arrived
    "30007": Meaning(reason="filtered", pause=FILTERED, alert=True),
    "30001": TOO_FAST,
    "30022": TOO_FAST,
    "20429": TOO_FAST,
    "14107": TOO_FAST,
    "63038": Meaning(reason="account-limit", pause=Pause(reason="account-limit", first=AN_HOUR, longest=4 * AN_HOUR)),
    "21408": REGION,
    "21612": REGION,
    # The text.
    "21602": UNWRITABLE,
    "21605": UNWRITABLE,
    "21617": UNWRITABLE,
    # Us.
    "20003": _ours("login"),
    "20005": _ours("login"),
    "20006": _ours("login"),
    "20404": _ours("login"),  # no such account
    "10001": _ours("suspended"),
    "30002": _ours("suspended"),
    "21212": _ours("sender"),
    "21603": _ours("sender"),
    "21606": _ours("sender"),
    "21659": _ours("sender"),
    "21660": _ours("sender"),
    "21661": _ours("sender"),
    "21701": _ours("sender"),
    "21703": _ours("sender"),
    "21705": _ours("sender"),
    "30032": _ours("unregistered"),
    "30034": _ours("unregistered"),
    "21609": _ours("callback"),  # PUBLIC_URL is none that Twilio would call
    "21608": Meaning(reason="trial", alert=True),  # a trial account writes to confirmed numbers alone
}
UNDELIVERED: Final = Meaning(reason="undelivered")


def judge(code: str | None) -> Meaning:
    """Return what a report's code means; one that nobody knows, or none, is a text that did not arrive."""
    return CODES.get(code or "", UNDELIVERED)


def receipt(status: int, code: str | None, text: str, *, retry_after: timedelta | None = None) -> Receipt:
    """Return what an answer to a request means that is not the one we hoped for."""
    reply = said(status, f"{code or ''} {text}")
    meaning = CODES.get(code or "")
    if meaning is None or meaning.reason == "unknown":
        return _by_status(status, reply, retry_after)
    if meaning.stop:
        return Receipt(outcome="held", reason=meaning.reason, reply=reply, stop=True, alert=True)
    if meaning.pause:
        pause = _pause(retry_after) if meaning.pause is RATE else meaning.pause
        # What was filtered would be filtered again; what came too fast is welcome later.
        outcome: Outcome = "refused" if meaning.pause is FILTERED else "held"
        return Receipt(outcome=outcome, reason=meaning.reason, reply=reply, pause=pause, alert=meaning.alert)
    return Receipt(
        outcome="deferred" if meaning.retries else "refused",
        reason=meaning.reason,
        reply=reply,
        after=meaning.after,
        suppress=meaning.suppress,
        alert=meaning.alert,
    )


def said(status: int, text: str) -> str:
    """Return an answer fit to be kept: one line, cut short."""
    return one_line(f"{status} {text}" if status else text, 300)


def _by_status(status: int, reply: str, retry_after: timedelta | None) -> Receipt:
    if status == 429:
        return Receipt(outcome="held", reason="rate", reply=reply, pause=_pause(retry_after))
    if status in {401, 403}:
        return Receipt(outcome="held", reason="login", reply=reply, stop=True, alert=True)
    if 500 <= status < 600:
        return Receipt(outcome="deferred", reason="provider", reply=reply, after=retry_after)
    if 300 <= status < 400:  # the address is wrong, which is nobody's fault but ours
        return Receipt(outcome="held", reason="address", reply=reply, stop=True, alert=True)
    return Receipt(outcome="refused", reason="refused", reply=reply, alert=True)


def _pause(retry_after: timedelta | None) -> Pause:
    """As long as they ask for, a little more so that not all come back at once; the next in a row is not longer."""
    if retry_after is None:
        return RATE
    first = min(retry_after, LONGEST_WAIT) * (1 + random.uniform(0, 0.1))  # noqa: S311 - spreads load, guards nothing
    return Pause(reason="rate", first=first, longest=first)
