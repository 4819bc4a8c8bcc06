"""`afterhello`: the first word to a module, imported on demand."""

import logging
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

import typer
from typer.exceptions import Abort, TyperException
from typer.main import get_group

from shared.command import Failed, Refused


class Word(NamedTuple):
    """Where a command is: a function, or a `typer.Typer` with commands of its own."""

    module: str
    name: str
    summary: str


# One module a word, so that `afterhello plan preview` neither imports nor waits for a web server.
WORDS: Final = {
    "run": Word("services.together", "run", "everything in one process, with a mailbox to look at: start here"),
    "demo": Word("services.demo", "demo", "watch one form submission become three mails, and clean up"),
    "intake": Word("services.alone", "intake", "run the service that takes meetings"),
    "scheduler": Word("services.alone", "scheduler", "run the service that times follow-ups"),
    "notifier": Word("services.alone", "notifier", "run the service that sends nudges"),
    "migrate": Word("services.alone", "migrate", "bring the database and the broker up to date"),
    "doctor": Word("services.doctor", "doctor", "say in sentences what is wrong with this installation"),
    "source": Word("services.intake.commands", "source", "the forms and tools that submit meetings"),
    "token": Word("services.intake.token_commands", "token", "who may use the API"),
    "person": Word("services.people", "person", "how people want to be written to, and all that is kept of them"),
    "plan": Word("services.scheduler.commands", "plan", "the cadences: list, check, preview, apply"),
    "calendar": Word(
        "services.scheduler.calendar_commands", "calendar", "school breaks out of iCalendar files and feeds"
    ),
    "release": Word("services.scheduler.commands", "release", "let go what is held for being late all at once"),
    "channel": Word("services.notifier.commands", "channel", "the ways messages go out: open, paused, or stopped"),
    "suppression": Word("services.suppressions", "suppression", "addresses that are not written to, and why"),
    "dead-letter": Word("services.dead_letters", "dead_letter", "events that could not be applied: look, replay, drop"),
}

HELP: Final = """\
Afterhello: you said hello at the conference; it makes sure it does not end there.

Usage: afterhello WORD [OPTIONS] ...

{words}

Begin with:
  afterhello run                                  then open http://127.0.0.1:8080/mailbox
  afterhello source add typeform "Sign-up"        in a second terminal: prints the URL to paste into the form
  afterhello plan preview --plan conference       when would the nudges come?

`afterhello WORD --help` explains a word. Settings are environment variables (DATABASE_URL, AMQP_URL, SMTP_URL,
PUBLIC_URL, SECRET_KEY ...); `afterhello doctor` says which are missing or wrong.
Exit status: 0 done, 1 it failed, 2 wrong use or input. Errors are one line on standard error."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _do(arguments)
    except (KeyboardInterrupt, Abort):
        return 130
    except Exception as error:
        return _explain(error)


def _do(arguments: Sequence[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in {"", "--help", "-h", "help"}:
        words = "\n".join(f"  {word:<12} {where.summary}" for word, where in WORDS.items())
        print(HELP.format(words=words))
        return 0 if first else 2
    if first == "--version":
        from importlib.metadata import version

        print(f"afterhello {version('afterhello')}")
        return 0
    if first not in WORDS:
        kind = "option" if first.startswith("-") else "command"
        close = get_close_matches(first, WORDS, n=1)
        meant = f", did you mean `{close[0]}`?" if close else ""
        raise Refused(f"there is no {kind} {first!r}{meant} (`afterhello --help` lists the commands)")
    # No boxes: help is read in pipes, on phones and in mails too.
    holder = typer.Typer(rich_markup_mode=None, add_completion=False)
    where = WORDS[first]
    target = getattr(import_module(where.module), where.name)
    if isinstance(target, typer.Typer):
        holder.add_typer(target, name=first)
    else:
        holder.command(first)(target)
    _keep_logs_out_of_the_way()
    status = get_group(holder).main(list(arguments), prog_name="afterhello", standalone_mode=False, obj=_plan_names)
    return status if isinstance(status, int) else 0


def _plan_names(plans_dir: Path | None) -> Collection[str]:
    """The plans there are, for commands of intake, which knows nothing of the scheduler."""
    from services.scheduler.plan import Plans

    return Plans.read(plans_dir).names


def _keep_logs_out_of_the_way() -> None:
    """Let a command's own lines alone be on standard output, and its one line alone say why it failed.

    A service sets its log up itself.
    """
    root = logging.getLogger()
    root.handlers = [*root.handlers, logging.NullHandler()]  # with none, Python prints what libraries complain of
    if structlog := sys.modules.get("structlog"):  # what has not imported it logs nothing
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )


def _explain(error: Exception) -> int:
    """Print what went wrong in one line and return the exit status; a bug is raised again, with its traceback."""
    if isinstance(error, ExceptionGroup):  # a service's tasks: the first is the cause, the others were cancelled
        return _explain(error.exceptions[0])
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
            print(context.get_help())
            return 2
        command = context.command_path if context is not None else "afterhello"
        message = error.format_message().strip().rstrip(".").replace("Value error, ", "")  # pydantic's way to say so
        return _fail(f"{message[:1].lower()}{message[1:]} (`{command} --help` shows how)", 2)
    kind = type(error).__name__
    # By name, since importing what they belong to is what a quick command must not wait for.
    if isinstance(error, Refused) or kind in {"SettingsError", "PlanError"}:
        return _fail(str(error), 2)
    if isinstance(error, Failed) or kind in {"WrongSchema", "WrongTopology", "AlreadyRunning"}:
        return _fail(str(error), 1)
    raise error


def _fail(message: str, status: int) -> int:
    print(f"afterhello: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
