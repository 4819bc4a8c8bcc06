"""Texts from end to end: a number is enough, what goes out is one part with a link, and STOP ends it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.notifier.text_message import parts
from tests.servers import postgres
from tests.servers.installation import STEPS, Installation, in_one_process
from tests.servers.twilio import CUT_AFTER_ACCEPT, TwilioServer, twilio_server
from tests.servers.waiting import until


@pytest.fixture(scope="module")
async def vendor() -> AsyncIterator[TwilioServer]:
    async with twilio_server() as server:
        yield server


@pytest.fixture(scope="module")
async def installation(
    servers: Path, keys: tuple[SecretStr, ...], vendor: TwilioServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    async with (
        postgres.fresh_database(postgres.server(servers), postgres.template(servers)) as database_url,
        in_one_process(database_url, folder, keys, sms_url=SecretStr(vendor.url)) as one,
    ):
        yield one


async def log(installation: Installation, phone: str) -> tuple[dict[str, str], str]:
    """Log a meeting of somebody with this number alone; return a token's headers and the meeting's id."""
    headers = {"Authorization": f"Bearer {(await installation.connect()).token}"}
    body = {
        "owner": {"phone": phone, "channel": "sms", "name": "Ada"},
        "contact": {"name": "Erin"},
        "event": {"name": "MassCUE 2026"},
        "notes": "her son is in grade four",
        "promise": "send the rubric",
        "plan": "quick",
    }
    url = f"{installation.config.public_url}/api/v1/meetings"
    async with installation.client.post(url, json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        return headers, (await answer.json())["meetings"][0]["id"]


async def nudges(installation: Installation, headers: dict[str, str], meeting: str) -> list[str]:
    url = f"{installation.config.public_url}/api/v1/meetings/{meeting}"
    async with installation.client.get(url, headers=headers) as answer:
        shown: dict[str, Any] = await answer.json()
    return [(one["nudge"] or {"state": one["state"]})["state"] for one in shown["follow_ups"]]


def to(vendor: TwilioServer, phone: str) -> list[int]:
    return [n for n, message in enumerate(vendor.messages) if message["to"] == phone]


async def test_a_number_is_enough_and_reports_are_believed(installation: Installation, vendor: TwilioServer) -> None:
    phone = "+15085550123"
    headers, meeting = await log(installation, phone)
    await until(lambda: len(to(vendor, phone)) == STEPS, seconds=40)

    texts = [vendor.messages[n]["body"] for n in to(vendor, phone)]
    assert all(parts(text) == 1 and text.startswith("Afterhello: ") for text in texts)
    assert not any("grade" in text or "rubric" in text for text in texts)
    assert ["STOP" in text for text in texts] == [True, False, False]
    async with aiohttp.ClientSession() as client:
        for n in to(vendor, phone):
            vendor.becomes("delivered", n=n)
            assert await vendor.report(client, n=n, token="somebody else's") == 401
            assert await vendor.report(client, n=n) == 200

    async def are_delivered() -> bool:
        return await nudges(installation, headers, meeting) == ["delivered"] * STEPS

    await until(are_delivered, seconds=40)
    for text in texts:
        [link] = re.findall(r"http://\S+/s/[A-Za-z0-9_-]{10}", text)
        async with installation.client.get(link) as page:
            assert page.status == 200 and "Erin" in await page.text()


async def test_a_connection_that_is_cut_makes_no_second_text(installation: Installation, vendor: TwilioServer) -> None:
    phone = "+15085550124"
    vendor.answer("send", CUT_AFTER_ACCEPT)
    headers, meeting = await log(installation, phone)

    async def are_sent() -> bool:
        return await nudges(installation, headers, meeting) == ["sent"] * STEPS

    await until(are_sent, seconds=60)
    assert len(to(vendor, phone)) == STEPS and "list" in vendor.requests
