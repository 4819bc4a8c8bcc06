"""Plan files: the TOML that people write, and what is wrong with one, in words."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from services.scheduler import addressee
from services.scheduler.follow_up import Outcome
from services.scheduler.offset import NoSuchTime, Offset, offset
from shared.events import Addressee, Channel

Playbook = Literal[
    "say-hello",
    "keep-promise",
    "share-resource",
    "ask",
    "call",
    "visit",
    "co-present",
    "write-together",
    "shout-out",
    "check-in",
    "laugh",
    "who-did-you-meet",
]


LARGEST: Final = 1024 * 1024


class PlanError(ValueError):
    """What is wrong with plans: one line for each mistake, with file and step."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    number: int  # 1 is the first
    rule: Literal["after", "every", "before"]
    by: Offset
    times: int = 1
    playbook: Playbook
    at: time | None = None
    channel: Channel | None = None
    on: Outcome | None = None  # only if the step before turned out so
    to: Addressee = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    title: str
    steps: tuple[Step, ...]
    ignore_quiet_hours: bool = False
    path: Path


def _local_time(value: object) -> object:
    """Read "08:00"; TOML's own 08:00:00 is a time already."""
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError(f"must be a time of day such as '08:00', not {str(value)[:40]!r}")


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    after: str | None = None
    every: str | None = None
    times: int | None = Field(None, ge=1, le=400)
    before: str | None = None
    playbook: Playbook
    to: Addressee = "owner"
    at: Annotated[time, BeforeValidator(_local_time)] | None = None
    channel: Channel | None = None
    on: Outcome | None = None


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str | None = Field(None, min_length=1, max_length=200)
    ignore_quiet_hours: bool = False
    steps: list[_Step] = Field(min_length=1, max_length=100)


def read(path: Path) -> Plan:
    """Return the plan in this file, named as the file is; raises `PlanError` with every mistake in it."""
    try:
        if path.exists() and not path.is_file():
            raise PlanError([f"{path}: cannot be read: is no file"])
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise PlanError([f"{path}: is larger than 1 MiB"])
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        written = tomllib.loads(text)
    except PlanError:
        raise
    except OSError as error:
        raise PlanError([f"{path}: cannot be read: {(error.strerror or 'unknown').lower()}"]) from None
    except UnicodeDecodeError:
        raise PlanError([f"{path}: is not UTF-8"]) from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        raise PlanError([f"{path}: is not TOML: {error}"]) from None
    # A table's header is where a reader looks; an array written in line has no lines to name.
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*steps\s*]]", line)]

    def place(index: int | None) -> str:
        if index is None:
            return f"{path}"
        return f"{path}: step {index + 1}" + (f" (line {lines[index]})" if index < len(lines) else "")

    try:
        plan = _Plan.model_validate(written)
    except ValidationError as error:
        found = [_mistake(place, problem) for problem in error.errors()]
        raise PlanError([*found, *_besides(place, written, error)]) from None
    steps, mistakes = _steps(place, plan.steps)
    if mistakes:
        raise PlanError(mistakes)
    return Plan(
        name=path.stem,
        title=plan.title or path.stem,
        steps=tuple(steps),
        ignore_quiet_hours=plan.ignore_quiet_hours,
        path=path,
    )


def _steps(place: Any, written: list[_Step]) -> tuple[list[Step], list[str]]:
    """Return the steps that are right, and what is wrong with the others as wholes."""
    steps: list[Step] = []
    mistakes: list[str] = []
    for index, step in enumerate(written):
        read_step, wrong = _step(index + 1, step)
        if step.on is not None and (index == 0 or written[index - 1].every is not None):
            what = "the first has none" if index == 0 else "one with `every` has no single outcome"
            wrong.append(f"`on` is about the step before, and {what}")
        mistakes += [f"{place(index)}: {problem}" for problem in wrong]
        steps += [read_step] if read_step else []
    return steps, mistakes


