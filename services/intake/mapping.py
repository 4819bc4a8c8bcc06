"""A source's mapping: the answers of a form become a submission in the API's words. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.intake.answers import Answer, Submission, Value
from services.intake.body import FieldError
from services.intake.guesses import guess, tidied

Shape = Literal["text", "list", "links", "link", "yes-no", "number", "kind", "days", "breaks"]
FIELDS: Final[dict[str, Shape]] = {
    "owner.email": "text",
    "owner.name": "text",
    "owner.phone": "text",
    "owner.time_zone": "text",
    "owner.channel": "text",
    "owner.locale": "text",
    "owner.send_at": "text",
    "owner.days": "days",
    "owner.quiet_from": "text",
    "owner.quiet_to": "text",
    "owner.holidays": "text",
    "owner.breaks": "breaks",
    "owner.daily_limit": "number",
    "owner.paused_until": "text",
    "contact.name": "text",
    "contact.email": "text",
    "contact.phone": "text",
    "contact.links": "links",
    "contact.consent": "yes-no",
    "event.name": "text",
    "event.kind": "kind",
    "event.hashtag": "text",
    "event.place": "text",
    "met_at": "text",
    "notes": "text",
    "topics": "list",
    "promise": "text",
    "document": "link",
    "goal_at": "text",
    "plan": "text",
}
YES: Final = ("yes", "true", "1", "on", "si", "oui", "ja", "i agree", "agree", "i accept")
NO: Final = ("no", "false", "0", "off", "non", "nein", "nee")
KINDS: Final = {
    "twitter": "chat", "twitter chat": "chat", "x chat": "chat", "bluesky": "chat", "mastodon": "chat",
    "congress": "conference", "summit": "conference", "ed camp": "edcamp", "unconference": "edcamp",
    "meet up": "meetup", "special interest group": "sig", "video call": "sig", "school visit": "visit",
}  # fmt: skip

How = Literal["mapped", "set", "guessed", "not answered", "not asked", "left to its default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one field came from: a line of `source test`."""

    field: str
    how: How
    question: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A submission in the API's words, and how it came about."""

    document: dict[str, Any]
    report: tuple[Placed, ...]
    unused: tuple[Answer, ...] = ()  # what was answered and went nowhere


def check(mapping: Mapping[str, str], fixed: Mapping[str, str]) -> None:
    """Raise `ValueError` in words when a field is not one of ours, is given twice, or is mapped to nothing."""
    for field in (*mapping, *fixed):
        if field not in FIELDS:
            raise ValueError(f"{field[:60]!r} is no field; the fields are {', '.join(FIELDS)}")
    for field in mapping:
        if field in fixed:
            raise ValueError(f"{field} is both mapped and set")
        if not mapping[field].strip():
            raise ValueError(f"{field} is mapped to nothing; write {field}=QUESTION")


def apply(
    submission: Submission, *, mapping: Mapping[str, str], fixed: Mapping[str, str], owner_is_known: bool = False
) -> Mapped:
    """Return what the submission says in the API's words: what is set first, then what is mapped, then guesses."""
    answers = submission.answers if submission.document is None else _flat(submission.document)
    values: dict[str, Any] = {field: _shaped(field, value) for field, value in fixed.items()}
    report = [Placed(field=field, how="set", value=value) for field, value in values.items()]
    used: list[Answer] = []
    for field, question in mapping.items():
        found = _find(answers, question)
        if found:
            used.append(found)
        if found is None or found.value is None:
            report.append(Placed(field=field, how="not answered" if found else "not asked", question=question))
        else:
            values[field] = _shaped(field, found.value)
            report.append(Placed(field=field, how="mapped", question=_name(found), value=values[field]))
    if submission.document is not None:
        return _over(submission.document, values, tuple(report), used)
    free = [answer for answer in answers if answer not in used]
    wanted = [field for field in FIELDS if field not in mapping and field not in fixed]
    known = owner_is_known or "owner.email" in fixed
    for field, found in guess(free, wanted, owner_is_known=known).items():
        if found.value is not None:
            used.append(found)
            values[field] = _shaped(field, found.value)
            report.append(Placed(field=field, how="guessed", question=_name(found), value=values[field]))
    placed = {line.field for line in report}
    report += [Placed(field=field, how="left to its default") for field in FIELDS if field not in placed]
    unused = tuple(answer for answer in answers if answer not in used and answer.value is not None)
    return Mapped(document=_nested(values), report=tuple(report), unused=unused)


