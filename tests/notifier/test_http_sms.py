"""Texts through a gateway by its address."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web

from services.notifier.channels.http_sms import gateway
from services.notifier.channels.sms import open_sms
from shared.db import Pool
from shared.settings import Settings, SettingsError
from tests.factories import contact, due_follow_up
from tests.notifier.sending import LINKS, MINUTE, attempts, state
from tests.notifier.texting import PHONE, queued, texter


class GatewayServer:
    """Any gateway: takes what comes, or answers with a status."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.text = "queued"
        self.base = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        body: Any = await request.json() if request.content_type == "application/json" else dict(await request.post())
        self.got.append(
            {
                "method": request.method,
                "raw": request.raw_path,
                "path": request.path,
                "query": dict(request.query),
                "body": body,
                "proof": request.headers.get("Authorization"),
            }
        )
        if self.status == 0:
            assert request.transport is not None
            request.transport.abort()
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status or 500, text=self.text, headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[GatewayServer]:
    server = GatewayServer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{site.port}"
    yield server
    await runner.cleanup()


async def test_the_address_is_filled_in_and_every_value_encoded(notifier_pool: Pool, server: GatewayServer) -> None:
    follow_up = due_follow_up(contact=contact(name="Ren & Stimpy #1? 100% {id}"))
    due = await queued(notifier_pool, follow_ups=(follow_up,))
    notifier = texter(notifier_pool, f"{server.base}/send/{{to}}?text={{text}}&ref={{id}}&key=a%20secret")
    await notifier.work()
    await notifier.close()

    [got] = server.got
    assert (got["method"], got["path"]) == ("GET", f"/send/{PHONE}") and "%2B15085550123" in got["raw"]
    assert got["query"]["ref"] == due.data.nudge.hex and got["query"]["key"] == "a secret"
    assert "Ren & Stimpy #1? 100% {id}" in got["query"]["text"] and LINKS.short(due.data.nudge) in got["query"]["text"]
    assert await state(notifier_pool, due.data) == ("sent", None)


@pytest.mark.parametrize("way", ["post", "json"])
async def test_it_may_be_posted(notifier_pool: Pool, server: GatewayServer, way: str) -> None:
    await queued(notifier_pool)
    url = server.base.replace("http://", "http://me%40school:pass%3Aword@") + f"/v1?to={{to}}&body={{text}}#{way}"
    notifier = texter(notifier_pool, url)
    await notifier.work()
    await notifier.close()
    [got] = server.got
    assert (got["method"], got["raw"], got["body"]["to"]) == ("POST", "/v1", PHONE)
    assert got["body"]["body"].startswith("Afterhello") and got["proof"] == encode_basic_auth("me@school", "pass:word")


@pytest.mark.parametrize(
    ("status", "outcome", "ends"),
    [
        (202, "sent", "sent"),
        (400, "refused", "failed"),
        (404, "refused", "failed"),
        (302, "held", "queued"),
        (401, "held", "queued"),
        (429, "held", "queued"),
        (500, "deferred", "queued"),
        (503, "deferred", "queued"),
        (502, "unknown", "failed"),
        (504, "unknown", "failed"),
        (0, "unknown", "failed"),
    ],
)
async def test_what_its_answers_mean(
    notifier_pool: Pool, server: GatewayServer, status: int, outcome: str, ends: str
) -> None:
    due = await queued(notifier_pool)
    server.status = status
    notifier = texter(notifier_pool, f"{server.base}/?to={{to}}&text={{text}}")
    await notifier.work()
    notifier.clock.ahead = 3 * MINUTE / 60
    await notifier.work()
    await notifier.close()
    assert await attempts(notifier_pool, due.data) == [outcome]
    assert (await state(notifier_pool, due.data))[0] == ends
    assert len(server.got) == 1  # without an answer it is not known to be untaken, and never sent again


async def test_after_its_own_error_it_is_tried_again(notifier_pool: Pool, server: GatewayServer) -> None:
    due = await queued(notifier_pool)
    server.status = 503
    notifier = texter(notifier_pool, f"{server.base}/?to={{to}}&text={{text}}&id={{id}}")
    await notifier.work()
    server.status = 200
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("sent", None)
    assert len({got["query"]["id"] for got in server.got}) == 1


async def test_killed_during_the_request_it_is_not_sent_again(notifier_pool: Pool, server: GatewayServer) -> None:
    due = await queued(notifier_pool)
    url = f"{server.base}/?to={{to}}&text={{text}}"
    first, second = texter(notifier_pool, url), texter(notifier_pool, url)
    server.status = 0
    await first.deliveries.step()
    for task in list(first.deliveries._sending.values()):
        await task
    await first.die()  # never recorded
    server.status = 200
    second.clock.ahead = 2 * MINUTE
    await second.work()
    for notifier in (first, second):
        await notifier.close()
    assert await state(notifier_pool, due.data) == ("failed", "unknown") and len(server.got) == 1


async def test_a_secret_that_an_error_repeats_is_not_kept(notifier_pool: Pool, server: GatewayServer) -> None:
    await queued(notifier_pool)
    server.status, server.text = 400, "unknown key hunter2hunter2"
    notifier = texter(notifier_pool, f"{server.base}/?to={{to}}&text={{text}}&key=hunter2hunter2")
    await notifier.work()
    await notifier.close()
    assert await notifier_pool.fetchval("SELECT reply FROM attempts") == "400 unknown key ***"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://gateway.example/send?to={to}", "needs {to} and {text}"),
        ("https://gateway.example/send?to={to}&text={text}&x={name}", "{name} is none of"),
        ("https://{to}.example/?text={text}", "needs the gateway's address"),
        ("https://gateway.example/?to={to}&text={text}#put", "may end in #post or #json"),
        ("https://gateway.example/{to}/{text}#post", "needs what it posts"),
        ("twilio://AC0@+15085550100", "needs twilio://SID:TOKEN@"),
        ("twilio://SK0:secret@+15085550100", "the account SID begins with AC"),
        ("twilio://AC0:secret@Afterhello", "behind the @ belongs the sender"),
        ("twilio://AC0:secret@+15085550100/x", "behind the @ belongs the sender"),
        ("twilio://AC0:secret@+15085550100?region=de", "there is no option but ?api="),
        ("twilio://AC0:secret@+15085550100?api=ftp://x", "?api= must be a web address"),
    ],
)
def test_a_wrong_one_is_refused_in_words_that_repeat_no_secret(url: str, words: str) -> None:
    config = Settings(sms_url=url, public_url="https://hello.school.example", secret_key="k" * 32)
    with pytest.raises(SettingsError) as refused:
        open_sms(config)
    assert words in str(refused.value) and str(refused.value).startswith("SMS_URL: ") and "secret" not in str(refused)


def test_what_it_needs_is_read() -> None:
    read = gateway("https://me:p%40ss@gateway.example:8443/send?to={to}&text={text}#json")
    assert (read.template, read.way) == ("https://gateway.example:8443/send?to={to}&text={text}", "json")
    assert (read.user, read.password) == ("me", "p@ss")
