"""A RabbitMQ for one test run: AMQP_URL, else a private node, whose package is installed if need be, else a container.

`python -m tests.servers.rabbitmq` starts one for use by hand, prints its URL and runs until interrupted.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.servers.shared_by_workers import Running, is_running, started

# The script on Debian's PATH switches to a user of its own; the package's keeps ours.
SCRIPTS: Final = (Path("/usr/lib/rabbitmq/bin"), Path("/usr/local/sbin"), Path("/opt/homebrew/sbin"), Path("/usr/sbin"))
READY_SECONDS: Final = 60.0
SETTLED_SECONDS: Final = 1.0
WAIT_FOR_LOCK: Final = ("-o", "DPkg::Lock::Timeout=300")
CONFIGURATION: Final = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
default_user = afterhello
default_pass = {password}
disk_free_limit.absolute = 50MB
"""


# A child that somebody else will stop must not be collected before, which would be a warning.
_children: Final[list[subprocess.Popen[bytes]]] = []


class NoBroker(Exception):
    """There is no RabbitMQ to be had here; the message says what was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A private node: it knows nothing of any other on this machine, and nothing else knows of it."""

    scripts: Path
    home: Path
    name: str
    port: int
    distribution_port: int
    password: str

    @property
    def url(self) -> str:
        return f"amqp://afterhello:{self.password}@127.0.0.1:{self.port}/"

    def start(self) -> int:
        """Start the node, wait until it takes connections, and return its pid."""
        (self.home / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, password=self.password))
        (self.home / "plugins").write_text("[].\n")
        log = (self.home / "output.log").open("ab")
        process = subprocess.Popen(
            [self.scripts / "rabbitmq-server"],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        _children.append(process)
        log.close()
        try:
            _wait(self._is_ready, lambda: process.poll() is not None, "the node of RabbitMQ did not start")
        except NoBroker as error:
            raise NoBroker(f"{error}:\n{(self.home / 'output.log').read_text(errors='replace')[-3000:]}") from None
        return int((self.home / "node.pid").read_text())

    def kill(self) -> None:
        """End the node as a power cut would, once its queues are on disk, and wait until it is gone.

        RabbitMQ 3.10 writes down that a quorum queue is there half a second after it said so. A queue of which only
        half was written comes back without a leader, and takes nothing any more.
        """
        _wait(self._is_settled, lambda: False, "the node is never done with writing its queues down")
        pid = int((self.home / "node.pid").read_text())
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _wait(lambda: not is_running(pid), lambda: False, "the node did not end")

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on this node and return what it says."""
        done = subprocess.run(
            [self.scripts / "rabbitmqctl", "--node", self.name, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _is_ready(self) -> bool:
        if not (self.home / "node.pid").exists():
            return False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as conn:
            conn.sendall(b"AMQP\0\0\x09\x01")
            return conn.recv(1) == b"\x01"  # a method frame: connection.start
        return False

    def _is_settled(self) -> bool:
        written = [file.stat().st_mtime for file in (self.home / "data").glob("*/quorum/*/*.dets")]
        return time.time() - max(written, default=0) > SETTLED_SECONDS

    def _environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "ERL_"))}
        return inherited | {
            "HOME": str(self.home),  # where Erlang keeps the cookie
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_PID_FILE": str(self.home / "node.pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",  # Erlang's name server, which the first node of a machine leaves behind
            # Two cores are shared with the tests: schedulers must not spin while they wait.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }


def server(folder: Path) -> str:
    """Return the URL of the run's broker, started if need be; raises `NoBroker`."""
    return started(folder, "rabbitmq", _start)["url"]


def private_node(folder: Path) -> Node:
    """Start a node of one's own in this folder, to be killed and started again at will; the caller ends it."""
    node = _new_node(folder)
    node.start()
    return node


def _start(folder: Path) -> Running:
    if url := os.environ.get("AMQP_URL"):
        return {"url": url, "pid": None, "stop": signal.SIGTERM}
    try:
        node = _new_node(folder)
    except NoBroker as error:
        if shutil.which("docker"):
            return _container(folder)
        raise NoBroker(f"{error}; there is no docker either; set AMQP_URL to a broker") from error
    return {"url": node.url, "pid": node.start(), "stop": signal.SIGTERM}


def _new_node(folder: Path) -> Node:
    scripts = _scripts() or _install()
    folder.mkdir(exist_ok=True)
    port, distribution_port = _free_ports(2)
    node = Node(
        scripts=scripts,
        home=folder,
        name=f"afterhello-{secrets.token_hex(4)}@localhost",
        port=port,
        distribution_port=distribution_port,
        password=secrets.token_hex(16),
    )
    (folder / "node").write_text(json.dumps(asdict(node), default=str))
    return node


def _scripts() -> Path | None:
    on_path = shutil.which("rabbitmq-server")
    places: Iterable[Path] = (*SCRIPTS, Path(on_path).resolve().parent) if on_path else SCRIPTS
    return next((place for place in places if (place / "rabbitmq-server").exists()), None)


def _install() -> Path:
    if not shutil.which("apt-get"):
        raise NoBroker("rabbitmq-server is not installed, and there is no apt-get to install it with")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    # The package starts a service of its own unless a policy forbids it; our node needs none.
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    print("installing rabbitmq-server for the tests ...", file=sys.stderr)
    for command in (
        [*root, "apt-get", *WAIT_FOR_LOCK, "update", "-q"],
        [
            *root,
            *environment,
            "apt-get",
            *WAIT_FOR_LOCK,
            "install",
            "-qy",
            "--no-install-recommends",
            "rabbitmq-server",
        ],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise NoBroker(f"`{' '.join(command)}` failed: {said[-500:]}") from error
    if not (found := _scripts()):
        raise NoBroker("rabbitmq-server was installed, but its script is in none of the known places")
    return found


def _container(folder: Path) -> Running:
    (port,) = _free_ports(1)
    password = secrets.token_hex(16)
    # It runs in the foreground, and ends with the client that started it.
    user = ("--env", "RABBITMQ_DEFAULT_USER=afterhello", "--env", f"RABBITMQ_DEFAULT_PASS={password}")
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--publish", f"127.0.0.1:{port}:5672", *user, "rabbitmq:4"],
        stdin=subprocess.DEVNULL,
        stdout=(folder / "output.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _children.append(process)
    node = Node(scripts=folder, home=folder, name="", port=port, distribution_port=0, password=password)
    (folder / "node.pid").write_text(str(process.pid))
    _wait(node._is_ready, lambda: process.poll() is not None, "`docker run rabbitmq:4` did not start a broker")
    return {"url": node.url, "pid": process.pid, "stop": signal.SIGTERM}


def _wait(is_so: Callable[[], bool], is_hopeless: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while not is_so():
        if is_hopeless() or time.monotonic() > until:
            raise NoBroker(otherwise)
        time.sleep(0.1)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> None:
    """Run a broker until interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="afterhello-rabbitmq-"))
    running = _start(folder)
    print(running["url"], flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        if running["pid"] is not None:
            os.kill(running["pid"], running["stop"])
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
