"""`afterhello` on the command line, within the test's own process and database."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
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
) -> Run:
    """Runs `afterhello` with the settings of an installation."""
    for name in ("AMQP_URL", "SMTP_URL", "MAIL_FROM", "PORT", "PLANS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("SECRET_KEY", keys[0].get_secret_value())
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def afterhello(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    return afterhello


async def in_thread(run: Run, *arguments: str) -> Done:
    """Run it beside the loop of the test: a command has a loop of its own."""
    return await asyncio.to_thread(run, *arguments)
