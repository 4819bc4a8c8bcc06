"""The links that people leave of themselves."""

import pytest

from services.intake import profile_links
from services.intake.body import check
from services.intake.filling import filled


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://bsky.app/profile/erin", "https://bsky.app/profile/erin"),
        ("skype:erin.okafor?call", "skype:erin.okafor?call"),
        ("SKYPE:live:.cid.1a2b3c?chat", "SKYPE:live:.cid.1a2b3c?chat"),
        (" @erin@Mastodon.Example ", "https://mastodon.example/@erin"),
        ("@erin.bsky.social", "https://bsky.app/profile/erin.bsky.social"),
    ],
)
def test_links_are_taken_as_people_write_them_down(given: str, kept: str) -> None:
    body = check({"contact": {"name": "Erin", "links": [given]}}, phone_region=None)
    assert body.contact is not None and body.contact.links == (kept,)


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "skype:",
        "skype:erin\nBcc: x",
        "skype:<script>",
        "skype:erin?call;javascript:alert(1)",
        "skype:" + "x" * 201,
        "@erin",
        "@erin@localhost",
        "@a@b@c.example",
        "@erin@evil.example/?x",
        "just a word",
    ],
)
def test_what_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        profile_links.profile_link(text)


def test_the_answer_of_a_form_may_hold_several() -> None:
    found = filled("contact.links", "@erin@mastodon.example, skype:erin?call blog.erin.example")
    assert found == ["@erin@mastodon.example", "skype:erin?call", "https://blog.erin.example"]
    body = check({"contact": {"name": "Erin", "links": found}}, phone_region=None)
    assert body.contact is not None
    assert body.contact.links == ("https://mastodon.example/@erin", "skype:erin?call", "https://blog.erin.example")
