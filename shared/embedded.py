from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.settings import Settings


@asynccontextmanager
async def database(config: Settings) -> AsyncIterator[str]:
    raise NotImplementedError
    yield ""
