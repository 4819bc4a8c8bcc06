"""What `afterhello run` keeps under DATA_DIR, and who finds it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shared import standalone
from shared.settings import SettingsError
from shared.standalone import AlreadyRunning, Running

HERE = Running(
    pid=os.getpid(),
    public_url="http://127.0.0.1:9000",
    database_url="postgresql://postgres@/afterhello?host=/somewhere",
    smtp_url="smtp://127.0.0.1:2525?starttls=0",
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("DATABASE_URL", "AMQP_URL", "SMTP_URL", "PUBLIC_URL", "SECRET_KEY", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_key_is_made_once_and_only_its_owner_can_read_it(empty_environment: Path) -> None:
    first = standalone.read("secret_key").secret_key
    second = standalone.read("secret_key").secret_key

    assert first == second
    assert len(first[0].get_secret_value()) == 64
    assert stat.S_IMODE((empty_environment / "secret_key").stat().st_mode) == 0o600


def test_processes_that_make_the_key_at_once_agree_on_one(empty_environment: Path) -> None:
    code = "from shared import standalone; print(standalone.read('secret_key').secret_key[0].get_secret_value())"
    making = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]

    keys = {process.communicate()[0].strip() for process in making}

    assert len(keys) == 1 and len(keys.pop()) == 64
    assert [file.name for file in empty_environment.iterdir()] == ["secret_key"]


def test_a_key_of_the_environment_wins_and_none_is_made(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 40)

    assert standalone.read("secret_key").secret_key[0].get_secret_value() == "k" * 40
    assert not empty_environment.exists()


def test_with_a_database_of_the_operator_a_missing_key_is_an_error_and_not_made(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/afterhello")

    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        standalone.read("secret_key")
    assert not empty_environment.exists()


def test_a_command_finds_the_running_installation(empty_environment: Path) -> None:
    assert standalone.find(empty_environment) is None
    with standalone.hold(empty_environment):
        assert standalone.find(empty_environment) is None
        standalone.announce(empty_environment, HERE)

        assert standalone.find(empty_environment) == HERE
        config = standalone.read()
        assert config.public_url == HERE.public_url
        assert config.database_url is not None and config.database_url.get_secret_value() == HERE.database_url
        assert stat.S_IMODE((empty_environment / "run.json").stat().st_mode) == 0o600
    assert standalone.find(empty_environment) is None


def test_what_the_environment_says_wins_over_the_running_one(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://hello.school.example/")
    with standalone.hold(empty_environment):
        standalone.announce(empty_environment, HERE)
        assert standalone.read().public_url == "https://hello.school.example"


def test_a_second_run_on_the_same_folder_is_refused_and_told_where_the_first_is(empty_environment: Path) -> None:
    with standalone.hold(empty_environment):
        standalone.announce(empty_environment, HERE)
        told = rf"at {HERE.public_url} \(process {HERE.pid}\)"
        with pytest.raises(AlreadyRunning, match=told), standalone.hold(empty_environment):
            pass
    with standalone.hold(empty_environment):
        pass


def test_a_command_that_looks_does_not_keep_a_run_from_starting(empty_environment: Path) -> None:
    empty_environment.mkdir()
    with (empty_environment / "run.lock").open("a") as file:
        assert standalone._lock(file.fileno(), shared=True)
        looking = subprocess.Popen(["sleep", "0.2"], pass_fds=(file.fileno(),))
    with standalone.hold(empty_environment):
        assert looking.wait() == 0


def test_the_record_of_a_killed_run_is_not_believed(empty_environment: Path) -> None:
    code = (
        "import os; from pathlib import Path; from shared import standalone;"
        f"folder = Path({str(empty_environment)!r}); hold = standalone.hold(folder); hold.__enter__();"
        f"standalone.announce(folder, standalone.{HERE!r}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (empty_environment / "run.json").exists()

    assert standalone.find(empty_environment) is None
    assert standalone.read().public_url == "http://127.0.0.1:8080"
    with standalone.hold(empty_environment):
        assert standalone.find(empty_environment) is None


def test_a_folder_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "file" / "data"))

    with pytest.raises(SettingsError, match="DATA_DIR"):
        standalone.read("secret_key")


def test_a_broken_key_file_is_named(empty_environment: Path) -> None:
    empty_environment.mkdir()
    (empty_environment / "secret_key").write_text("short")

    with pytest.raises(SettingsError, match="holds no key"):
        standalone.read("secret_key")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
    ],
)
def test_the_address_is_one_at_which_something_listens(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("HOST", host)
    assert standalone.read().public_url == url
