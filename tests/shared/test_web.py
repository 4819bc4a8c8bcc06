"""Whatever arrives over HTTP: the strict reader, problems, headers, the log line."""

import asyncio
import gzip
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from aiohttp import web
from jinja2 import UndefinedError
from structlog.testing import capture_logs

from shared import body
from shared.web import FORM, JSON, Pages, Problem, application, read_body, read_form, read_json, runner

BOMB = gzip.compress(bytes(200 * 1024 * 1024))  # 200 KB
CHUNKED = b"POST /json/x HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
NESTED = b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Server(NamedTuple):
    """An application with one route of every kind."""

    port: int

    async def send(self, request: bytes) -> Answer:
        """Send these very bytes and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(5):
                head = ["HTTP/1.1 100"]
                while " 100" in head[0]:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                content = await reader.readexactly(int(headers.get("content-length", "0")))
            return Answer(int(head[0].split()[1]), headers, content)
        finally:
            writer.close()

    async def post(self, content: bytes, *headers: str, path: str = "/json/secret-token") -> Answer:
        """Post these bytes with their length, by default as JSON; a header given again replaces the default one."""
        names = {header.split(":")[0].lower() for header in headers}
        own = [f"Content-Length: {len(content)}", "Content-Type: application/json", "Host: here"]
        lines = [*(header for header in own if header.split(":")[0].lower() not in names), *headers]
        return await self.send(
            f"POST {path} HTTP/1.1\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + content
        )

    async def get(self, path: str, method: str = "GET") -> Answer:
        return await self.send(f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())


async def echo_json(request: web.Request) -> web.Response:
    return web.json_response(read_json(await read_body(request, types=JSON)))


async def echo_form(request: web.Request) -> web.Response:
    return web.json_response(await read_form(request))


async def fail(request: web.Request) -> web.Response:
    raise {
        "bug": KeyError("ada@school.example"),
        "away": ConnectionRefusedError(),
        "restarting": asyncpg.CannotConnectNowError(),
        "bad-value": asyncpg.DataError("$1 is no date"),
        "slow": TimeoutError(),
        "redirect": web.HTTPSeeOther("/elsewhere"),
        "too-large": web.HTTPRequestEntityTooLarge(max_size=1),
        "problem": Problem(422, "No <b>", errors=[{"field": "contact.name", "problem": "is <script>&"}]),
        "huge": Problem(400, "x" * 9000, errors=[{"field": "f" * 900, "problem": "é" * 9000}] * 100),
    }[request.match_info["why"]]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = application()
    app.router.add_post("/json/{token}", echo_json)
    app.router.add_post("/form", echo_form)
    app.router.add_get("/fail/{why}", fail)
    running = runner(app, shutdown_timeout=1)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0)
    await site.start()
    yield Server(site.port)
    await running.cleanup()


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"a": 1}', []),
        (b' {"a": 1}\n', ["Content-Type: Application/JSON; charset=UTF-8"]),
        (b'{"a": 1}', ['Content-Type: application/json; charset="utf-8"']),
        (b'{"a": 1}', ["Content-Type: application/json; charset=utf-8; odd=charset"]),
        (b'{"a": 1}', ["Content-Encoding: identity"]),
        (gzip.compress(b'{"a": 1}', mtime=0), ["Content-Encoding: gzip"]),
        (gzip.compress(b'{"a":', mtime=0) + gzip.compress(b" 1}", mtime=0), ["Content-Encoding: GZIP"]),
        (b'{"a": 1}', ["Expect: 100-continue"]),
    ],
)
async def test_what_is_in_order_is_read(server: Server, content: bytes, headers: list[str]) -> None:
    answer = await server.post(content, *headers)
    assert (answer.status, json.loads(answer.body)) == (200, {"a": 1})


async def test_a_body_in_chunks_is_read(server: Server) -> None:
    answer = await server.send(CHUNKED + b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
    assert (answer.status, json.loads(answer.body)) == (200, {"a": 1})


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        # what kind of body
        (415, b"{}", ["Content-Type: text/plain"]),
        (415, b"{}", ["Content-Type: "]),
        (415, b"{}", ["Content-Type: application/json, text/plain"]),
        (415, b"{}", ["Content-Type: application/json; charset=utf-16"]),
        (415, b"{}", ["Content-Type: application/json; charset=no-such-thing"]),
        (415, b"{}", ["Content-Type: application/json; odd=1; charset=utf-16; odder=2"]),
        (415, b"{}", ["Content-Type: application/json; charset"]),
        (415, b"{}", ["Content-Type: multipart/form-data"]),
        (415, b"{}", ["Content-Encoding: br"]),
        (415, b"{}", ["Content-Encoding: deflate"]),
        (415, b"{}", ["Content-Encoding: gzip, gzip"]),
        (415, b"{}", ["Content-Encoding: gzip", "Content-Encoding: br"]),
        (415, b"{}", ["Content-Encoding: nonsense"]),
        # packed
        (400, b"{}", ["Content-Encoding: gzip"]),
        (400, gzip.compress(b'{"a": 1}', mtime=0)[:-3], ["Content-Encoding: gzip"]),
        (400, gzip.compress(b'{"a": 1}', mtime=0) + b"tail", ["Content-Encoding: gzip"]),
        (400, gzip.compress(b'{"a": 1}', mtime=0)[:-8] + bytes(8), ["Content-Encoding: gzip"]),
        (400, b"", ["Content-Encoding: gzip"]),
        (413, BOMB, ["Content-Encoding: gzip"]),
        # size
        (413, b'{"a":"' + b"x" * 262_144 + b'"}', []),
        # what is in it
        (400, b"", []),
        (400, b"   ", []),
        (400, b'\xef\xbb\xbf{"a": 1}', []),
        (400, '{"a": 1}'.encode("utf-16"), []),
        (400, '{"a": 1}'.encode("utf-16-le"), []),
        (400, '{"a": 1}'.encode("utf-32"), []),
        (400, b'{"a": "\xff"}', []),
        (400, b'{"a": "\xed\xa0\x80"}', []),  # a surrogate in UTF-8
        (400, b'{"a": "\xc0\x80"}', []),  # NUL, written too long
        (400, rb'{"a": "\ud800"}', []),
        (400, rb'{"\udfff": 1}', []),
        (400, rb'{"a": ["\u0000"]}', []),
        (400, rb'{"a\u0000": 1}', []),
        (400, b'{"a": "\0"}', []),
        (400, b"[]", []),
        (400, b'"text"', []),
        (400, b"null", []),
        (400, b"1", []),
        (400, b'{"a": 1, "a": 2}', []),
        (400, b'{"b": {"a": 1, "\\u0061": 2}}', []),
        (400, b'{"a": NaN}', []),
        (400, b'{"a": Infinity}', []),
        (400, b'{"a": -Infinity}', []),
        (400, b'{"a": 1e999}', []),
        (400, b'{"a": -1e999}', []),
        (400, b'{"a": ' + b"9" * 5000 + b"}", []),
        (400, b'{"a": 18446744073709551616}', []),
        (400, b'{"a": -9223372036854775809}', []),
        (400, b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", []),
        (400, b"[" * 250_000, []),
        (400, b'{"a":' * 50_000, []),
        (400, b'{"a": "' + b'\\"' * 130_000, []),
        (400, b'{"a": 1', []),
        (400, b'{"a": 1}}', []),
        (400, b"{'a': 1}", []),
        (400, b'{"a": 01}', []),
        (400, b'{"a": 1,}', []),
        (400, b"a=1", []),
    ],
)
async def test_a_bad_body_is_a_clear_4xx(server: Server, status: int, content: bytes, headers: list[str]) -> None:
    answer = await server.post(content, *headers)

    assert answer.status == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert len(answer.body) <= 4096
    document = json.loads(answer.body)
    assert document["status"] == status
    [error] = document["errors"]
    assert error["field"] == "body" and error["problem"]


async def test_thirty_two_levels_are_not_too_deep(server: Server) -> None:
    assert (await server.post(NESTED)).status == 200
    assert (await server.post(b'{"a": "' + b"[" * 100 + b'"}')).status == 200


async def test_a_bomb_takes_no_memory(server: Server) -> None:
    await server.post(BOMB, "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        answer = await server.post(BOMB, "Content-Encoding: gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 8 * 1024 * 1024


async def test_chunks_have_the_same_limit(server: Server) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    answer = await server.send(CHUNKED + chunk * 17)
    assert answer.status == 413


async def test_a_slow_body_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.1)
    answer = await server.send(
        b'POST /json/x HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"a":'
    )
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "request_bytes",
    [
        CHUNKED + b"ZZ\r\n{}\r\n",
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n") + b"0\r\n\r\n",
        b"POST /json/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /json/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /json/x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /json/x HTTP/1.1\r\nHost: h\r\nX: " + b"<script>" * 1100 + b"\r\n\r\n",
        b"POST /json/<script>\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"<script>alert(1)</script>\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_not_reflected(server: Server, request_bytes: bytes) -> None:
    answer = await server.send(request_bytes)

    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert len(answer.body) <= 4096
    assert b"script" not in answer.body


async def test_a_client_that_leaves_half_way_harms_nobody(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b'POST /json/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"a"'
    )
    await writer.drain()
    with capture_logs() as lines:
        writer.close()
        async with asyncio.timeout(5):
            while not lines:
                await server.get("/unknown")
    assert not [line for line in lines if line["log_level"] in {"warning", "error"}]


async def test_forms_are_read_strictly(server: Server) -> None:
    kind = f"Content-Type: {FORM[0]}"
    answer = await server.post(b"act=later&for=1+week&n=%C3%A9&e=", kind, path="/form")
    assert json.loads(answer.body) == {"act": "later", "for": "1 week", "n": "é", "e": ""}
    for bad in (b"a=%ff", b"a=\xff", b"a=%00", b"&a=1" * 300):
        assert (await server.post(bad, kind, path="/form")).status == 400
    multipart = await server.post(b"--x\r\n", "Content-Type: multipart/form-data; boundary=x", path="/form")
    assert multipart.status == 415


@pytest.mark.parametrize(
    ("why", "status"),
    [("bug", 500), ("bad-value", 500), ("away", 503), ("restarting", 503), ("slow", 503), ("too-large", 413)],
)
async def test_a_failure_says_no_more_than_it_must(server: Server, why: str, status: int) -> None:
    answer = await server.get(f"/fail/{why}")

    assert answer.status == status
    assert set(json.loads(answer.body)) == {"type", "title", "status", "errors"}
    assert ("retry-after" in answer.headers) == (status == 503)
    for leak in (b"ada", b"Error", b"Traceback", b".py", b"$1"):
        assert leak not in answer.body


@pytest.mark.parametrize(("why", "level"), [("away", "warning"), ("restarting", "warning"), ("bug", "error")])
async def test_only_what_is_our_fault_is_logged_as_an_error(server: Server, why: str, level: str) -> None:
    with capture_logs() as lines:
        await server.get(f"/fail/{why}")

    assert {line["event"]: line["log_level"] for line in lines}["request"] == level
    assert {line["log_level"] for line in lines} == {level}, "an outage is a line a request, and no alarm"


async def test_problems_are_inert_and_small(server: Server) -> None:
    answer = await server.get("/fail/problem")
    assert answer.status == 422
    assert json.loads(answer.body)["errors"] == [{"field": "contact.name", "problem": "is <script>&"}]
    assert b"<" not in answer.body and b"&" not in answer.body

    huge = await server.get("/fail/huge")
    assert len(huge.body) <= 4096
    assert json.loads(huge.body)["errors"]


async def test_unknown_paths_and_methods_are_problems(server: Server) -> None:
    unknown = await server.get("/nowhere/<script>")
    assert (unknown.status, json.loads(unknown.body)["status"]) == (404, 404)
    assert b"script" not in unknown.body
    wrong = await server.get("/json/x")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert wrong.headers["content-type"].startswith("application/problem+json")
    redirect = await server.get("/fail/redirect")
    assert (redirect.status, redirect.headers["location"]) == (303, "/elsewhere")


@pytest.mark.parametrize("path", ["/nowhere", "/fail/bug", "/fail/problem", "/fail/redirect"])
async def test_every_answer_has_safe_headers(server: Server, path: str) -> None:
    headers = (await server.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-robots-tag"].startswith("noindex")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["server"] == "afterhello"


async def test_a_request_is_one_line_without_its_path(server: Server) -> None:
    with capture_logs() as lines:
        answer = await server.post(b"{}", "X-Request-Id: from-the-proxy-1")
        await server.post(b"{}", "X-Request-Id: bad id\tx", path="/unknown/secret-token")
    assert answer.headers["x-request-id"] == "from-the-proxy-1"
    first, second = lines
    assert (first["method"], first["route"], first["status"]) == ("POST", "/json/{token}", 200)
    assert first["milliseconds"] >= 0
    assert (second["route"], second["status"]) == ("unknown", 404)
    assert "secret-token" not in str(lines)


async def test_a_page_escapes_what_people_wrote_and_allows_its_own_style_alone(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<style nonce="{{ nonce }}">p{}</style><p>{{ name }}</p>')
    pages = Pages(tmp_path)

    response = pages.render("page.html", name="<script>alert(1)</script>", status=404)

    assert response.status == 404
    assert response.text is not None and "<p>&lt;script&gt;" in response.text
    [nonce] = re.findall(r'nonce="([\w-]+)"', response.text)
    policy = response.headers["Content-Security-Policy"]
    assert f"'nonce-{nonce}'" in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    again = pages.render("page.html", name="Erin")
    assert again.text is not None and nonce not in again.text
    with pytest.raises(UndefinedError):
        pages.render("page.html")
