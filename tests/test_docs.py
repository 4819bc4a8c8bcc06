"""What the pages for readers point to is there: files by their links, commands by their names."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from services.cli import main

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md")])
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
# As code: behind a backtick, at the beginning of an indented line, or as the file it is.
COMMAND: Final = re.compile(r"(?:`|^ {4,}|bin/)afterhello\s+([a-z][a-z-]*)(?:\s+([a-z][a-z-]*))?", re.MULTILINE)
GROUPS: Final = ("source", "token", "person", "plan", "calendar", "channel", "suppression", "dead-letter")


def links(page: Path) -> list[str]:
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def commands(page: Path) -> set[tuple[str, ...]]:
    """The words of each command that a page names as code, `source add` of `afterhello source add NAME`."""
    found = COMMAND.findall(page.read_text(encoding="utf-8"))
    return {(word, inner) if word in GROUPS and inner else (word,) for word, inner in found}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / unquote(path)
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("words", sorted(set().union(*map(commands, PAGES))), ids=" ".join)
def test_every_command_named_is_there(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0, capsys.readouterr().err
    assert "Usage: afterhello" in capsys.readouterr().out


def test_the_pages_that_people_begin_with_are_among_them() -> None:
    assert {("source", "add"), ("source", "test"), ("plan", "preview"), ("doctor",)} <= commands(ROOT / "README.md")
    assert "deploy/forms/README.md" in links(ROOT / "README.md")


def test_the_installed_command_answers() -> None:
    command = shutil.which("afterhello", path=str(ROOT / ".venv" / "bin")) or shutil.which("afterhello")
    assert command, "make .venv installs it"
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "afterhello WORD" in done.stdout
