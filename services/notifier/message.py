"""A nudge becomes subject, plain text and HTML, in the words of its playbooks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import css_inline
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from services.notifier import calendar_entry, moments
from services.notifier.plain import for_header, one_line
from services.notifier.story import NAME_LIMIT, Story, name, story
from services.notifier.ways import readable, ways
from services.notifier.words import PLAYBOOKS, TEMPLATES, Words, words
from shared.events import DueFollowUp, Gathering, NudgeData
from shared.links import Acting, Leaving, Links

SUBJECT_LIMIT: Final = 59
LOST_LIMIT: Final = 5

T = TypeVar("T")


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES / "_base"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["lines"] = lambda text: Markup("<br>").join(text.split("\n"))  # join escapes
    return made


HTML: Final = _environment(html=True)
TEXT: Final = _environment(html=False)
INLINER: Final = css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    subject: str
    text: str
    html: str
    reply_to: str | None  # the address of the one it is about, as they gave it
    leave_url: str  # RFC 8058
    thread: UUID | None  # the connection, when the nudge is about one alone
    calendar: bytes | None = None  # a file of entries, where a plan wants them


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A message of ours of which we learned later that it did not arrive."""

    at: datetime  # when it was sent
    address: str | None = None  # where to, when that is not where this one goes
    names: tuple[str, ...] = ()  # whom it was about
    to: str | None = None  # the contact it was for; None: for whoever reads this


def mail(
    nudge: NudgeData,
    links: Links,
    *,
    now: datetime,
    lost: Sequence[Lost] = (),
    answers_to: str | None = None,
    organizer: str | None = None,
) -> Mail:
    """Return the nudge as a mail: one follow-up in full or several in brief, what was missed or lost, the way out.

    `answers_to` is the address of ours at which "done", "later 2 weeks" and "stop" are understood, `organizer` the one
    that the mail comes from, which calendar entries have to name.
    """
    leave_url = links.leave(Leaving(person=nudge.recipient.id, channel=nudge.channel, address=nudge.recipient.address))
    follow_ups = _by_event(nudge.follow_ups)
    stories = [story(follow_up, nudge, now=now) for follow_up in follow_ups]
    subject = _subject(follow_ups, stories)
    said = stories[0].words
    page: dict[str, Any] = {
        "say": said.say,
        "subject": subject,
        "peek": _peek(stories),
        "language": said.language,
        "greeting": _greeting(stories),
        "lost": [_lost(one, nudge, said) for one in lost[:LOST_LIMIT]],
        "missed": _missed(nudge, said),
        "because": _because(nudge, stories),
        "answers": _answers(follow_ups, stories, nudge, answers_to),
        "leave_url": leave_url,
    }
    blocks = [_block(follow_up, story, nudge, links) for follow_up, story in zip(follow_ups, stories, strict=True)]
    return Mail(
        subject=subject,
        text=_text(page, blocks),
        html=_html(page, blocks),
        reply_to=_only({story.them.email if story.them else None for story in stories}),
        leave_url=leave_url,
        thread=thread(nudge),
        calendar=calendar_entry.entries(follow_ups, stories, nudge, organizer=organizer, now=now)
        if organizer
        else None,
    )


def thread(nudge: NudgeData) -> UUID | None:
    """Return the connection that the nudge is about, when it is about one alone."""
    return _only({follow_up.connection for follow_up in nudge.follow_ups})


def _text(page: dict[str, Any], blocks: Sequence[dict[str, Any]]) -> str:
    template = TEXT.get_template("full.txt" if len(blocks) == 1 else "brief.txt")
    shown = [template.render(page | block).strip() for block in blocks]
    text = TEXT.get_template("page.txt").render(page, blocks=shown)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _html(page: dict[str, Any], blocks: Sequence[dict[str, Any]]) -> str:
    template = HTML.get_template("full.html" if len(blocks) == 1 else "brief.html")
    shown = [Markup(template.render(page | block)) for block in blocks]  # noqa: S704 - escaped by Jinja just now
    return INLINER.inline(HTML.get_template("page.html").render(page, blocks=shown))


