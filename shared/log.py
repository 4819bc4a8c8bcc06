"""Logs: one JSON line per unit of work on standard error, for the libraries' lines too."""

import json
import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# These say at "info" what our own lines say better, or at "debug" what belongs in no log: SQL values, addresses, keys.
QUIET: Final = ("aio_pika", "aiormq", "aiosmtplib", "asyncio", "aiohttp", "mail.log", "mail.debug")
# This says at "error", at every try, that the broker is away, which is waited out: our own line, a warning, says why.
SILENT: Final = ("aiormq.connection",)

# What libraries put into an error's text is often the value that they choked on: a name, an address, a password.
# The type, the place and the words around it say enough.
VALUES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|=\([^)]*\)|\S+@\S+|\S+://\S+|\+?\d[\d ()/-]{6,}\d")
MESSAGE_CHARACTERS: Final = 300
CHAIN: Final = 5

ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(level: str, format: str) -> None:
    """From now on log from `level` ("debug" ... "error") upwards, as "json" for machines or "console" for people.

    Lines go to standard error, so that what a command prints stays its own. Callers log ids, never addresses, names,
    notes or settings.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    last: Processor = structlog.processors.JSONRenderer(_dumps)
    if format == "console":
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,  # modules hold their logger before this runs
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_the_library],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_describe),
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _describe(exc_info: ErrorInfo) -> str:
    """An error and what it came from, with the lines of code but without the values in its text."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(parts) < CHAIN:
        kind = type(error)
        message = VALUES.sub("...", str(error))[:MESSAGE_CHARACTERS]
        frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)[-20:]))
        parts.append(f"{frames}{kind.__module__}.{kind.__qualname__}: {message}")
        parts.extend(_describe((type(inner), inner, None)) for inner in getattr(error, "exceptions", ())[:CHAIN])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\ncaused by\n".join(parts)


def _name_the_library(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    if record is not None:
        event["library"] = record.name
    return event


def _dumps(value: Any, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # text that is no UTF-8, a number of too many digits
        return json.dumps(value, default=str)
