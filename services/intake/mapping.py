"""A source's mapping: the answers of a form become a submission in the API's words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.intake import several
from services.intake.answers import Answer, Submission
from services.intake.asked import Asked, joined
from services.intake.body import FieldError
from services.intake.filling import FIELDS as FIELDS
from services.intake.filling import OWN_KINDS, filled
from services.intake.guessing import guess

How = Literal["mapped", "set", "guessed", "left out", "not answered", "not asked", "left to its default"]
LeftOut = Mapping[str, str]  # fields that were guessed wrong, and what is wrong with each
NOTHING: Final[LeftOut] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one field came from: a line of `source test`."""

    field: str
    how: How
    question: str | None = None
    value: Any = None
    why: str | None = None  # it was left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A submission in the API's words, and how it came about."""

    document: dict[str, Any]
    report: tuple[Placed, ...]
    unused: tuple[Answer, ...] = ()  # what was answered and went nowhere
    numbers: tuple[int, ...] = ()  # those of the contacts, where a form counts them

    @property
    def questions(self) -> dict[str, str]:
        """The fields that a question of the form was taken for, and which."""
        return {one.field: one.question for one in self.report if one.question and one.how in {"mapped", "guessed"}}


def check(mapping: Mapping[str, str], fixed: Mapping[str, str]) -> None:
    """Raise `ValueError` in words when a field is not one of ours, is given twice, or is mapped to nothing."""
    for field in (*mapping, *fixed):
        if field not in FIELDS and not (field in mapping and several.FIELD.fullmatch(field)):
            raise ValueError(f"{field[:60]!r} is no field; the fields are {', '.join(FIELDS)}, contacts[2].name ...")
    if len({several.canonical(field) for field in mapping}) < len(mapping):
        raise ValueError("a field is mapped twice, in two spellings")
    for field in mapping:
        if field in fixed:
            raise ValueError(f"{field} is both mapped and set")
        if not mapping[field].strip():
            raise ValueError(f"{field} is mapped to nothing; write {field}=QUESTION")
        several.check(field, mapping[field])


def apply(
    submission: Submission,
    *,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str],
    owner_is_known: bool = False,
    left_out: LeftOut = NOTHING,
) -> Mapped:
    """Return what the submission says in the API's words: what is set first, then what is mapped, then guesses.

    Guesses at the fields `left_out` are told of, and not taken.
    """
    answers = submission.answers if submission.document is None else _flat(submission.document)
    asked = Asked(answers)
    values: dict[str, Any] = {field: filled(field, value) for field, value in fixed.items()}
    report = [Placed(field=field, how="set", value=value) for field, value in values.items()]
    used: list[Answer] = []
    for field, question in _numbered(mapping, asked):
        found = asked.find(question)
        used += found
        if (value := joined(found)) is None:
            report.append(Placed(field=field, how="not answered" if found else "not asked", question=question))
        else:
            values[field] = filled(several.single(field), value)
            report.append(Placed(field=field, how="mapped", question=_names(found), value=values[field]))
    if submission.document is not None:
        return _over(submission.document, values, tuple(report), used)
    free = [answer for answer in answers if not any(answer is one for one in used)]
    mapped = {several.canonical(field) for field in mapping}
    wanted = [field for field in FIELDS if field not in mapped and field not in fixed]
    known = owner_is_known or "owner.email" in fixed
    for field, found in guess(free, wanted, mapped=mapped, owner_is_known=known).items():
        if (value := joined(found)) is not None:
            used += found
            value = _guessed(field, filled(several.single(field), value))
            if field in left_out:
                why = left_out[field]
                report.append(Placed(field=field, how="left out", question=_names(found), value=value, why=why))
            else:
                values[field] = value
                report.append(Placed(field=field, how="guessed", question=_names(found), value=value))
    placed = {line.field for line in report}
    report += [Placed(field=field, how="left to its default") for field in FIELDS if field not in placed]
    shared = {field: values[field] for field in values if field in fixed or field == "contact.consent"}
    folded, numbers = several.folded(values, shared)
    return Mapped(document=_nested(folded), report=tuple(report), unused=asked.unused(used), numbers=numbers)


def explained(errors: Sequence[FieldError], mapped: Mapped) -> list[FieldError]:
    """Return the errors, each saying also which question was looked for, so that a form can be mended."""
    lines = {line.field: line for line in mapped.report}
    named = [(several.renamed(error["field"], mapped.numbers), error["problem"]) for error in errors]
    return [FieldError(field=field, problem=problem + _looked_for(lines, field)) for field, problem in named]


def _looked_for(lines: Mapping[str, Placed], field: str) -> str:
    all_of_them = several.FIELD.sub(r"contacts[#].\g<name>", field)
    line = lines.get(field) or lines.get(field.rpartition(".")[0]) or lines.get(all_of_them)
    if line is None:
        return ""
    match line.how:
        case "mapped" | "guessed" | "left out":
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


def _names(found: Sequence[Answer]) -> str:
    return " + ".join(answer.title or answer.names[-1] for answer in found)


def _numbered(mapping: Mapping[str, str], asked: Asked) -> list[tuple[str, str]]:
    """The mapping in one spelling, with what stands for all numbers written out for those that the form has."""
    written: list[tuple[str, str]] = []
    for field, question in mapping.items():
        if "#" not in field:
            written.append((several.canonical(field), question))
            continue
        each = [(field.replace("#", str(n)), question.replace("#", str(n))) for n in several.NUMBERS]
        answered = [(one, text) for one, text in each if joined(asked.find(text)) is not None]
        written += [(several.canonical(one), text) for one, text in answered or [(field, question)]]
    return written


def _guessed(field: str, value: Any) -> Any:
    """What a form calls the kind of an event need not be one of ours; a guess must not cost the meeting."""
    return "other" if field == "event.kind" and value not in OWN_KINDS else value


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
    folded, numbers = several.folded(values, {})
    for field, value in folded.items():
        part, _, name = field.rpartition(".")
        if part and not isinstance(result.get(part), dict):
            result[part] = {}
        (result[part] if part else result)[name] = value
    return Mapped(document=result, report=report, numbers=numbers)
