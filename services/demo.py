"""`afterhello demo`: the main job from end to end, in a temporary folder, in half a minute."""

import asyncio
import json
import secrets
import tempfile
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import SecretStr

from services import first_steps, typeform_response
from services.mailbox import Mail, Mailbox
from services.together import Together, everything, free_port
from shared import log as logs
from shared import settings
from shared.command import Failed
from shared.settings import Settings

MAIL_WITHIN_SECONDS: Final = 60.0
LOOK_EVERY_SECONDS: Final = 0.1


def demo() -> None:
    """Watch one form submission become three mails: half a minute, nothing to set up, nothing left behind.

    \b
    Starts a database, the three services and a mail server on free ports in a temporary folder, posts a signed
    Typeform submission, and shows each state and each mail as it comes. Settings of the environment are not used.
    Exit status: 0 when every mail arrived exactly once, else 1 and what is missing.
    """
    logs.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="afterhello-demo-") as folder:
        # Root's PostgreSQL runs as a user of its own, who has to get through to its files.
        Path(folder).chmod(0o711)
        asyncio.run(_demo(Path(folder)))


async def _demo(folder: Path) -> None:
    began = time.monotonic()
    print("Starting PostgreSQL, intake, scheduler, notifier and a mail server ...", flush=True)
    async with everything(_settings(folder)) as together:
        print(f"ready after {time.monotonic() - began:.1f} s\n", flush=True)
        connected = await first_steps.connect(
            together.config, name="Sign-up", provider="typeform", plan="demo", secret=secrets.token_urlsafe(24)
        )
        async with aiohttp.ClientSession() as client:
            await _follow(client, together, connected)


async def _follow(client: aiohttp.ClientSession, together: Together, connected: first_steps.Connected) -> None:
    assert together.mailbox is not None
    print("Ada met somebody and fills in her form:")
    for question, words in typeform_response.ANSWERS.items():
        print(f"    {question:<22} {words}")
    body = typeform_response.body(datetime.now(UTC))
    status, answer = await _post(client, connected, body)
    if status != 202:
        raise Failed(f"the submission was answered {status}: {json.dumps(answer)}")
    print(f"POST /hooks/..., signed as Typeform does: {status}, meeting {answer['meetings'][0]}")
    again, same = await _post(client, connected, body)
    print(f"The same once more, as senders do:        {again}, {'the same meeting' if same == answer else same}\n")
    if (again, same) != (200, answer):
        raise Failed("the same submission was not recognised")
    clock = time.monotonic()
    mails = await _watch(client, together, connected, answer["meetings"][0], clock)
    print("The mails, as they came by SMTP:")
    for number, mail in enumerate(mails, 1):
        print(f"\n--- {number} of {len(mails)} " + "-" * 60)
        print(f"From: {mail.sender}\nTo: {mail.to}\nSubject: {mail.subject}\n")
        print(textwrap.indent(mail.text.strip(), "    "))
    print(f"\nDone: {len(mails)} of {len(mails)} mails, none twice. Now for yourself: afterhello run")


async def _watch(
    client: aiohttp.ClientSession, together: Together, connected: first_steps.Connected, meeting: str, clock: float
) -> list[Mail]:
    """Print each change of the meeting's follow-ups and each mail, until every one has come; return the mails."""
    assert together.mailbox is not None
    seen: dict[str, str] = {}
    arrived = 0
    deadline = time.monotonic() + MAIL_WITHIN_SECONDS
    while True:
        if together.ended.done():
            together.ended.result()
        follow_ups = await _follow_ups(client, together.config, connected, meeting)
        for follow_up in follow_ups:
            now = _in_words(follow_up)
            if seen.get(follow_up["id"]) != now:
                seen[follow_up["id"]] = now
                print(f"  {time.monotonic() - clock:5.1f} s  {follow_up['step']}. {now}", flush=True)
        ids = await asyncio.to_thread(together.mailbox.ids)
        if len(ids) > arrived:
            arrived = len(ids)
            deadline = time.monotonic() + MAIL_WITHIN_SECONDS
            print(f"  {time.monotonic() - clock:5.1f} s     mail {arrived} is in the mailbox", flush=True)
        ended = [follow_up for follow_up in follow_ups if _has_ended(follow_up)]
        if follow_ups and len(ended) == len(follow_ups):
            break
        if time.monotonic() > deadline:
            missing = next((f for f in follow_ups if not _has_ended(f)), None)
            says = f"step {missing['step']}: {_in_words(missing)}" if missing else "the meeting has no follow-ups"
            raise Failed(f"mail {arrived + 1} did not arrive within {MAIL_WITHIN_SECONDS:.0f} s; {says}")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    print()
    mails = await _read(together.mailbox)
    failed = [_in_words(f) for f in follow_ups if (f["nudge"] or {}).get("state") != "sent"]
    if failed or len(mails) != len(follow_ups):
        raise Failed(f"{len(mails)} mails arrived for {len(follow_ups)} follow-ups: {'; '.join(failed) or 'all sent'}")
    return mails


async def _read(mailbox: Mailbox) -> list[Mail]:
    ids = await asyncio.to_thread(mailbox.ids)
    return await asyncio.to_thread(mailbox.read, ids[::-1])


def _has_ended(follow_up: dict[str, Any]) -> bool:
    nudge = follow_up["nudge"]
    if follow_up["state"] == "nudged":
        return nudge is not None and nudge["state"] != "queued"
    return bool(follow_up["state"] != "waiting")


def _in_words(follow_up: dict[str, Any]) -> str:
    nudge = follow_up["nudge"]
    words = f"{follow_up['playbook']:<14} {follow_up['state']}"
    if follow_up["state"] == "waiting":
        words += f" until {datetime.fromisoformat(follow_up['due_at']).astimezone(UTC):%H:%M:%S} UTC"
    if follow_up["reason"]:
        words += f" ({follow_up['reason']})"
    if nudge:
        words += f", nudge {nudge['state']}" + (f" ({nudge['reason']})" if nudge["reason"] else "")
    return words


async def _post(
    client: aiohttp.ClientSession, connected: first_steps.Connected, body: bytes
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", **typeform_response.signature(body, connected.secret)}
    async with client.post(connected.url, data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def _follow_ups(
    client: aiohttp.ClientSession, config: Settings, connected: first_steps.Connected, meeting: str
) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {connected.token}"}
    async with client.get(f"{config.public_url}/api/v1/meetings/{meeting}", headers=headers) as answer:
        if answer.status != 200:
            raise Failed(f"GET /api/v1/meetings/{meeting} was answered {answer.status}: {await answer.text()}")
        found: list[dict[str, Any]] = (await answer.json())["follow_ups"]
        return found


def _settings(folder: Path) -> Settings:
    """Everything of our own: a demo must not touch the database, broker or mail server that the environment names."""
    own: dict[str, Any] = dict.fromkeys(("database_url", "amqp_url", "smtp_url", "mail_from", "plans_dir"))
    own |= {"data_dir": folder, "host": "127.0.0.1", "secret_key": (SecretStr(secrets.token_hex(32)),)}
    port = free_port(settings.read(**own, port=0, public_url=None))
    return settings.read(**own, port=port, public_url=f"http://127.0.0.1:{port}")
