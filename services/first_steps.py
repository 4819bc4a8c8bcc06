"""What a newcomer finds ready: a source, a token, and one line to paste that makes mails come."""

import json
import os
import secrets
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import asyncpg

from services.intake import sources, tokens
from services.intake.providers import PROVIDERS
from shared import db, standalone
from shared.db import Connection
from shared.settings import Settings
from shared.signing import Box

OWNER: Final = "you@school.example"
MEETING: Final = {
    "owner": {"email": OWNER, "name": "You"},
    "contact": {"name": "Erin"},
    "event": {"name": "MassCUE 2026", "kind": "conference"},
    "promise": "send the rubric",
    "plan": "demo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A source whose submissions are taken, and a token that may look at what came of them."""

    url: str
    secret: str
    token: str


async def connect(
    config: Settings, *, name: str, provider: str, plan: str, secret: str | None = None, owner: str | None = None
) -> Connected:
    """Add a source and a token (of this owner's data alone) of one name, or of a longer one when that is taken."""
    assert config.database_url is not None
    path, token = sources.new_path(), f"ah_{secrets.token_urlsafe(24)}"
    secret = secret or PROVIDERS[provider].new_secret() or ""
    async with db.connect(config.database_url.get_secret_value(), schema="intake") as conn:
        while True:
            try:
                async with conn.transaction():
                    await sources.add_source(
                        conn,
                        Box(config.secret_key),
                        provider=provider,
                        name=name,
                        path=path,
                        secret=secret,
                        mapping={},
                        fixed={},
                        plan=plan,
                    )
                    await tokens.add_token(conn, name=name, text=token, owner=owner)
                break
            except asyncpg.UniqueViolationError:
                name = f"{name} {secrets.token_hex(2)}"
    return Connected(url=f"{config.public_url}/hooks/{path}", secret=secret, token=token)


async def welcome(config: Settings, *, has_mailbox: bool) -> str:
    """Return what `afterhello run` prints once it is ready: where everything is, and what to try."""
    lines = [
        f"Afterhello is ready at {config.public_url} (data in {config.data_dir}; Ctrl-C stops it)",
        "",
    ]
    if has_mailbox:
        first = await _first(config)
        lines += [
            f"  mailbox  {config.public_url}/mailbox",
            f"  hook     {first.url}",
            f"           (source `try`: Standard Webhooks, secret {first.secret})",
            "",
            "To try it, paste this line into another terminal. Three mails come within 15 seconds:",
            "",
            f"  {_line(config, first.token)}",
            "",
        ]
    else:
        lines += [
            f"  API      {config.public_url}/api/v1/meetings  (`{_program(config)} token add NAME` lets somebody in)",
            "",
        ]
    lines += [
        "To connect a form of your own (this prints the URL to paste into it, and the secret):",
        "",
        f'  {_program(config)} source add typeform "Sign-up" --plan conference',
    ]
    return "\n".join(lines)


async def _first(config: Settings) -> Connected:
    """The source and the token of this installation's first start, as long as they are good."""
    path = config.data_dir / "first-steps.json"
    assert config.database_url is not None
    if found := _read(path):
        async with db.connect(config.database_url.get_secret_value(), schema="intake") as conn:
            if await _is_good(conn, found):
                hook = found.url.rpartition("/hooks/")[2]
                return Connected(url=f"{config.public_url}/hooks/{hook}", secret=found.secret, token=found.token)
    made = await connect(config, name="try", provider="standard", plan="demo", owner=OWNER)
    standalone.write(path, json.dumps(asdict(made), indent=2))
    return made


def _read(path: Path) -> Connected | None:
    try:
        return Connected(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


async def _is_good(conn: Connection, found: Connected) -> bool:
    hook = found.url.rpartition("/hooks/")[2]
    return await sources.reach(conn, hook) is not None and await tokens.find_token(conn, found.token) is not None


def _program(config: Settings) -> str:
    """How a person in the same folder calls us, with what leads to this installation."""
    name = "afterhello" if shutil.which("afterhello") else os.path.relpath(sys.argv[0])
    return name if config.data_dir == Path("var") else f"DATA_DIR={shlex.quote(str(config.data_dir))} {name}"


def _line(config: Settings, token: str) -> str:
    return (
        f"curl -sS {config.public_url}/api/v1/meetings -H 'Authorization: Bearer {token}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(MEETING, separators=(',', ':'))}'"
    )
