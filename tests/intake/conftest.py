"""What intake's tests ask for."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.intake import patience
from shared.db import Pool
from tests.intake.command_line import run  # noqa: F401 - a fixture
from tests.intake.serving import Intake, serving
from tests.intake.site import Site, serving_pages


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has much to do a hook may answer later than a sender would like."""
    for name in ("AT_FIRST", "IN_ALL"):
        monkeypatch.setattr(patience, f"{name}_SECONDS", 20.0)


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    """An intake that listens, on a fresh database."""
    async with serving(intake_pool, keys) as served:
        yield served


@pytest.fixture
async def site(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Site]:
    """The pages behind links, on a fresh database."""
    async with serving_pages(intake_pool, keys) as served:
        yield served
