"""What every command does alike: read settings, open the database, print a table or JSON, fail in one line."""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:  # at run time imported where used: `plan preview` needs none of it, and people wait for it
    from shared import db
    from shared.settings import Settings


class Refused(Exception):
    """Wrong use or input, in one line: exit status 2."""


class Failed(Exception):
    """Right use, and yet it did not work, in one line: exit status 1."""


def typed_as_text(typed: str) -> str:
    """Return what was typed as text, also where the terminal, or a file's name, is not in UTF-8."""
    try:
        typed.encode()
    except UnicodeEncodeError:
        return os.fsencode(typed).decode("cp1252", "replace")
    return typed


def read_settings(*required: str) -> "Settings":
    """Return the settings a command works with: of the environment, completed by what `afterhello run` uses.

    So `afterhello source add` in a second terminal finds the running database, key and address with no setting at
    all. `required` are field names, such as "secret_key" and "public_url". Raises `SettingsError` in one line.
    """
    from shared import standalone

    return standalone.read(*required)


@asynccontextmanager
async def connection(schema: str, config: "Settings | None" = None) -> "AsyncIterator[db.Connection]":
    """A connection to this service's schema: of DATABASE_URL, else of the embedded database under DATA_DIR."""
    from shared import db, embedded

    config = config or read_settings()
    async with AsyncExitStack() as stack:
        with database_errors_in_words():
            dsn = await stack.enter_async_context(embedded.database(config))
            conn = await stack.enter_async_context(db.connect(dsn, schema=schema))
            await db.check_schema(conn, schema)
        yield conn


@asynccontextmanager
async def pool(schema: str, config: "Settings | None" = None) -> "AsyncIterator[db.Pool]":
    """Connections to this service's schema, for a command that does the service's own work; opened one by one."""
    from shared import db, embedded

    config = config or read_settings()
    async with AsyncExitStack() as stack:
        with database_errors_in_words():
            dsn = await stack.enter_async_context(embedded.database(config))
            opened = await stack.enter_async_context(await db.open_pool(dsn, schema=schema, max_size=2))
            async with opened.acquire() as conn:
                await db.check_schema(conn, schema)
        yield opened


@contextmanager
def database_errors_in_words() -> Iterator[None]:
    """Turn what a database that cannot be reached or used raises into `Failed`, in one line."""
    import asyncpg

    from shared import db

    try:
        yield
    except db.WrongSchema as error:
        raise Failed(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Failed(f"DATABASE_URL: the database does not answer: {error or type(error).__name__}") from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
    ) as error:
        raise Failed(f"DATABASE_URL: the database refuses: {error}") from error


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as a JSON array or as a table with the rows' keys as headings; `empty` says what to do when none."""
    if as_json:
        show_json(rows)
    elif not rows:
        print(empty)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for key in rows[0]:
            # People copy ids into the next command: whatever else is wrapped for it, an id stays whole, on one line.
            is_id = any(isinstance(row[key], UUID) for row in rows)
            table.add_column(
                str(key).replace("_", " "), no_wrap=is_id, min_width=36 if is_id else None, overflow="fold"
            )
        for row in rows:
            table.add_row(*("" if value is None else _as_cell(value) for value in row.values()))
        Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)


def show_json(value: object) -> None:
    """Print any value as indented JSON; instants and ids as text."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def _as_cell(value: object) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _as_text(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else str(value)
