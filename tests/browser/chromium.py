"""A real Chromium without a window, driven over its DevTools protocol."""

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
)  # fmt: skip
SECONDS = 20


def find() -> str | None:
    """Return the program, if this machine has one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []  # every address the page asked for
        self.complaints: list[str] = []  # of the browser: broken policies, failed requests, errors

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif said["method"] == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])

    async def send(self, method: str, **parameters: object) -> dict[str, Any]:
        id = next(self._ids)
        self._answers[id] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": id, "method": method, "params": parameters})
        async with asyncio.timeout(SECONDS):
            answer = await self._answers[id]
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def value(self, expression: str) -> Any:
        """Return what this JavaScript comes to."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def look_like(self, *, width: int, height: int = 740, dark: bool = False) -> None:
        """Be a telephone of this size, in dark mode or not."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, url: str) -> None:
        """Go there, and return when the page has loaded."""
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        await self._wait()

    async def press(self, button: str) -> None:
        """Put a finger on the button with this text, and return when the page that follows has loaded."""
        found = f"[...document.querySelectorAll('button')].find(one => one.textContent.trim() === {json.dumps(button)})"
        await self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        x, y = await self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({found}.getBoundingClientRect())")
        self._loaded.clear()
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        await self._wait()

    async def _wait(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self._loaded.wait()


@asynccontextmanager
async def page(program: str, folder: Path) -> AsyncIterator[Page]:
    """A tab of a browser that is started for it."""
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    browser = await asyncio.create_subprocess_exec(
        program, *QUIET, *as_root, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    listening: asyncio.Task[None] | None = None
    try:
        assert browser.stderr
        async with asyncio.timeout(SECONDS):
            while b"DevTools listening on" not in (line := await browser.stderr.readline()):
                assert line, "the browser ended before it could be asked anything"
        port = line.split(b":")[-1].split(b"/")[0].decode()
        draining = asyncio.ensure_future(browser.stderr.read())
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                tabs = await response.json(content_type=None)
            url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Page(socket)
                listening = asyncio.ensure_future(tab.listen())
                for domain in ("Page", "Network", "Log"):
                    await tab.send(f"{domain}.enable")
                yield tab
        draining.cancel()
    finally:
        if listening is not None:
            listening.cancel()
        with suppress(ProcessLookupError):
            browser.terminate()
        await browser.wait()
