"""A nudge becomes subject, plain text and HTML, in the words of its playbooks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote
from uuid import UUID

import css_inline
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from services.notifier import moments
from services.notifier.plain import for_header, one_line, web_address
from services.notifier.story import NAME_LIMIT, Story, name, story
from services.notifier.words import PLAYBOOKS, TEMPLATES, Words, words
from shared.events import Contact, DueFollowUp, Gathering, NudgeData
from shared.links import Acting, Leaving, Links

SUBJECT_LIMIT: Final = 59

T = TypeVar("T")


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


HTML: Final = _environment(html=True)
TEXT: Final = _environment(html=False)
INLINER: Final = css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    subject: str
    text: str
    html: str
    reply_to: str | None  # the contact's address, as they gave it
    leave_url: str  # RFC 8058
    thread: UUID | None  # the connection, when the nudge is about one alone


def mail(nudge: NudgeData, links: Links, *, now: datetime) -> Mail:
    """Return the nudge as a mail: one block for each follow-up, then what was missed, then the way out."""
    leave_url = links.leave(Leaving(person=nudge.recipient.id, channel=nudge.channel, address=nudge.recipient.address))
    follow_ups = _by_event(nudge.follow_ups)
    stories = [story(follow_up, nudge, now=now) for follow_up in follow_ups]
    subject = _subject(follow_ups, stories)
    said = stories[0].words
    zone = moments.zone(nudge.recipient.time_zone)
    facts = [_facts(follow_up, story, nudge, links) for follow_up, story in zip(follow_ups, stories, strict=True)]
    page: dict[str, object] = {
        "say": said.say,
        "subject": subject,
        "peek": _peek(stories),
        "locale": said.language,
        "greeting": said.say("page.greeting", name=one_line(nudge.recipient.name or "", 60)),
        "because": _because(nudge, stories),
        "missed": [
            {
                "name": name(missed.contact, Gathering(), said),
                "what": said.say(
                    "page.missed_one",
                    title=_title(missed.playbook, said),
                    when=moments.moment(missed.due_at, zone, said),
                ),
            }
            for missed in nudge.missed
        ],
        "leave_url": leave_url,
    }
    return Mail(
        subject=subject,
        text=_text(page, facts),
        html=_html(page, facts),
        reply_to=_only({story.them.email if story.them else None for story in stories}),
        leave_url=leave_url,
        thread=_only({follow_up.connection for follow_up in follow_ups}),
    )


def _text(page: dict[str, object], facts: Sequence[dict[str, object]]) -> str:
    blocks = []
    for values in facts:
        # Indented, so that nothing somebody typed can pass for a line of ours.
        typed = {key: _indented(str(values[key])) for key in ("promise", "notes")}
        blocks.append(TEXT.get_template("_base/body.txt").render(page | values | typed).strip())
    text = TEXT.get_template("_base/page.txt").render(page, blocks=blocks)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _html(page: dict[str, object], facts: Sequence[dict[str, object]]) -> str:
    template = HTML.get_template("_base/body.html")
    blocks = [Markup(template.render(page | values)) for values in facts]  # noqa: S704 - escaped by Jinja just now
    return INLINER.inline(HTML.get_template("_base/page.html").render(page, blocks=blocks))


def _subject(follow_ups: Sequence[DueFollowUp], stories: Sequence[Story]) -> str:
    # A prompt stands behind the people there are; alone it has words of its own.
    n = next((n for n, story in enumerate(stories) if story.them), 0)
    first = stories[n]
    others = len({follow_up.connection for follow_up in follow_ups} - {follow_ups[n].connection})
    name = for_header(first.name, NAME_LIMIT)
    at = for_header(str(first.given["at"]), SUBJECT_LIMIT)
    for where in (f" {at}" if at else "", ""):  # the event goes before the name does
        said = partial(first.say, "page.subject" if others else "subject", others=others, at=where)
        empty = said(name="")
        if len(empty) + min(len(name), 12) <= SUBJECT_LIMIT:
            break
    return for_header(said(name=one_line(name, max(SUBJECT_LIMIT - len(empty), 1))), SUBJECT_LIMIT)


def _facts(follow_up: DueFollowUp, story: Story, nudge: NudgeData, links: Links) -> dict[str, object]:
    act = links.act(
        Acting(
            person=nudge.recipient.id,
            connection=follow_up.connection,
            follow_up=follow_up.id,
            nudge=nudge.nudge,
        )
    )
    them = story.them or Contact(name="")
    email, phone = one_line(them.email or "", 254), one_line(them.phone or "", 40)
    return {
        "story": story,
        "name": story.name,
        "promise": story.promise,
        "notes": story.notes,
        "suggestion": story.say("suggestion"),
        "email": email,
        "email_url": f"mailto:{quote(email, safe='@')}",
        "phone": phone,
        "phone_url": f"tel:{quote(phone, safe='+')}",
        "links": [
            {"shown": one_line(link, 2000), "url": web_address(link)} for link in them.links[:10] if link.strip()
        ],
        "button": story.say("button") if story.words.has("button") else story.say("page.log"),
        "done_url": f"{act}?act=done",
        "later_url": f"{act}?act=later",
        "stop_url": f"{act}?act=stop",
    }


def _because(nudge: NudgeData, stories: Sequence[Story]) -> str:
    first = stories[0]
    if nudge.to == "contact":
        return first.say("page.because_contact", owner=first.name)
    if first.words.has("because") and not any(story.them for story in stories):
        return first.say("because")
    return first.say("page.because", several=len(stories) > 1)


def _title(playbook: str, said: Words) -> str:
    """What a playbook is called; one of the operator's own goes by the name of its file."""
    return words(playbook, said.language).say("title") if playbook in PLAYBOOKS else one_line(playbook, 40)


def _by_event(follow_ups: Sequence[DueFollowUp]) -> list[DueFollowUp]:
    """Those of one event together, in the order in which the events come first."""
    order = {name: n for n, name in reversed(list(enumerate(follow_up.event.name for follow_up in follow_ups)))}
    return sorted(follow_ups, key=lambda follow_up: order[follow_up.event.name])


def _peek(stories: Sequence[Story]) -> str:
    """What a mail program shows beside the subject: the promise, or the names."""
    first = stories[0]
    if first.promise:
        return f"{first.say('page.promised')}: {one_line(first.promise, 120)}"
    return ", ".join(story.name for story in stories[:5])


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n")) if text else ""


def _only(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None
