"""Messages as a mail program shows them: on the smallest telephone and a wide screen, by day and in dark mode."""

from pathlib import Path

import pytest

from shared.events import Gathering, NudgeData
from tests.browser import chromium
from tests.notifier.nudges import ERIN, chat, follow_up, nudge, of, several, written

LONG = "Wolfeschlegelsteinhausenbergerdorff" * 4
# The least contrast (WCAG 2) of any text with what is behind it, and that text.
CONTRAST = """
(() => {
  const light = part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.body.querySelectorAll('*')]
    .filter(one => one.offsetHeight && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(one => {
      const [dark, bright] = [parts(getComputedStyle(one).color), behind(one)].map(luminance).sort((a, b) => a - b);
      return [(bright + 0.05) / (dark + 0.05), one.textContent.trim().slice(0, 60)];
    })
    .sort((a, b) => a[0] - b[0])[0];
})()
"""
SMALLEST_BUTTON = "Math.min(...[...document.querySelectorAll('.way, .act')].map(one => one.offsetHeight))"


def unwieldy() -> NudgeData:
    them = ERIN.model_copy(
        update={"name": LONG, "email": f"{LONG}@district.example", "links": (f"https://{LONG}.org",)}
    )
    event = Gathering(name=LONG, kind="chat", hashtag=LONG[:50], place=LONG)
    document = f"https://docs.example/{LONG}"
    return nudge(follow_up(contact=them, event=event, promise=LONG, notes=LONG, topics=(LONG[:60],), document=document))


async def test_every_message_fits_and_can_be_read_and_loads_nothing(tmp_path: Path) -> None:
    program = chromium.find()
    if program is None:
        pytest.skip("NO CHROMIUM HERE: the messages were not looked at (Debian: apt-get install chromium)")
    shown = {
        "call": of("call", locale="es"),
        "shout-out": of("shout-out"),
        "chat": chat(),
        "several": several(locale="es"),
        "prompt": of("confirm-address", locale="es"),
        "unwieldy": unwieldy(),
    }
    async with chromium.page(program, tmp_path / "profile") as page:
        for name, given in shown.items():
            file = tmp_path / f"{name}.html"
            answers_to = f"reply+{'a' * 42}@in.school.example"
            file.write_text(written(given, answers_to=answers_to).html, encoding="utf-8")
            for width, dark in ((320, False), (320, True), (1280, True)):
                await page.look_like(width=width, dark=dark)
                await page.open(file.as_uri())
                assert await page.value("document.documentElement.scrollWidth") == width, name
                contrast, words = await page.value(CONTRAST)
                assert contrast >= 4.5, (name, dark, words)
                assert await page.value(SMALLEST_BUTTON) >= 34, name
        assert [url for url in page.requests if not url.startswith("file:")] == []
        assert page.complaints == []
