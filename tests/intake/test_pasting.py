"""What to tell who has just added a source: nothing that is not there, and everything that is."""

from pathlib import Path

import pytest

from services.intake import pasting, typed
from services.intake.providers import PROVIDERS
from shared.command import Refused

FORMS = Path(__file__).parents[2] / "deploy" / "forms"
URL = f"https://hello.school.example/hooks/{'a' * 32}"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_names_the_url_and_a_secret_only_if_there_is_one(provider: str) -> None:
    secret = PROVIDERS[provider].new_secret()
    text = pasting.in_words(name="Who's it?", provider=provider, url=URL, secret=secret)
    assert URL in text
    assert ("secret  " in text) == bool(secret)
    assert "None" not in text
    assert "NAME" not in text


@pytest.mark.parametrize("provider", sorted(pasting.PAGES & PROVIDERS.keys()))
def test_its_page_is_there_and_has_five_steps(provider: str) -> None:
    page = next((one for one in FORMS.parent.rglob(f"{provider}.md")), None)
    assert page is not None
    text = page.read_text()
    assert [f"\n{n}. " in text for n in range(1, 7)] == [True] * 5 + [False]
    assert "hecked with" in text  # against what; and so what nobody has verified


def test_a_secret_is_refused_where_the_tool_can_send_none() -> None:
    with pytest.raises(Refused, match="Jotform can send none"):
        typed.secret(PROVIDERS["jotform"], "0123456789abcdef")
    assert typed.secret(PROVIDERS["jotform"], None) == ""
    assert typed.secret(PROVIDERS["fillout"], "0123456789abcdef") == "0123456789abcdef"
    assert typed.secret(PROVIDERS["tally"], "") == ""
    with pytest.raises(Refused, match="16 to 200"):
        typed.secret(PROVIDERS["microsoft-forms"], "short")
