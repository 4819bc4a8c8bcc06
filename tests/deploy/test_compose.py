"""What docker-compose.yml, .env and the broker's start promise, as far as it can be seen without containers."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from shared.bus import CONSUMERS
from shared.db import SCHEMAS
from shared.settings import Settings

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("intake", "scheduler", "notifier", "migrate")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """What `make env` would write."""
    with (ROOT / "deploy" / "env.example").open() as example:
        made = subprocess.run(
            ["sh", str(ROOT / "deploy" / "make-env.sh")], stdin=example, capture_output=True, text=True, check=True
        )
    lines = [line for line in made.stdout.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_only_intake_and_the_mail_catcher_are_published_and_only_here(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"intake": ["127.0.0.1:${PORT:-8080}:8080"], "mailpit": ["127.0.0.1:8025:8025"]}


def test_every_service_is_watched_and_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["healthcheck"].get("test") or name == "migrate"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"] and service["pids_limit"]
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
        assert "privileged" not in service and not any(
            "docker.sock" in str(mount) for mount in service.get("volumes", ())
        )


def test_database_and_broker_are_out_of_reach_from_outside(compose: dict[str, Any]) -> None:
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "rabbitmq", "scheduler", "migrate"):
        assert compose["services"][name]["networks"] == ["inside"]


def test_our_services_have_time_to_stop(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["stop_grace_period"] == "60s"
        assert compose["services"][name]["init"] is True


def test_each_of_our_services_sees_its_own_secrets_alone(compose: dict[str, Any], env: dict[str, str]) -> None:
    passwords = {name for name in env if name.endswith("PASSWORD")}
    for name in OURS:
        service = compose["services"][name]
        assert service["env_file"] == ".env"
        assert all(service["environment"][password] == "" for password in passwords)
        role = "owner" if name == "migrate" else name
        assert f"afterhello_{role}:" in service["environment"]["DATABASE_URL"]
        assert f"afterhello_{role}:" in service["environment"]["AMQP_URL"]
    for name in ("scheduler", "migrate"):
        assert compose["services"][name]["environment"]["SECRET_KEY"] == ""
    for name in ("intake", "scheduler", "migrate"):
        for key in ("SMTP_URL", "DKIM_KEY", "DKIM_KEY_FILE"):
            assert compose["services"][name]["environment"][key] == ""
    for name in ("scheduler", "notifier", "migrate"):
        for key in ("INBOUND_KEY", "MAILGUN_SIGNING_KEY"):
            assert compose["services"][name]["environment"][key] == ""


def test_the_environment_that_is_made_is_complete_and_fresh(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [value for name, value in env.items() if name.endswith(("PASSWORD", "KEY"))]
    assert len(secrets) == len(set(secrets)) == 7
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert Settings().mail_from == "Afterhello <hello@afterhello.example>"


def test_the_example_names_every_setting() -> None:
    text = (ROOT / "deploy" / "env.example").read_text()
    missing = [name for name in Settings.model_fields if not re.search(rf"\b{name.upper()}\b", text)]
    assert missing == []


def test_every_schema_has_its_grants() -> None:
    text = (ROOT / "deploy" / "postgres.sql").read_text()
    for schema in SCHEMAS:
        assert f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION afterhello_owner;" in text
    for line in re.findall(r"^GRANT USAGE ON SCHEMA .*$", text, re.MULTILINE):
        schema, roles = re.fullmatch(r"GRANT USAGE ON SCHEMA (\w+) TO (.*);", line).groups()  # type: ignore[union-attr]
        expected = "afterhello_intake, afterhello_notifier" if schema == "stops" else f"afterhello_{schema}"
        assert roles == expected


@pytest.fixture
def definitions(tmp_path: Path) -> Any:
    """What the broker is told at its start, with a server that only shows it."""
    (tmp_path / "docker-entrypoint.sh").write_text("#!/bin/sh\ncat definitions.json\n")
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    script = (ROOT / "deploy/rabbitmq/start.sh").read_text().replace("/tmp/definitions.json", "definitions.json")

    def start(prefix: str, password: str = "secret") -> Any:
        passwords = {f"{role}_PASSWORD": password for role in ("OWNER", "INTAKE", "SCHEDULER", "NOTIFIER")}
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BUS_PREFIX": prefix, **passwords}
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return start


@pytest.mark.parametrize("prefix", ["afterhello", "school.two"])
def test_each_service_may_only_publish_and_read_its_own_queues(definitions: Any, prefix: str) -> None:
    permissions = {entry["user"]: entry for entry in definitions(prefix)["permissions"]}
    queues = [f"{prefix}.{service}{dead}" for service in CONSUMERS for dead in ("", ".dead")]
    names = [prefix, f"{prefix}.dead", *queues, prefix.replace(".", "x"), "amq.default", ""]

    def allowed(user: str, verb: str) -> set[str]:
        return {name for name in names if re.search(permissions[user][verb], name)}

    assert allowed("afterhello_owner", "configure") == {prefix, f"{prefix}.dead", *queues}
    for service in CONSUMERS:
        assert allowed(f"afterhello_{service}", "configure") == {""}
        assert allowed(f"afterhello_{service}", "write") == {prefix}
        assert allowed(f"afterhello_{service}", "read") == {f"{prefix}.{service}", f"{prefix}.{service}.dead"}


def test_a_password_that_would_break_addresses_is_refused(definitions: Any) -> None:
    for bad in ("", 'a"b', "a@b", "a b"):
        assert "password must be of letters" in definitions("afterhello", bad)


def test_what_an_image_is_built_from_is_let_through_to_the_builder() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    copied = [
        source
        for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
        for source in sources.split()
        if not source.startswith("--")
    ]
    assert "deploy/requirements-extras.txt" in copied
    assert set(copied) <= let_through
