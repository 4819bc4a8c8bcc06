"""A whole installation for a test: the services in one process, or each in its own, and a mail server that they use."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from pydantic import SecretStr

from services import first_steps, typeform_response
from services.mailbox import Mail, Mailbox, smtp_server
from services.together import everything
from shared import settings
from shared.settings import Settings
from tests.servers.waiting import until

ROOT: Final = Path(__file__).parent.parent.parent
SERVICES: Final = ("intake", "scheduler", "notifier")
STEPS: Final = 3  # of the plan `quick`


def plan(*steps: tuple[str, str] | tuple[str, str, str]) -> str:
    """A plan that writes at whatever hour: how long after the meeting, playbooks, and to whom if not the owner."""
    parts = [
        f'[[steps]]\nafter = "{after}"\nplaybook = "{playbook}"\n' + "".join(f'to = "{one}"\n' for one in to)
        for after, playbook, *to in steps
    ]
    return "\n".join(['title = "For tests"\nignore_quiet_hours = true\n', *parts])


PLANS: Final = {
    # As the shipped `demo`, in a hurry.
    "quick": plan(("0 seconds", "say-hello"), ("2 seconds", "keep-promise"), ("4 seconds", "check-in")),
    # Long enough between its two nudges for the first to be sent, recorded and known everywhere.
    # To the owner, then to the contact, if they agreed to it.
    "both": plan(
        ("0 seconds", "say-hello"), ("1 second", "share-resource", "contact"), ("8 seconds", "check-in", "contact")
    ),
    "pausing": plan(("0 seconds", "say-hello"), ("6 seconds", "check-in")),
}
SETTLED: Final = """
    SELECT NOT EXISTS (SELECT FROM intake.outbox)
       AND NOT EXISTS (SELECT FROM scheduler.outbox)
       AND NOT EXISTS (SELECT FROM notifier.outbox)
       AND NOT EXISTS (SELECT FROM scheduler.follow_ups
                        WHERE state = 'waiting' AND due_at < now() + interval '1 minute')
       AND NOT EXISTS (SELECT FROM notifier.deliveries WHERE state = 'queued')
