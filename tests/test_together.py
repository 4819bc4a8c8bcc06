"""`afterhello run` and `afterhello demo`, as a person starts them."""

import asyncio
import json
import os
import re
import shlex
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.settings import Settings
from tests.servers.installation import free_ports, open_folder
from tests.servers.waiting import until


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """No setting but a DATA_DIR of one's own."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    with open_folder() as folder:
        yield inherited | {"DATA_DIR": str(folder / "data")}


@asynccontextmanager
async def _process(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # not killed: it has a PostgreSQL to stop
        await asyncio.wait_for(process.communicate(), 40)


async def _welcome(process: asyncio.subprocess.Process) -> str:
    """What it prints once it is ready."""
    assert process.stdout is not None
    told = ""
    async with asyncio.timeout(60):
        while "source add" not in told:
            line = await process.stdout.readline()
            assert line, (await process.communicate())[1].decode()
            told += line.decode()
    return told


async def _afterhello(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    async with _process(environment, *arguments) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def test_a_newcomer_pastes_the_line_and_sees_a_mail(environment: dict[str, str]) -> None:
    (port,) = free_ports(1)
    async with _process(environment, "run", "--port", str(port)) as process, aiohttp.ClientSession() as client:
        told = await _welcome(process)
        line = re.findall(r"^  (curl .*)$", told, re.MULTILINE)[0]
        assert f"http://127.0.0.1:{port}/mailbox" in told and f"http://127.0.0.1:{port}/hooks/" in told

        status, answer = await _paste(client, line)
        assert (status, len(answer["meetings"][0]["follow_ups"])) == (201, 3)

        async def mails() -> list[dict[str, Any]]:
            async with client.get(f"http://127.0.0.1:{port}/mailbox/messages.json") as mailbox:
                found: list[dict[str, Any]] = await mailbox.json()
                return found

        async def have_come() -> bool:
            return len(await mails()) >= 1

        await until(have_come)
        assert (await mails())[0]["to"] == "you@school.example"
        async with client.get(f"http://127.0.0.1:{port}/readyz") as ready:
            told = await ready.json()
        assert told["status"] == "ok"
        assert told["checks"].keys() >= {"database", "broker", "backlog", "people", "channel email"}, "of all three"


async def test_a_second_terminal_finds_it_and_a_second_run_is_refused(environment: dict[str, str]) -> None:
    (port,) = free_ports(1)
    async with _process(environment, "run", "--port", str(port)) as process:
        await _welcome(process)

        status, out, err = await _afterhello(environment, "source", "add", "typeform", "Sign-up", "--json")
        assert status == 0, err
        source = json.loads(out)
        assert source["url"].startswith(f"http://127.0.0.1:{port}/hooks/")
        async with aiohttp.ClientSession() as client, client.post(source["url"], json={}) as answer:
            assert answer.status == 401  # it is there, and wants a signature

        status, _, err = await _afterhello(environment, "run", "--port", "0")
        assert status == 1
        assert re.fullmatch(rf"afterhello: .*already has .* at http://127.0.0.1:{port} \(process \d+\).*\n", err)


async def test_a_taken_port_is_one_line(environment: dict[str, str]) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        status, out, err = await _afterhello(environment, "run", "--port", str(port))

    assert (status, out) == (2, "")
    assert re.fullmatch(rf"afterhello: PORT: {port} .* is taken by another program.*\n", err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_in_order_and_starts_again_with_what_it_had(
    environment: dict[str, str], number: signal.Signals
) -> None:
    (port,) = free_ports(1)
    data = Path(environment["DATA_DIR"])
    async with _process(environment, "run", "--port", str(port)) as process:
        first = await _welcome(process)
        assert stat.S_IMODE((data / "run.json").stat().st_mode) == 0o600
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, err.decode()
    stopped = re.findall(r"service\.stopped +service=(\w+)", err.decode())
    assert stopped == ["intake", "scheduler", "notifier"]
    assert "Traceback" not in err.decode()
    assert not (data / "run.json").exists()
    assert not (data / "pg18" / "postmaster.pid").exists()

    async with _process(environment, "run", "--port", str(port)) as process:
        assert await _welcome(process) == first


async def test_the_demo_shows_the_main_job_and_leaves_nothing_behind(environment: dict[str, str]) -> None:
    with open_folder() as folder:
        status, out, err = await _afterhello(environment | {"TMPDIR": str(folder)}, "demo")
        assert list(folder.iterdir()) == []

    assert status == 0, out + err
    assert len(re.findall(r"^Subject: ", out, re.MULTILINE)) == 3
    assert "Done: 3 of 3 mails, none twice." in out
    assert not Path(environment["DATA_DIR"]).exists()


async def _paste(client: aiohttp.ClientSession, line: str) -> tuple[int, dict[str, Any]]:
    """Do what curl does with the line that was printed."""
    words = shlex.split(line)
    url = next(word for word in words if word.startswith("http"))
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    async with client.post(url, headers=headers, data=body.encode()) as answer:
        return answer.status, await answer.json()
