"""`afterhello` on the command line, within the test's own process and database."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from services.cli import main

PUBLIC_URL = "https://hello.school.example/after"


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(
    database_url: str,
    keys: tuple[SecretStr, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Runs `afterhello` with the settings of an installation."""
    for name in ("AMQP_URL", "SMTP_URL", "MAIL_FROM", "PORT", "PLANS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("SECRET_KEY", keys[0].get_secret_value())
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    before, handlers, level = structlog.get_config(), logging.getLogger().handlers, logging.getLogger().level

    def afterhello(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    yield afterhello
    structlog.configure(**before)
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


async def in_thread(run: Run, *arguments: str) -> Done:
    """Run it beside the loop of the test: a command has a loop of its own."""
    return await asyncio.to_thread(run, *arguments)
