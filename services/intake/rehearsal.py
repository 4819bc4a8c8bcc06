"""A rehearsal: what one delivery would log through a source, and where each field came from. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.intake import forgiving, mapping, meeting
from services.intake.answers import Answer, Booking, Delivery, Gathered, Handshake, Ignored, Submission
from services.intake.body import FieldError, Invalid
from services.intake.mapping import LeftOut, Placed
from services.intake.meeting import About, Defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What would come of a payload: meetings, or what is wrong, or why nothing would."""

    would_log: Sequence[Mapping[str, Any]] = ()
    errors: Sequence[FieldError] = ()
    ignored: str | None = None
    fields: Sequence[Placed] = ()
    unused: Sequence[Answer] = ()


def rehearse(
    delivery: Delivery,
    *,
    mapped_to: Mapping[str, str],
    fixed: Mapping[str, str],
    defaults: Defaults,
    plans: Collection[str],
    now: datetime,
) -> Rehearsed:
    """Return what would come of this delivery."""
    about: About = "meeting"
    match delivery:
        case Submission():
            submissions = [delivery]
        case Gathered():
            about, submissions = "gathering", [Submission(key=delivery.key, answers=delivery.answers)]
        case Booking(what="booked" | "over"):
            about = "booking"
            submissions = [
                Submission(key=delivery.key, answers=one.answers) for one in delivery.attendees if one.answers
            ]
        case Booking():
            return Rehearsed(ignored="news of a booking, whose meetings it would end or revive")
        case Handshake():
            return Rehearsed(ignored="a challenge")
        case Ignored():
            return Rehearsed(ignored=delivery.reason)
    found = Rehearsed()
    left_out: LeftOut = {}
    while submissions:
        submission, *submissions = submissions
        known = bool(defaults.owner) or forgiving.names_owner(submission)
        mapped = mapping.apply(submission, mapping=mapped_to, fixed=fixed, owner_is_known=known, left_out=left_out)
        try:
            submitted = meeting.read(mapped.document, plans=plans, defaults=defaults, about=about)
            zone, _ = meeting.zone_of(submitted, stored=None, defaults=defaults)
            drafts = meeting.settle(submitted, zone=zone, now=now)
        except Invalid as invalid:
            if wrong := forgiving.wrong_guesses(mapped, invalid.errors):
                left_out = {**left_out, **wrong}
                submissions.insert(0, submission)
                continue
            is_form = submission.document is None
            errors = mapping.explained(invalid.errors, mapped) if is_form else invalid.errors
            return Rehearsed(errors=errors, fields=mapped.report, unused=mapped.unused)
        left_out = {}
        found = Rehearsed(
            would_log=[*found.would_log, *(draft.facts for draft in drafts)],
            fields=found.fields or mapped.report,
            unused=found.unused or mapped.unused,
            ignored="the end of a gathering, whose host would be asked once whom they met" if not drafts else None,
        )
    return found


def as_json(rehearsed: Rehearsed) -> dict[str, object]:
    """Return it as `source test --json` prints it."""
    return {
        "would_log": list(rehearsed.would_log),
        "errors": list(rehearsed.errors),
        "ignored": rehearsed.ignored,
        "fields": [
            {"field": line.field, "how": line.how, "question": line.question, "value": line.value, "why": line.why}
            for line in rehearsed.fields
        ],
        "unused": [{"question": _name(answer), "value": answer.value} for answer in rehearsed.unused],
    }


def in_words(rehearsed: Rehearsed) -> list[str]:
    """Return it as lines for a person."""
    if rehearsed.ignored:
        return [f"It would be answered 200, and nothing would be logged: it is {rehearsed.ignored}."]
    lines = _verdict(rehearsed)
    placed = [line for line in rehearsed.fields if line.how != "left to its default"]
    if placed:
        lines += ["", "Where it comes from:", *(f"  {line.field:<18} {_whence(line)}" for line in placed)]
    if rehearsed.unused:
        lines += ["", "Answers that went nowhere (--map FIELD=QUESTION takes one up):"]
        lines += [f"  {_quoted(_name(answer))}: {_shown(answer.value)}" for answer in rehearsed.unused]
    defaults = [line.field for line in rehearsed.fields if line.how == "left to its default"]
    if defaults:
        lines += ["", f"Left to their defaults: {', '.join(defaults)}."]
    return lines


def _verdict(rehearsed: Rehearsed) -> list[str]:
    if rehearsed.errors:
        errors = [f"  {error['field']} {error['problem']}" for error in rehearsed.errors]
        return ["It would be rejected (422), and nothing would be logged:", *errors]
    number = len(rehearsed.would_log)
    lines = [f"It would log {'one meeting' if number == 1 else f'{number} meetings'}:"]
    for facts in rehearsed.would_log:
        where = facts["event"]["name"]
        lines.append(
            f"  {facts['owner']['email']} met {facts['contact']['name']}{f' at {where}' if where else ''}, "
            f"{facts['met_at']}, plan {facts['plan']}"
        )
    return lines


def _whence(line: Placed) -> str:
    match line.how:
        case "set":
            return f"{_shown(line.value)}  (set for this source)"
        case "mapped":
            return f"{_shown(line.value)}  (mapped, the answer to {_quoted(line.question)})"
        case "guessed" if line.question == line.field:
            return f"{_shown(line.value)}  (as the tool tells it)"
        case "guessed":
            return f"{_shown(line.value)}  (guessed from {_quoted(line.question)})"
        case "left out":
            return f"-  (left out: {_shown(line.value)}, guessed from {_quoted(line.question)}, {line.why})"
        case "not answered":
            return f"-  (the question {_quoted(line.question)} was left out)"
        case _:
            return f"-  (the form does not have the question {_quoted(line.question)})"


def _name(answer: Answer) -> str:
    return answer.title or answer.names[-1]


def _quoted(text: str | None) -> str:
    return f"“{' '.join((text or '').split())[:80]}”"


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= 100 else f"{text[:99]}…"
