"""What every test can ask for: a database of its own, pools, keys, a broker.

Servers are started by whoever first needs one, are shared by all workers of the run, and are stopped at its end.
"""

import logging
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
import structlog
from pydantic import SecretStr

from shared import db
from shared.db import Pool
from tests.servers import postgres, rabbitmq, shared_by_workers
from tests.servers.dns import name_server  # noqa: F401 - a fixture
from tests.servers.smtp import mailbox, smtp  # noqa: F401 - fixtures
from tests.servers.twilio import twilio  # noqa: F401 - a fixture

FOLDER: Final = pytest.StashKey[Path]()

# How fast a test is says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile(
    "afterhello", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("afterhello")


def pytest_configure(config: pytest.Config) -> None:
    structlog.configure(  # the default draws tracebacks in colour, with all locals, for seconds
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    given = getattr(config, "workerinput", None)
    if given:
        config.stash[FOLDER] = Path(given["servers"])
    else:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the servers would stay behind
        config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="afterhello-tests-"))
        config.stash[FOLDER].chmod(0o711)  # root's PostgreSQL runs as somebody else, who must get through


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # of xdist, which has no types
    node.workerinput["servers"] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and FOLDER in config.stash:
        folder = config.stash[FOLDER]
        postgres.drop_template(folder)
        shared_by_workers.stop_all(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command or a service sets up the log of its process, which here is also that of all tests that follow."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers, root.level
    yield
    structlog.configure(**before)
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Path:
    """Where the servers of this run keep their files."""
    return pytestconfig.stash[FOLDER]


@pytest.fixture(scope="session")
async def databases(servers: Path) -> AsyncIterator[postgres.Databases]:
    """Where this worker's databases come from."""
    server = postgres.server(servers)
    databases = postgres.Databases(server, postgres.template(servers))
    yield databases
    await databases.close()


@pytest.fixture
async def database_url(databases: postgres.Databases) -> AsyncIterator[str]:
    """An empty database of one's own, with all schemas migrated."""
    url = await databases.take()
    yield url
    await databases.give_back(url)


@pytest.fixture
async def intake_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await db.open_pool(database_url, schema="intake")
    yield pool
    pool.terminate()


@pytest.fixture
async def scheduler_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await db.open_pool(database_url, schema="scheduler")
    yield pool
    pool.terminate()


@pytest.fixture
async def notifier_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await db.open_pool(database_url, schema="notifier")
    yield pool
    pool.terminate()


@pytest.fixture(scope="session")
def rabbit_url(servers: Path) -> str:
    """A RabbitMQ that all tests share: use it under `bus_prefix`."""
    return rabbitmq.server(servers)


@pytest.fixture(scope="session")
def keys() -> tuple[SecretStr, ...]:
    """A SECRET_KEY that is good enough."""
    return (SecretStr(secrets.token_hex(32)),)


@pytest.fixture
def bus_prefix() -> str:
    """A prefix under which nobody else uses the broker."""
    return f"test.{secrets.token_hex(6)}"
