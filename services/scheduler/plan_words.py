"""The words of a plan file, and what is wrong with those somebody wrote; pure."""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from services.scheduler import addressee
from services.scheduler.follow_up import Outcome
from services.scheduler.offset import NoSuchTime, Offset, offset
from services.scheduler.toml_lines import Path
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
Rule = Literal["after", "every", "before"]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)
MOST_STEPS: Final = 100


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where: `("steps", 0, "after")` is the first step's `after`."""

    place: Path
    words: str


def _local_time(value: object) -> object:
    """Read "08:00"; TOML's own 08:00:00 is a time already."""
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError(f"must be a time of day such as '08:00', not {_shown(value)}")


class WrittenStep(BaseModel):
    """One of the `steps`."""

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
    calendar: bool = False

    @property
    def rule(self) -> tuple[Rule, Offset]:
        """When it goes out; only of one without mistakes."""
        [found] = [(rule, offset(text)) for rule in RULES if (text := getattr(self, rule)) is not None]
        return found


class WrittenPlan(BaseModel):
    """A plan file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str | None = Field(None, min_length=1, max_length=200)
    ignore_quiet_hours: bool = False
    steps: list[WrittenStep] = Field(min_length=1, max_length=MOST_STEPS)


WITH_ENTRY: Final[tuple[Playbook, ...]] = ("call", "visit")  # what the notifier has an entry for the calendar for
CHOICES: Final = {
    "playbook": get_args(Playbook),
    "channel": get_args(Channel),
    "to": get_args(Addressee),
    "on": get_args(Outcome),
}


def checked(written: Mapping[str, Any]) -> WrittenPlan | list[Mistake]:
    """Return the plan, or every mistake in it: whoever mends a file wants to do it once."""
    mistakes: list[Mistake] = []
    plan: WrittenPlan | None = None
    try:
        plan = WrittenPlan.model_validate(written)
    except ValidationError as error:
        mistakes = [_mistake(problem) for problem in error.errors()]
    given = written.get("steps")
    steps = given[:MOST_STEPS] if isinstance(given, list) else []
    for index, step in enumerate(steps):
        if isinstance(step, dict):
            before = steps[index - 1] if index else None
            mistakes += [Mistake(("steps", index, *place), words) for place, words in _wrong(step, before)]
    return mistakes or plan or []


def _wrong(step: Mapping[str, Any], before: Any) -> list[tuple[Path, str]]:
    """Return what is wrong with a step as a whole, as far as its parts are right, and where in it that is."""
    at_fault = _at_fault(step)
    read = WrittenStep.model_validate(
        {"playbook": "ask"} | {key: value for key, value in step.items() if key not in at_fault}
    )
    rules = [rule for rule in RULES if rule in step]
    wrong: list[tuple[Path, str]] = []
    if len(rules) != 1:
        place: Path = (rules[1],) if rules else ()
        has = " and ".join(rules) or "none"
        wrong.append((place, f"needs exactly one of `after`, `every` (with `times`) and `before`, and has {has}"))
    if "every" in step and "times" not in step:
        wrong.append((("every",), "`every` needs `times`, how often"))
    if "every" not in step and "times" in step:
        wrong.append((("times",), "`times` goes with `every`"))
    for rule in rules:
        if (text := getattr(read, rule)) is None:
            continue
        try:
            by = offset(text, times=read.times or 1 if rule == "every" else 1)
        except NoSuchTime as error:
            wrong.append(((rule,), f"`{rule}`: {error}"))
            continue
        if rule == "every" and by.count == 0:
            wrong.append(((rule,), "`every`: must be more than nothing"))
        if by.elapses and read.at is not None:
            wrong.append((("at",), f'`at` goes with days, weeks, months or years, not with `{rule} = "{by}"`'))
    if read.to == "contact" and read.channel not in {None, addressee.BY}:
        wrong.append((("channel",), f"`channel`: a contact is written to by {addressee.BY} alone"))
    if read.calendar and read.playbook not in WITH_ENTRY:
        wrong.append((("calendar",), f"`calendar` goes with {' or '.join(WITH_ENTRY)}, which take an appointment"))
    if read.calendar and read.to == "contact":
        wrong.append((("calendar",), "`calendar`: a contact gets no entry for their calendar"))
    if read.on is not None and (before is None or (isinstance(before, dict) and "every" in before)):
        what = "the first has none" if before is None else "one with `every` has no single outcome"
        wrong.append((("on",), f"`on` is about the step before, and {what}"))
    return wrong


def _at_fault(step: Mapping[str, Any]) -> set[str]:
    try:
        WrittenStep.model_validate(step)
    except ValidationError as error:
        return {str(problem["loc"][0]) for problem in error.errors()}
    return set()


def _mistake(problem: ErrorDetails) -> Mistake:
    """Return in one line what pydantic found: where, and what was expected there."""
    loc: Path = problem["loc"]
    in_step = len(loc) > 1 and loc[0] == "steps" and isinstance(loc[1], int)
    name = str(loc[2] if in_step and len(loc) > 2 else loc[0]) if loc else ""
    known = list((WrittenStep if in_step else WrittenPlan).model_fields)
    given = problem.get("input")
    match problem["type"]:
        case "missing":
            loc, text = loc[:-1], "is missing"
        case "extra_forbidden":
            name = " ".join(name.split())[:60]
            text = f"is not known here{meant(name, known)}: a {'step' if in_step else 'plan'} has {', '.join(known)}"
        case "literal_error":
            choices = CHOICES[name]
            text = f"must be one of {', '.join(choices)}, not {_shown(given)}{meant(str(given), choices)}"
        case "list_type" if name == "steps" and not in_step:
            text = "is written [[steps]], once for each step"
        case "model_type":
            name, text = "steps", f"is written [[steps]], once for each step, and not {_shown(given)}"
        case "too_short" if name == "steps":
            text = "needs at least one [[steps]]"
        case "too_long" if name == "steps":
            text = f"has {len(given) if isinstance(given, list) else 'too many'}: at most {MOST_STEPS} make a plan"
        case "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        case _:
            text = f"{problem['msg'][0].lower()}{problem['msg'][1:]}, not {_shown(given)}"
    return Mistake(loc, f"`{name}` {text}")


def meant(given: str, choices: Collection[str]) -> str:
    """Return " (is 'this' meant?)" where one of the choices is near, in whatever case; else nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(given.strip().lower().replace("_", "-")[:60], by_lower, n=1)
    near = near or difflib.get_close_matches(given.strip().lower()[:60], by_lower, n=1)
    return f" (is {by_lower[near[0]]!r} meant?)" if near else ""


def _shown(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str | bool | int | float) else f"{str(value)[:40]!r}"