"""


@dataclass(slots=True)
class Part:
    """One service as a process of its own, to be killed and started again."""

    name: str
    port: int
    environment: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", self.name],
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, number: int) -> int:
        """Send it this signal, wait until it is gone, and return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def kill(self) -> None:
        assert self.end(signal.SIGKILL) == -signal.SIGKILL, self.log.read_text()

    async def readyz(self) -> tuple[int, dict[str, Any]]:
        """What it says of itself; 0 and nothing when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client,
                client.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return 0, {}

    async def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return (await self.readyz())[0] == 200


@dataclass(slots=True, kw_only=True)
class Installation:
    """What a test may do with it: submit as a form does, ask as a client does, look into the mailbox."""

    config: Settings
    mailbox: Mailbox
    client: aiohttp.ClientSession
    parts: dict[str, Part] = field(default_factory=dict)  # none: all in this process

    async def connect(self, *, plan: str = "quick") -> first_steps.Connected:
        """A Typeform source with this plan, and a token of the API."""
        return await first_steps.connect(self.config, name="Sign-up", provider="typeform", plan=plan)

    async def submit(
        self, source: first_steps.Connected, body: bytes, *, signed: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Post a form response, signed by the form, or with the signature of other bytes."""
        headers = {
            "Content-Type": "application/json",
            **typeform_response.signature(signed or body, source.secret),
        }
        async with self.client.post(source.url, data=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def meeting(self, source: first_steps.Connected, id: str) -> dict[str, Any]:
        """The meeting with its follow-ups, from the API."""
        headers = {"Authorization": f"Bearer {source.token}"}
        async with self.client.get(f"{self.config.public_url}/api/v1/meetings/{id}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    def mails(self, owner: str | None = None) -> list[Mail]:
        """What arrived (for one owner), oldest first."""
        return [mail for mail in self.mailbox.read(self.mailbox.ids()[::-1]) if owner in {None, mail.to}]

    async def mails_arrive(self, count: int, owner: str | None = None, *, seconds: float = 40) -> None:
        """Wait for so many mails; say what the services said when they do not come."""
        try:
            await until(lambda: len(self.mails(owner)) >= count, seconds=seconds)
        except AssertionError:
            said = "".join(f"\n--- {part.name}\n{part.log.read_text()[-3000:]}" for part in self.parts.values())
            raise AssertionError(f"{len(self.mails(owner))} of {count} mails arrived in {seconds} s{said}") from None

    async def is_settled(self) -> bool:
        """Whether nothing is under way any more: no event to relay, no follow-up soon, no nudge to send."""
        async with self.database() as conn:
            return bool(await conn.fetchval(SETTLED))

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection that sees every schema."""
        assert self.config.database_url is not None
        conn = await asyncpg.connect(self.config.database_url.get_secret_value())
        try:
            yield conn
        finally:
            await conn.close()


@asynccontextmanager
async def in_one_process(
    database_url: str, folder: Path, keys: Sequence[SecretStr], **given: Any
) -> AsyncIterator[Installation]:
    """As `afterhello run` has it: all three with a LocalBus, in this process."""
    surroundings = _surroundings(database_url, folder, keys, amqp_url=None, **given)
    async with surroundings as (installation, _), everything(installation.config):
        yield installation


@asynccontextmanager
async def in_three_processes(
    database_url: str, amqp_url: str, folder: Path, keys: Sequence[SecretStr], **environment: str
) -> AsyncIterator[Installation]:
    """As in production: each service a process of its own, over RabbitMQ. None is started yet."""
    async with _surroundings(database_url, folder, keys, amqp_url=amqp_url) as (installation, given):
        ports = dict(zip(SERVICES, [installation.config.port or 0, *free_ports(2)], strict=True))
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        for name in SERVICES:
            own = inherited | given | {"PORT": str(ports[name])} | environment
            installation.parts[name] = Part(name, ports[name], own, folder / f"{name}.log")
        try:
            yield installation
        finally:
            for part in installation.parts.values():
                if part.process is not None:
                    part.end(signal.SIGKILL)


async def start(installation: Installation) -> None:
    """Start every service and wait until all are ready."""
    for part in installation.parts.values():
        part.start()
    for part in installation.parts.values():
        await until(part.is_ready, seconds=60)


@asynccontextmanager
async def _surroundings(
    database_url: str, folder: Path, keys: Sequence[SecretStr], *, amqp_url: str | None, **more: Any
) -> AsyncIterator[tuple[Installation, dict[str, str]]]:
    plans = folder / "plans"
    plans.mkdir()
    for name, text in PLANS.items():
        (plans / f"{name}.toml").write_text(text)
    mailbox = Mailbox(folder / "mailbox")
    (port,) = free_ports(1)
    async with smtp_server(mailbox) as smtp_port, aiohttp.ClientSession() as client:
        given = {
            "DATABASE_URL": database_url,
            "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}?starttls=0",
            "MAIL_FROM": "Afterhello <hello@afterhello.example>",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "SECRET_KEY": ",".join(key.get_secret_value() for key in keys),
            "PORT": str(port),
            "PLANS_DIR": str(plans),
            "DATA_DIR": str(folder / "data"),
            "RETRY_DELAYS": "1 second",
            "SEND_LEASE": "3 seconds",
            "RATE_LIMIT": "1000",
        }
        if amqp_url is not None:
            given["AMQP_URL"] = amqp_url
        values: dict[str, Any] = {"amqp_url": None} | {name.lower(): value for name, value in given.items()}
        config = settings.read(**values | more)
        yield Installation(config=config, mailbox=mailbox, client=client), given


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that root's PostgreSQL, which runs as a user of its own, can get through to."""
    with tempfile.TemporaryDirectory(prefix="afterhello-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, for servers that must know theirs before they start."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def message_id(mail: Mail) -> str:
    """The mail's Message-ID, with its brackets."""
    return str(re.findall(r"(?im)^message-id: *(\S+)", mail.raw)[0])


def response(owner: str) -> bytes:
    """A response to the form, by this owner."""
    return typeform_response.body(datetime.now(UTC), {**typeform_response.ANSWERS, "Your email": owner})