def _besides(place: Any, written: dict[str, Any], error: ValidationError) -> list[str]:
    """Return what else is wrong with the steps: whoever mends a file wants to do it once."""
    at_fault = {problem["loc"][1] for problem in error.errors() if problem["loc"][0] == "steps" and problem["loc"][1:]}
    steps = written.get("steps")
    mistakes: list[str] = []
    for index, step in enumerate(steps[:100] if isinstance(steps, list) else []):
        wrong: list[str] = []
        if index not in at_fault:
            _, wrong = _step(index + 1, _Step.model_validate(step))
        for rule in ("after", "every", "before") if index in at_fault and isinstance(step, dict) else ():
            try:
                offset(step[rule]) if isinstance(step.get(rule), str) else None
            except NoSuchTime as problem:
                wrong.append(f"`{rule}`: {problem}")
        mistakes += [f"{place(index)}: {problem}" for problem in wrong]
    return mistakes


def _step(number: int, step: _Step) -> tuple[Step | None, list[str]]:
    """Return the step, or what is wrong with it as a whole."""
    wrong = []
    rules = [(rule, text) for rule in ("after", "every", "before") if (text := getattr(step, rule)) is not None]
    by = None
    if len(rules) != 1:
        has = " and ".join(rule for rule, _ in rules) or "none"
        wrong.append(f"needs exactly one of `after`, `every` (with `times`) and `before`, and has {has}")
    if step.every is not None and step.times is None:
        wrong.append("`every` needs `times`, how often")
    if step.every is None and step.times is not None:
        wrong.append("`times` goes with `every`")
    for rule, text in rules:
        try:
            by = offset(text, times=step.times or 1)
        except NoSuchTime as error:
            wrong.append(f"`{rule}`: {error}")
            continue
        if rule == "every" and by.count == 0:
            wrong.append("`every`: must be more than nothing")
        if by.elapses and step.at is not None:
            wrong.append(f'`at` goes with days, weeks, months or years, not with `{rule} = "{by}"`')
    if step.to == "contact" and step.channel not in {None, addressee.BY}:
        wrong.append(f"`channel`: a contact is written to by {addressee.BY} alone")
    if wrong or by is None:
        return None, wrong
    return (
        Step(
            number=number,
            rule=rules[0][0],  # type: ignore[arg-type]  # one of the three above
            by=by,
            times=step.times or 1,
            playbook=step.playbook,
            at=step.at,
            channel=step.channel,
            on=step.on,
            to=step.to,
        ),
        [],
    )


CHOICES: Final = {
    "playbook": get_args(Playbook),
    "channel": get_args(Channel),
    "to": get_args(Addressee),
    "on": get_args(Outcome),
}


def _mistake(place: Any, problem: ErrorDetails) -> str:
    """Return one line for what pydantic found: where, and what was expected there."""
    loc = problem["loc"]
    in_step = len(loc) > 1 and loc[0] == "steps" and isinstance(loc[1], int)
    where = place(loc[1] if in_step else None)
    name = str(loc[2] if in_step and len(loc) > 2 else loc[0]) if loc else ""
    known = list((_Step if in_step else _Plan).model_fields)
    given = problem.get("input")
    match problem["type"]:
        case "missing":
            text = "is missing"
        case "extra_forbidden":
            text = f"is not known here{_meant(name, known)}: a {'step' if in_step else 'plan'} has {', '.join(known)}"
        case "literal_error":
            choices = CHOICES[name]
            text = f"must be one of {', '.join(choices)}, not {given!r:.60}{_meant(str(given), choices)}"
        case "list_type" if name == "steps" and not in_step:
            text = "is written [[steps]], once for each step"
        case "too_short" if name == "steps":
            text = "needs at least one [[steps]]"
        case "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        case _:
            text = f"{problem['msg'][0].lower()}{problem['msg'][1:]}, not {given!r:.60}"
    return f"{where}: `{name}` {text}"


def _meant(given: str, choices: Any) -> str:
    near = difflib.get_close_matches(given, choices, n=1)
    return f" (is {near[0]!r} meant?)" if near else ""