def explained(errors: Sequence[FieldError], mapped: Mapped) -> list[FieldError]:
    """Return the errors, each saying also which question was looked for, so that a form can be mended."""
    lines = {line.field: line for line in mapped.report}
    return [
        FieldError(field=error["field"], problem=error["problem"] + _looked_for(lines, error["field"]))
        for error in errors
    ]


def _looked_for(lines: Mapping[str, Placed], field: str) -> str:
    line = lines.get(field) or lines.get(field.rpartition(".")[0])
    if line is None:
        return ""
    match line.how:
        case "mapped" | "guessed":
            return f" (the answer to {_quoted(line.question)})"
        case "not answered":
            return f" (the question {_quoted(line.question)} was left out)"
        case "not asked":
            return f" (looked for the question {_quoted(line.question)}, which the form does not have)"
        case "left to its default":
            return f" (no question was mapped to it{_hint(field)})"
        case "set":
            return " (as set for this source)"


HINTS: Final = {"owner.email": "Your email", "contact.name": "Who did you meet?"}


def _hint(field: str) -> str:
    return f", and none is called {_quoted(HINTS[field])} or alike" if field in HINTS else ""


def _quoted(question: str | None) -> str:
    return f"“{(question or '')[:80]}”"


def _name(answer: Answer) -> str:
    return answer.title or answer.names[-1]


def _find(answers: Sequence[Answer], question: str) -> Answer | None:
    """By id, ref or key first, then by title; of several with one title the first that was answered."""
    for answer in answers:
        if question in answer.names:
            return answer
    wanted = tidied(question)
    alike = [answer for answer in answers if wanted and tidied(answer.title) == wanted]
    return next((answer for answer in alike if answer.value is not None), alike[0] if alike else None)


def _shaped(field: str, value: Value) -> Any:
    """Return the value as the API takes it, or as it is when that cannot be told: then the field's check says so."""
    text = _text(value)
    match FIELDS[field]:
        case "text":
            return text
        case "list":
            return _parts(value, r"[,;\n]")
        case "links":
            return [_address(part) for part in _parts(value, r"[\s,;]")]
        case "link":
            return _address(text)
        case "yes-no":
            word = tidied(text)
            return True if word in YES else False if word in NO else text
        case "number":
            return int(text) if re.fullmatch(r"\d{1,4}", text) else text
        case "kind":
            return KINDS.get(tidied(text), tidied(text))
        case "days":
            return [part[:3].lower() for part in _parts(value, r"[\s,;]")]
        case "breaks":
            return _parts(value, r"[\s,;]")


def _text(value: Value) -> str:
    match value:
        case bool():
            return "Yes" if value else "No"
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return ", ".join(value)
    return str(value).strip()


def _parts(value: Value, separators: str) -> list[str]:
    parts: Collection[str] = value if isinstance(value, tuple) else re.split(separators, _text(value))
    return [part.strip() for part in parts if part.strip()]


def _address(text: str) -> str:
    """People leave the https:// out."""
    return f"https://{text}" if re.match(r"(?i)[a-z0-9-]+(\.[a-z0-9-]+)+(/|$)", text) else text


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field, value in values.items():
        part, _, name = field.rpartition(".")
        (document.setdefault(part, {}) if part else document)[name] = value
    return document


def _flat(document: Mapping[str, Any]) -> tuple[Answer, ...]:
    """A document's values, as if they were the answers to questions called by their dotted names."""
    found: list[Answer] = []
    for name, value in document.items():
        inner = value if isinstance(value, dict) else {}
        for dotted, one in ((name, value), *((f"{name}.{key}", one) for key, one in inner.items())):
            if isinstance(one, list) and all(isinstance(part, str) for part in one):
                found.append(Answer(names=(dotted,), title=dotted, kind="hidden", value=tuple(one)))
            elif isinstance(one, (str, bool, int, float)):
                found.append(Answer(names=(dotted,), title=dotted, kind="hidden", value=one))
    return tuple(found)


def _over(
    document: Mapping[str, Any], values: Mapping[str, Any], report: tuple[Placed, ...], used: Sequence[Answer]
) -> Mapped:
    """The document as sent, without what was mapped to another name, and with what is mapped or set over it."""
    moved = {name for answer in used for name in answer.names}
    result: dict[str, Any] = {}
    for name, value in document.items():
        if name in moved:
            continue
        if isinstance(value, dict):
            kept = {key: one for key, one in value.items() if f"{name}.{key}" not in moved}
            if kept or not value:
                result[name] = kept
        else:
            result[name] = value
    for field, value in values.items():
        part, _, name = field.rpartition(".")
        if part and not isinstance(result.get(part), dict):
            result[part] = {}
        (result[part] if part else result)[name] = value
    return Mapped(document=result, report=report)
