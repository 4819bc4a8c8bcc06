"""A nudge becomes subject, plain text and HTML, in the words of its playbooks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import css_inline
from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from services.notifier.plain import for_header, one_line, several_lines, web_address
from shared.events import Contact, DueFollowUp, Gathering, MissedFollowUp, NudgeData
from shared.links import Acting, Leaving, Links

TEMPLATES: Final = Path(__file__).parent / "templates"
PLAYBOOKS: Final = frozenset(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())
SUBJECT_LIMIT: Final = 59
NAME_LIMIT: Final = 200
LATE: Final = timedelta(hours=1)

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
    subject = _subject(follow_ups)
    zone = _zone(nudge.recipient.time_zone)
    facts = [_facts(follow_up, nudge, links, zone, now) for follow_up in follow_ups]
    name = one_line(nudge.recipient.name or "", 60)
    page: dict[str, object] = {
        "subject": subject,
        "peek": _peek(follow_ups),
        "locale": nudge.recipient.locale if re.fullmatch(r"[A-Za-z0-9-]{2,20}", nudge.recipient.locale) else "en",
        "greeting": f"Hello {name}," if name else "Hello,",
        "missed": [
            {"name": _name_of(missed), "what": _what(missed.playbook), "when": _when(missed.due_at, zone)}
            for missed in nudge.missed
        ],
        "leave_url": leave_url,
    }
    return Mail(
        subject=subject,
        text=_text(page, follow_ups, facts),
        html=_html(page, follow_ups, facts),
        reply_to=_only({follow_up.contact.email if follow_up.contact else None for follow_up in follow_ups}),
        leave_url=leave_url,
        thread=_only({follow_up.connection for follow_up in follow_ups}),
    )


def _text(page: dict[str, object], follow_ups: Sequence[DueFollowUp], facts: Sequence[dict[str, object]]) -> str:
    blocks = []
    for follow_up, values in zip(follow_ups, facts, strict=True):
        # Indented, so that nothing somebody typed can pass for a line of ours.
        typed = {key: _indented(str(values[key])) for key in ("promise", "notes")}
        blocks.append(_template(TEXT, follow_up.playbook, "body.txt").render(values | typed).strip())
    text = TEXT.get_template("_base/page.txt").render(page, blocks=blocks)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _html(page: dict[str, object], follow_ups: Sequence[DueFollowUp], facts: Sequence[dict[str, object]]) -> str:
    blocks = [
        Markup(_template(HTML, follow_up.playbook, "body.html").render(values))  # noqa: S704 - escaped by Jinja just now
        for follow_up, values in zip(follow_ups, facts, strict=True)
    ]
    return INLINER.inline(HTML.get_template("_base/page.html").render(page, blocks=blocks))


def _subject(follow_ups: Sequence[DueFollowUp]) -> str:
    # A prompt stands behind the people there are; alone it has words of its own.
    first = next((follow_up for follow_up in follow_ups if follow_up.contact), follow_ups[0])
    others = len({follow_up.connection for follow_up in follow_ups} - {first.connection})
    template = TEXT.get_template("_base/subject.txt") if others else _template(TEXT, first.playbook, "subject.txt")
    name = for_header(_name_of(first), NAME_LIMIT)
    event = for_header(first.event.name or "", SUBJECT_LIMIT)
    for where in (event, ""):  # the event goes before the name does
        empty = template.render(name="", others=others, event=where).strip()
        if len(empty) + min(len(name), 12) <= SUBJECT_LIMIT:
            break
    shown = one_line(name, max(SUBJECT_LIMIT - len(empty), 1))
    return for_header(template.render(name=shown, others=others, event=where), SUBJECT_LIMIT)


def _facts(follow_up: DueFollowUp, nudge: NudgeData, links: Links, zone: ZoneInfo, now: datetime) -> dict[str, object]:
    act = links.act(
        Acting(
            person=nudge.recipient.id,
            connection=follow_up.connection,
            follow_up=follow_up.id,
            nudge=nudge.nudge,
        )
    )
    contact = follow_up.contact or Contact(name="")
    email, phone = one_line(contact.email or "", 254), one_line(contact.phone or "", 40)
    late = now - follow_up.due_at > LATE
    return {
        "name": _name_of(follow_up),
        "event": one_line(follow_up.event.name or "", NAME_LIMIT),
        "met": f"You met {_ago(follow_up.met_at, now, zone)}{_where(follow_up.event)}." if follow_up.contact else "",
        "late": f"This comes late: it was due {_when(follow_up.due_at, zone)}." if late else "",
        "promise": several_lines(follow_up.promise or "", 500),
        "notes": several_lines(follow_up.notes or "", 4000),
        "topics": _listed([one_line(topic, 60) for topic in follow_up.topics[:20]]),
        "document": web_address(follow_up.document or ""),
        "email": email,
        "email_url": f"mailto:{quote(email, safe='@')}",
        "phone": phone,
        "phone_url": f"tel:{quote(phone, safe='+')}",
        "links": [
            {"shown": one_line(link, 2000), "url": web_address(link)} for link in contact.links[:10] if link.strip()
        ],
        "form_url": web_address(follow_up.form_url or ""),
        "done_url": f"{act}?act=done",
        "later_url": f"{act}?act=later",
        "stop_url": f"{act}?act=stop",
    }


def _template(environment: ImmutableSandboxedEnvironment, playbook: str, part: str) -> Template:
    """The playbook's own words; a plan of the operator's may name one that has none."""
    return environment.get_template(f"{playbook if playbook in PLAYBOOKS else '_base'}/{part}")


def _by_event(follow_ups: Sequence[DueFollowUp]) -> list[DueFollowUp]:
    """Those of one event together, in the order in which the events come first."""
    order = {name: n for n, name in reversed(list(enumerate(follow_up.event.name for follow_up in follow_ups)))}
    return sorted(follow_ups, key=lambda follow_up: order[follow_up.event.name])


def _peek(follow_ups: Sequence[DueFollowUp]) -> str:
    """What a mail program shows beside the subject: the promise, or the names."""
    promise = one_line(follow_ups[0].promise or "", 120)
    return f"You promised: {promise}" if promise else _listed([_name_of(one) for one in follow_ups[:5]])


def _name_of(one: DueFollowUp | MissedFollowUp) -> str:
    """The contact's name; without a contact the name of what the owner hosted."""
    if one.contact:
        return one_line(one.contact.name, NAME_LIMIT) or "somebody"
    event = one.event.name if isinstance(one, DueFollowUp) else None
    return one_line(event or "", NAME_LIMIT) or "your meeting"


def _what(playbook: str) -> str:
    return one_line(playbook.replace("-", " "), 40)


def _where(event: Gathering) -> str:
    name = one_line(event.name or "", NAME_LIMIT) or (event.hashtag and f"#{one_line(event.hashtag, 60).lstrip('#')}")
    place = one_line(event.place or "", NAME_LIMIT)
    return (f" at {name}" if name else "") + (f", {place}" if name and place else f" in {place}" if place else "")


def _ago(then: datetime, now: datetime, zone: ZoneInfo) -> str:
    """How long ago in the words people use, counted in days of the recipient's calendar."""
    days = (now.astimezone(zone).date() - then.astimezone(zone).date()).days
    if days < 2:
        return "today" if days < 1 else "yesterday"
    for unit, length, below in (("day", 1, 7), ("week", 7, 60), ("month", 30.44, 360), ("year", 365.25, 10**6)):
        if days < below:
            count = max(round(days / length), 1)
            return f"{count} {unit}s ago" if count > 1 else f"a {unit} ago"
    return "long ago"


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} ({zone.key})"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # the scheduler has refused these; a message must come out all the same
        return ZoneInfo("UTC")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n")) if text else ""


def _only(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None
