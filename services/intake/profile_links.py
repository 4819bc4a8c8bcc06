"""The links that people leave of themselves, as they are written down: addresses, handles, Skype names. Pure."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StrictStr, WithJsonSchema

from services.intake import fields

# Nobody can be called by it any more, but it is what old signatures and badges hold; a message makes it Teams.
SKYPE: Final = re.compile(r"skype:[\w.:,+@-]{1,200}(\?[a-z&=]{0,50})?", re.IGNORECASE | re.ASCII)
FEDIVERSE: Final = re.compile(r"@(\w[\w.-]{0,63})@((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24})", re.IGNORECASE | re.ASCII)
BLUESKY: Final = re.compile(r"@([a-z0-9-]{1,63}\.bsky\.social)", re.IGNORECASE | re.ASCII)


def profile_link(text: str) -> str:
    """Return the web address of what was given, or a `skype:` address as it is: nothing else is for a button."""
    text = text.strip()
    if SKYPE.fullmatch(text):
        return text
    if found := FEDIVERSE.fullmatch(text):
        return f"https://{found[2].lower()}/@{found[1]}"
    if found := BLUESKY.fullmatch(text):
        return f"https://bsky.app/profile/{found[1].lower()}"
    return fields.link(text)


ProfileLink = Annotated[
    StrictStr,
    AfterValidator(profile_link),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["https://bsky.app/profile/erin", "@erin@mastodon.example", "skype:erin?call"],
            "maxLength": fields.LINK_LENGTH,
        }
    ),
]
