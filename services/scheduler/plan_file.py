"""Plan files: the TOML that people write, read into a plan."""

import tomllib
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Final, Literal

from services.scheduler.follow_up import Outcome
from services.scheduler.offset import Offset
from services.scheduler.plan_words import Mistake, Playbook, WrittenStep, checked
from services.scheduler.toml_lines import lines
from shared.events import Addressee, Channel

LARGEST: Final = 1024 * 1024


class PlanError(ValueError):
    """What is wrong with plans: one line for each mistake, with file, step and line."""

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
    calendar: bool = False  # whether its mail brings an entry for the owner's calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    title: str
    steps: tuple[Step, ...]
    ignore_quiet_hours: bool = False
    path: Path


def read(path: Path) -> Plan:
    """Return the plan in this file, named as the file is; raises `PlanError` with every mistake in it."""
    text = _text(path)
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        raise PlanError([f"{path}: is not TOML: {error}"]) from None
    plan = checked(written)
    if isinstance(plan, list):
        raise PlanError(_told(path, text, plan))
    return Plan(
        name=path.stem,
        title=plan.title or path.stem,
        steps=tuple(_step(number, step) for number, step in enumerate(plan.steps, 1)),
        ignore_quiet_hours=plan.ignore_quiet_hours,
        path=path,
    )


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise PlanError([f"{path}: cannot be read: is no file"])
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise PlanError([f"{path}: is larger than 1 MiB"])
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise PlanError([f"{path}: is not UTF-8"]) from None
    except OSError as error:
        raise PlanError([f"{path}: cannot be read: {(error.strerror or 'unknown').lower()}"]) from None
    except ValueError as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError([f"{str(path)!r}: cannot be read: is no file's name"]) from None


def _step(number: int, step: WrittenStep) -> Step:
    rule, by = step.rule
    return Step(
        number=number,
        rule=rule,
        by=by,
        times=step.times or 1,
        playbook=step.playbook,
        at=step.at,
        channel=step.channel,
        on=step.on,
        to=step.to,
        calendar=step.calendar,
    )


def _told(path: Path, text: str, mistakes: list[Mistake]) -> list[str]:
    """Return a line for each mistake, in the order in which they stand in the file."""
    on_line = lines(text)

    def line(mistake: Mistake) -> int:
        places = (mistake.place[:n] for n in range(len(mistake.place), 0, -1))
        return next((on_line[place] for place in places if place in on_line), 0)

    told = []
    for mistake in sorted(mistakes, key=line):
        number = line(mistake)
        of_step = mistake.place[:1] == ("steps",) and len(mistake.place) > 1
        where = f"step {int(mistake.place[1]) + 1} (line {number})" if of_step else f"line {number}"
        told.append(f"{path}: {where}: {mistake.words}" if number else f"{path}: {mistake.words}")
    return told
