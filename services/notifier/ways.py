"""One tap to reach a person: what stands behind the buttons of a message."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from services.notifier.plain import one_line
from services.notifier.profiles import Profile, profile, teams
from services.notifier.story import Story
from services.notifier.words import offers
from shared.events import Contact

URL_LIMIT: Final = 1900  # browsers and Outlook hand on two thousand characters, not more
SUBJECT_LIMIT: Final = 500
POST_LIMIT: Final = 280  # of X; Bluesky takes 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A button, and what it says where there are no buttons."""

    label: str
    url: str | None  # None for what can be read only
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Words in the reader's own voice, to send or to post."""

    title: str  # "Ready to send; change what you like"
    subject: str  # of a mail, or nothing
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Several ways to one end."""

    title: str
    ways: Sequence[Way]
    is_for_posting: bool = False  # their addresses hold the words of the draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    reach: Sequence[Way]
    draft: Draft | None
    choices: Sequence[Choice]

    @property
    def is_for_posting(self) -> bool:
        """Return whether the draft is to be posted for all to read, not sent."""
        return any(choice.is_for_posting for choice in self.choices)


def ways(story: Story) -> Ways:
    """Return every way to reach the person of this story, and the words for it."""
    if story.them is None:
        return Ways(reach=(), draft=None, choices=())
    offered = offers(story.playbook)
    profiles = [profile(link) for link in story.them.links[:10] if link.strip()]
    return Ways(
        reach=[*_reach(story, profiles, offered), *_documents(story, offered)],
        draft=_draft(story, profiles, offered),
        choices=[*_posting(story, profiles, offered), *_video(story, offered), *_past_posts(story)],
    )


def mailto(address: str, subject: str, body: str) -> str | None:
    """Return the link that opens this mail ready to send (RFC 6068), or None for what is no address."""
    if not re.fullmatch(r"[^\s@,;:<>()\[\]\\\"]+@[^\s@,;:<>()\\\"]+", address):
        return None
    start = f"mailto:{quote(address, safe='@')}?subject={_fitting(one_line(subject, 150), SUBJECT_LIMIT)}&body="
    return start + _fitting(body.replace("\n", "\r\n"), URL_LIMIT - len(start))


def number(phone: str) -> str | None:
    """Return the number as `tel:` and `sms:` want it, or None for what is no number."""
    digits = re.sub(r"[\s().\-/\u2010-\u2015]", "", phone)
    return digits if re.fullmatch(r"\+?[0-9]{3,15}", digits) else None


def readable(ways: Sequence[Way]) -> list[tuple[str, str]]:
    """Return what to read where there are no buttons: label and address, each address once."""
    labels: dict[str, list[str]] = {}
    for way in ways:
        labels.setdefault(way.shown, []).append(way.label)
    return [(" / ".join(dict.fromkeys(said)), shown) for shown, said in labels.items()]


def _reach(story: Story, profiles: Sequence[Profile], offered: Mapping[str, object]) -> Iterator[Way]:
    say, them = story.words.say, story.them or Contact(name="")
    email, phone = one_line(them.email or "", 254), one_line(them.phone or "", 40)
    found = []
    if email:
        found.append(Way(label=say("ways.mail"), url=mailto(email, *_mail(story)), shown=email))
    if phone:
        called = number(phone)
        # Android takes what follows a ?, iOS what follows an &.
        text = f"sms:{called}?&body={_fitting(_short(story), URL_LIMIT)}" if called else None
        found.append(Way(label=say("ways.text"), url=text, shown=phone))
        found.append(Way(label=say("ways.call"), url=f"tel:{called}" if called else None, shown=phone))
    yield from reversed(found) if "voice" in offered else found
    for one in profiles:
        if one.label == "Skype":
            yield Way(label="Teams", url=teams(email), shown=teams(email))
        else:
            yield Way(label=one.label or say("ways.other"), url=one.url, shown=one.url or one.shown)


def _documents(story: Story, offered: Mapping[str, object]) -> Iterator[Way]:
    if story.document:
        yield Way(label=story.words.say("ways.document"), url=story.document, shown=story.document)
    elif "document" in offered:
        yield Way(label=story.words.say("ways.new_document"), url="https://docs.new", shown="https://docs.new")


def _draft(story: Story, profiles: Sequence[Profile], offered: Mapping[str, object]) -> Draft | None:
    if "post" in offered:
        tag = next((one.handle for one in profiles if one.handle), story.name)
        return Draft(title=story.say("page.praise"), subject="", body=_praise(story, tag))
    subject, body = _mail(story)
    has_email = bool(story.them and story.them.email)
    if not has_email and story.them and (story.them.phone or profiles):
        return Draft(title=story.say("page.draft"), subject="", body=_short(story))
    return Draft(title=story.say("page.draft"), subject=subject, body=body)


def _posting(story: Story, profiles: Sequence[Profile], offered: Mapping[str, object]) -> Iterator[Choice]:
    if "post" not in offered:
        return
    handles = {one.label: one.handle for one in profiles if one.handle}
    # https://docs.bsky.app/docs/advanced-guides/intent-links, https://docs.x.com/x-for-websites/post-button
    forms = {"Bluesky": "https://bsky.app/intent/compose?text=", "X": "https://x.com/intent/tweet?text="}
    networks = [network for network in forms if network in handles] or list(forms)
    yield Choice(
        title=story.say("ways.post"),
        is_for_posting=True,
        ways=[
            Way(
                label=network,
                url=forms[network] + quote(_praise(story, handles.get(network, story.name)), safe=""),
                shown=network,
            )
            for network in networks
        ],
    )


def _video(story: Story, offered: Mapping[str, object]) -> Iterator[Choice]:
    if "video" not in offered:
        return
    meeting = f"https://teams.microsoft.com/l/meeting/new?subject={quote(_fitting_name(story), safe='')}"
    rooms = {"Zoom": "https://zoom.us/start/videomeeting", "Google Meet": "https://meet.new", "Teams": meeting}
    yield Choice(
        title=story.say("ways.video"),
        ways=[Way(label=label, url=url, shown=url) for label, url in rooms.items()],
    )


def _past_posts(story: Story) -> Iterator[Choice]:
    if story.is_chat and story.hashtag:
        tag = quote(story.hashtag.lstrip("#"), safe="")
        rooms = {
            "Bluesky": f"https://bsky.app/hashtag/{tag}",
            "Mastodon": f"https://mastodon.social/tags/{tag}",
            "X": f"https://x.com/hashtag/{tag}",
        }
        yield Choice(
            title=story.say("ways.past"),
            ways=[Way(label=label, url=url, shown=url) for label, url in rooms.items()],
        )


def _mail(story: Story) -> tuple[str, str]:
    me = str(story.given["me"])
    body = story.say("draft")
    return one_line(story.say("draft_subject"), 150), f"{body}\n\n{me}" if me else body


def _short(story: Story) -> str:
    return one_line(story.say("short"), 600)


def _praise(story: Story, tag: str) -> str:
    return one_line(story.say("praise", tag=one_line(tag, 80)), POST_LIMIT)


def _fitting_name(story: Story) -> str:
    return one_line(" + ".join(part for part in (str(story.given["me"]), str(story.given["first"])) if part), 120)


def _fitting(text: str, limit: int) -> str:
    """Return the text percent-encoded, cut at a word where that is longer."""
    encoded = quote(text, safe="")
    if len(encoded) <= limit:
        return encoded
    room, length = limit - len(quote(" …", safe="")), 0
    for length, character in enumerate(text):  # noqa: B007 - where it ends is what we want
        room -= len(quote(character, safe=""))
        if room < 0:
            break
    cut = text[:length]
    words = cut.rpartition(" ")[0]
    return quote(f"{words if len(words) > length - 40 else cut} …", safe="")
