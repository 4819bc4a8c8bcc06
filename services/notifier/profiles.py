"""The links that people leave of themselves: whose page it is, by its host."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from services.notifier.plain import one_line, web_address

NETWORKS: Final = {
    "bsky.app": "Bluesky",
    "x.com": "X",
    "twitter.com": "X",
    "linkedin.com": "LinkedIn",
    "lnkd.in": "LinkedIn",
    "voxer.com": "Voxer",
    "threads.net": "Threads",
    "threads.com": "Threads",
    "instagram.com": "Instagram",
    "facebook.com": "Facebook",
    "youtube.com": "YouTube",
    "tiktok.com": "TikTok",
    "github.com": "GitHub",
    "zoom.us": "Zoom",
    "meet.google.com": "Google Meet",
    "teams.microsoft.com": "Teams",
    "teams.live.com": "Teams",
    "skype.com": "Skype",
    "docs.google.com": "Google Docs",
    "medium.com": "Blog",
    "substack.com": "Blog",
    "wordpress.com": "Blog",
    "blogspot.com": "Blog",
    "edublogs.org": "Blog",
    "tumblr.com": "Blog",
}
HANDLE: Final = {"Bluesky": r"/profile/([\w.-]+)", "X": r"/(\w{1,20})", "Mastodon": r"/@(\w[\w.-]*)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A link, under the name that people know it by."""

    label: str  # "Bluesky", "Blog", or the host; nothing when it leads nowhere
    url: str | None
    shown: str  # as it was given
    handle: str = ""  # "@erin.example", as one is mentioned there


def profile(given: str) -> Profile:
    """Return what the link is. Handles such as `@erin@mastodon.example` and `@erin.bsky.social` lead to their page."""
    shown = one_line(given, 2000)
    if re.match(r"skype:", shown, re.IGNORECASE):
        return Profile(label="Skype", url=None, shown=shown)
    url = web_address(_written_out(shown))
    if url is None:
        return Profile(label="", url=None, shown=shown)
    parts = urlsplit(url)
    host = re.sub(r"^(www|m|mobile|web)\.", "", (parts.hostname or "").lower())
    label = _label(host, parts.path)
    if label == "Mastodon":
        found = re.match(HANDLE[label], parts.path)
        handle = f"@{found[1]}@{host}" if found else ""
    else:
        found = re.fullmatch(HANDLE.get(label, r"(?!)") + "/?", parts.path)
        handle = f"@{found[1]}" if found and not found[1].startswith("did") else ""
    return Profile(label=label, url=url, shown=shown, handle=handle)


def teams(email: str) -> str:
    """Return where a Skype link leads now: to a chat with this person in Teams, or to Teams."""
    # https://learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/deep-link-workflow
    return (
        f"https://teams.microsoft.com/l/chat/0/0?users={quote(email, safe='@')}" if email else "https://teams.live.com/"
    )


def _written_out(given: str) -> str:
    if found := re.fullmatch(r"@?(\w[\w.-]*)@([\w-]+(\.[\w-]+)+)", given):
        return f"https://{found[2]}/@{found[1]}" if given.startswith("@") else given
    if found := re.fullmatch(r"@?([\w-]+\.bsky\.social)", given):
        return f"https://bsky.app/profile/{found[1]}"
    return given


def _label(host: str, path: str) -> str:
    for known, label in NETWORKS.items():
        if host == known or host.endswith(f".{known}"):
            return label
    if re.fullmatch(r"/@\w[\w.-]*(@[\w.-]+)?(/.*)?", path):
        return "Mastodon"
    return "Blog" if host.startswith("blog.") or re.match(r"/blogs?(/|$)", path) else host
