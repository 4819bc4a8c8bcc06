"""What intake's tests ask for."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from shared.db import Pool
from tests.intake.command_line import run  # noqa: F401 - a fixture
from tests.intake.serving import Intake, serving
from tests.intake.site import Site, serving_pages


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
