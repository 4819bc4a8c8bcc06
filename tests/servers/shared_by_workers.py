"""Servers that all workers of one test run share: whoever needs one first starts it, the controller stops them all."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypedDict


class Running(TypedDict):
    """What there is to know about a server that runs."""

    url: str
    pid: int | None  # None: not ours to stop
    stop: int  # the signal that ends it


def started(folder: Path, name: str, start: Callable[[Path], Running]) -> Running:
    """Return the server of this name, started in a folder of its own if it does not run yet."""
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / f"{name}.json"
        if file.exists():
            running: Running = json.loads(file.read_text())
            return running
        home = folder / name
        home.mkdir(exist_ok=True)
        running = start(home)
        file.write_text(json.dumps(running))
        return running


def stop_all(folder: Path) -> None:
    """Stop what `started` started in this folder, and wait until it is gone."""
    ours = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    for running in ours:
        if running["pid"] is not None:
            with suppress(ProcessLookupError):
                os.kill(running["pid"], running["stop"])
    until = time.monotonic() + 20
    while left := [running["pid"] for running in ours if running["pid"] is not None and is_running(running["pid"])]:
        if time.monotonic() > until:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether there is such a process; one that has ended and waits for its parent does not count."""
    try:
        os.kill(pid, 0)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc").is_dir() or Path(f"/proc/{pid}").exists()