def _block(follow_up: DueFollowUp, story: Story, nudge: NudgeData, links: Links) -> dict[str, Any]:
    """What the templates are given of one follow-up."""
    acting = Acting(
        person=nudge.recipient.id, connection=follow_up.connection, follow_up=follow_up.id, nudge=nudge.nudge
    )
    reached = ways(story)
    return {
        "story": story,
        "suggestion": story.say("suggestion"),
        "line": story.say("line"),
        "ways": reached,
        "readable": readable(reached.reach),
        "button": story.say("button" if story.words.has("button") else "page.log"),
        # What is done about a follow-up is its owner's to say.
        "act_url": links.act(acting) if nudge.to == "owner" else None,
    }


def _subject(follow_ups: Sequence[DueFollowUp], stories: Sequence[Story]) -> str:
    # A prompt stands behind the people there are; alone it has words of its own.
    n = next((n for n, story in enumerate(stories) if story.them), 0)
    others = len({follow_up.connection for follow_up in follow_ups} - {follow_ups[n].connection})
    name = for_header(stories[n].name, NAME_LIMIT)
    at = for_header(str(stories[n].given["at"]), SUBJECT_LIMIT)
    for where in (f" {at}" if at else "", ""):  # the event goes before the name does
        said = partial(stories[n].say, "page.subject" if others else "subject", others=others, at=where)
        empty = said(name="")
        if len(empty) + min(len(name), 12) <= SUBJECT_LIMIT:
            break
    return for_header(said(name=one_line(name, max(SUBJECT_LIMIT - len(empty), 1))), SUBJECT_LIMIT)


def _greeting(stories: Sequence[Story]) -> str:
    first = stories[0]
    # Whoever gave somebody else's address chose this name too, and the words of a stranger are not ours to pass on.
    is_known = first.playbook != "confirm-address"
    return first.words.say("page.greeting", name=first.given["me"] if is_known else "")


def _peek(stories: Sequence[Story]) -> str:
    """What a mail program shows beside the subject: the promise, or the names, or the one suggestion."""
    first = stories[0]
    if first.promise:
        return f"{first.say('page.promised')}: {one_line(first.promise, 120)}"
    return ", ".join(story.name for story in stories[:5]) if len(stories) > 1 else first.say("line")


def _because(nudge: NudgeData, stories: Sequence[Story]) -> str:
    first = stories[0]
    if nudge.to == "contact":
        return first.say("page.because_contact", owner=first.name)
    if first.words.has("because") and not any(story.them for story in stories):
        return first.say("because")
    return first.say("page.because", several=len(stories) > 1)


def _answers(
    follow_ups: Sequence[DueFollowUp], stories: Sequence[Story], nudge: NudgeData, answers_to: str | None
) -> str:
    """Which answers are understood at this address: of several people nobody could tell who is done."""
    if not answers_to or nudge.to != "owner" or not any(story.them for story in stories):
        return ""
    is_one = len({follow_up.connection for follow_up in follow_ups}) == 1
    return stories[0].say("page.answers" if is_one else "page.answers_several", address=one_line(answers_to, 254))


def _missed(nudge: NudgeData, said: Words) -> list[dict[str, str]]:
    zone = moments.zone(nudge.recipient.time_zone)
    return [
        {
            "name": name(missed.contact, Gathering(), said),
            "what": said.say(
                "page.missed_one",
                title=_title(missed.playbook, said),
                when=moments.moment(missed.due_at, zone, said),
            ),
        }
        for missed in nudge.missed
    ]


def _title(playbook: str, said: Words) -> str:
    """What a playbook is called; one of the operator's own goes by the name of its file."""
    return words(playbook, said.language).say("title") if playbook in PLAYBOOKS else one_line(playbook, 40)


def _lost(lost: Lost, nudge: NudgeData, said: Words) -> str:
    when = moments.moment(lost.at, moments.zone(nudge.recipient.time_zone), said)
    address = one_line(lost.address or "", 254) if lost.address != lost.to else ""
    if lost.to is not None:
        return said.say("page.lost_to", when=when, address=address, name=one_line(lost.to, NAME_LIMIT))
    return said.say(
        "page.lost",
        when=when,
        address=address,
        names=moments.listed([one_line(name, NAME_LIMIT) for name in lost.names[:5]], said),
    )


def _by_event(follow_ups: Sequence[DueFollowUp]) -> list[DueFollowUp]:
    """Those of one event together, in the order in which the events come first."""
    order = {name: n for n, name in reversed(list(enumerate(follow_up.event.name for follow_up in follow_ups)))}
    return sorted(follow_ups, key=lambda follow_up: order[follow_up.event.name])


def _only(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None
