"""What `afterhello run` keeps under DATA_DIR, so that every command there finds the same installation."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from pydantic import SecretStr

from shared import setting_values, settings
from shared.settings import Settings, SettingsError

DEFAULT_PORT: Final = 8080
PATIENCE_SECONDS: Final = 1.0  # a command that looks whether we run holds the lock for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where the parts of the `afterhello run` on this DATA_DIR are."""

    pid: int
    public_url: str
    database_url: str
    smtp_url: str


class AlreadyRunning(Exception):
    """Another `afterhello run` has this DATA_DIR; the message says which, and what to do."""


def read(*required: str, make_key: bool = False, **given: Any) -> Settings:
    """Return the settings, completed with what the `afterhello run` on the same DATA_DIR uses.

    The environment wins. Where it says nothing, the address and the database are those of the running one; the key is
    the one kept under DATA_DIR, made when there is none and the database is ours too (or `make_key`). Raises
    `SettingsError`, one line, for the first that is wrong, or of `required` (field names) missing.
    """
    config = settings.read(**given)
    ours = config.database_url is None
    running = find(config.data_dir)
    found: dict[str, Any] = {}
    if not config.secret_key and (ours or make_key or _key_file(config.data_dir).exists()):
        found["secret_key"] = (SecretStr(_kept_key(config.data_dir)),)
    if config.public_url is None and (running or ours):
        found["public_url"] = running.public_url if running else _address(config)
    if config.database_url is None and running:
        found["database_url"] = SecretStr(running.database_url)
    config = config.model_copy(update=found)
    for name in required:
        if name != "database_url" and not getattr(config, name):  # without one, the embedded database is meant
            raise SettingsError(f"{name.upper()} is not set: set it, or {name.upper()}_FILE, in the environment")
    return config


def _address(config: Settings) -> str:
    """How a browser on this machine reaches what listens on HOST: on any address also on this machine's own."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{config.port or DEFAULT_PORT}"


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Keep this DATA_DIR for ourselves; raises `AlreadyRunning` when another `afterhello run` has it."""
    _make_folder(data_dir)
    with _open_lock(data_dir) as file:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _lock(file.fileno()):
            if time.monotonic() > deadline:
                running = _read_record(data_dir)
                where = f" at {running.public_url} (process {running.pid})" if running else ""
                raise AlreadyRunning(
                    f"`afterhello run` already has {data_dir}{where}: stop it first, or name another --data-dir"
                )
            time.sleep(0.05)
        _record_file(data_dir).unlink(missing_ok=True)  # of one that was killed
        try:
            yield
        finally:
            _record_file(data_dir).unlink(missing_ok=True)


def announce(data_dir: Path, running: Running) -> None:
    """Let commands find us; only whoever holds the DATA_DIR may."""
    write(_record_file(data_dir), json.dumps(asdict(running), indent=2))


def find(data_dir: Path) -> Running | None:
    """Return where the parts of the `afterhello run` on this DATA_DIR are, if one is running."""
    try:
        with (data_dir / "run.lock").open("r") as file:
            # A record may outlive a killed process; the lock cannot.
            return None if _lock(file.fileno(), shared=True) else _read_record(data_dir)
    except OSError:
        return None


def write(path: Path, text: str) -> None:
    """Replace the file as a whole, readable for its owner alone."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _kept_key(data_dir: Path) -> str:
    path = _key_file(data_dir)
    try:
        if not path.exists():
            _make_folder(data_dir)
            ours = path.with_suffix(f".{os.getpid()}")
            write(ours, secrets.token_hex(32))
            with suppress(FileExistsError):  # somebody made it meanwhile: theirs counts
                os.link(ours, path)
            ours.unlink()
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"SECRET_KEY is not set, and {path} cannot be used: {error.strerror}") from error
    if len(key) < setting_values.SECRET_BYTES:
        raise SettingsError(f"SECRET_KEY is not set, and {path} holds no key: delete the file to have one made")
    return key


def _make_folder(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DATA_DIR: {data_dir} cannot be made: {(error.strerror or str(error)).lower()}") from error


def _open_lock(data_dir: Path) -> TextIO:
    try:
        return (data_dir / "run.lock").open("a", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"DATA_DIR: {data_dir} cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error


def _read_record(data_dir: Path) -> Running | None:
    try:
        return Running(**json.loads(_record_file(data_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # not written yet, or of another version


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _key_file(data_dir: Path) -> Path:
    return data_dir / "secret_key"


def _record_file(data_dir: Path) -> Path:
    return data_dir / "run.json"
