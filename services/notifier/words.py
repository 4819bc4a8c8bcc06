"""The words of the playbooks and of the page around them, in the language of whoever reads them.

A playbook is a folder of `templates/`, with a file of words for each language. Each phrase is a template, which is
given what people typed as plain text: what shows the words escapes them.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES: Final = Path(__file__).parent / "templates"
PLAYBOOKS: Final = frozenset(one.name for one in TEMPLATES.iterdir() if one.is_dir() and one.name != "_base")

Language = Literal["en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# A line with nothing but a tag leaves an empty line, and of several only one is kept.
PHRASES: Final = ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined, lstrip_blocks=True)


def language(locale: str) -> Language:
    """Return the language that we have for this locale: `es-MX` and `es_419` are Spanish, what is unknown English."""
    primary = re.split(r"[-_]", locale.strip().lower(), maxsplit=1)[0]
    return next((one for one in LANGUAGES if one == primary), "en")


class Words:
    """What is said of one playbook, and around it, in one language."""

    def __init__(self, language: Language, phrases: Mapping[str, Template | str]) -> None:
        self.language = language
        self._phrases = phrases

    def has(self, phrase: str) -> bool:
        """Return whether there is such a phrase: its key in the file, with a dot for each table above it."""
        return phrase in self._phrases

    def say(self, phrase: str, /, **facts: object) -> str:
        """Return the phrase with these facts in it."""
        template = self._phrases[phrase]
        if isinstance(template, str):
            return template
        said = template.render(facts)
        if ".." in said:  # "in Washington, D.C." ends a sentence as it is
            said = re.sub(r"(?<![./])\.\.(?=\s|$)", ".", said)
        return re.sub(r"\n{3,}", "\n\n", said).strip("\n")


@cache
def words(playbook: str, language: Language) -> Words:
    """Return the words of this playbook; a plan of the operator's may name one that has none of its own."""
    own = _read(playbook, language) if playbook in PLAYBOOKS else {}
    return Words(language, {**_read("_base", language), **own})


def sms(playbook: str, language: Language, *, name: str, event: str, link: str, others: int = 0) -> str:
    """Return the nudge as a text: who, why and where to act. Nothing that was noted or promised is in it."""
    said = words("_base" if others else playbook, language)
    return " ".join(said.say("page.sms" if others else "sms", name=name, event=event, link=link, others=others).split())


@cache
def offers(playbook: str) -> Mapping[str, object]:
    """Return what goes with this playbook: `voice`, `video`, `document`, `post`, and minutes in the `calendar`."""
    file = TEMPLATES / playbook / "offers.toml"
    if playbook not in PLAYBOOKS or not file.exists():
        return {}
    return {key: offered for key, offered in tomllib.loads(file.read_text(encoding="utf-8")).items() if offered}


@cache
def _read(folder: str, language: Language) -> Mapping[str, Template | str]:
    file = TEMPLATES / folder / f"{language}.toml"
    phrases = _flat(tomllib.loads(file.read_text(encoding="utf-8")))
    # Most are the same whatever the facts, and rendering is what a message costs.
    return {key: PHRASES.from_string(phrase) if "{" in phrase else phrase for key, phrase in phrases}


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield above + key, value
        else:
            below = value if isinstance(value, dict) else {str(n): one for n, one in enumerate(value)}
            yield from _flat(below, f"{above}{key}.")
