"""What there is to say about one follow-up: who, where, when, what was said, all of it harmless for any output."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.notifier import moments
from services.notifier.plain import one_line, several_lines, web_address
from services.notifier.words import Words, language, words
from shared.events import Contact, DueFollowUp, Gathering, NudgeData

NAME_LIMIT: Final = 200
EVENT_LIMIT: Final = 80  # inside a sentence
LATE: Final = timedelta(hours=1)
TITLES: Final = re.compile(
    r"(dr|dra|mr|mrs|ms|miss|mx|prof|professor|sir|coach|sr|sra|srta|señor|señora|don|doña|profe|profesora?|maestr[oa])\.?",
    re.IGNORECASE,
)
TWO_IN_ONE: Final = {
    "ana",
    "jose",
    "josé",
    "juan",
    "luis",
    "luz",
    "maria",
    "maría",
    "mary",
    "miguel",
    "rosa",
}  # María José


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The facts of one follow-up, seen by the one who reads of them."""

    words: Words
    playbook: str
    is_chat: bool
    them: Contact | None  # whom the reader met: for an owner the contact, for a contact the owner
    name: str  # theirs, else that of what the reader hosted
    met: str  # "You met 3 weeks ago at MassCUE 2026, Foxborough."
    seen: str  # "3 weeks ago at MassCUE 2026"
    late: str
    goal: str
    promise: str
    notes: str
    topics: str
    hashtag: str
    document: str | None
    form_url: str | None
    given: Mapping[str, object]  # to the words

    def say(self, phrase: str, /, **more: object) -> str:
        """Return this phrase about this follow-up."""
        return self.words.say(phrase, **{**self.given, **more})


def story(follow_up: DueFollowUp, nudge: NudgeData, *, now: datetime) -> Story:
    """Return what the recipient is to know. What the owner noted or promised stays out of a nudge to the contact."""
    said = words(follow_up.playbook, language(nudge.recipient.locale))
    zone = moments.zone(nudge.recipient.time_zone)
    is_private = nudge.to == "contact"
    them, gathering = follow_up.contact, follow_up.event
    if follow_up.playbook == "confirm-address":
        gathering = Gathering(name="Afterhello")  # a stranger may have typed the other name, and is not ours to quote
    if is_private:
        them = Contact(name=follow_up.owner.name or "", email=follow_up.owner.email) if follow_up.owner else None
    topics = [] if is_private else [one_line(topic, 60) for topic in follow_up.topics[:20] if topic.strip()]
    promise = "" if is_private else several_lines(follow_up.promise or "", 500)
    document = web_address(follow_up.document or "")
    goal = moments.date(follow_up.goal_at, zone, said) if follow_up.goal_at and follow_up.goal_at > now else ""
    ago = moments.ago(follow_up.met_at, now, zone, said)
    given = {
        "name": name(them, gathering, said),
        "first": first_name(one_line(them.name, 60) if them else "") or said.say("page.somebody"),
        "me": first_name(one_line(nudge.recipient.name or "", 60)),
        "event": event_name(gathering, EVENT_LIMIT),
        "at": _at(gathering, said, EVENT_LIMIT),
        "topics": moments.listed(topics[:3], said),
        "promise": one_line(promise, 500).rstrip("."),
        "document": document,
        "hashtag": hashtag(gathering),
        "goal": goal,
    }
    met = said.say("page.met", ago=ago, at=_at(gathering, said, NAME_LIMIT), place=_place(gathering, said))
    is_late = now - follow_up.due_at > LATE
    return Story(
        words=said,
        playbook=follow_up.playbook,
        is_chat=gathering.kind == "chat",
        them=them,
        name=str(given["name"]),
        met=met if them else "",
        seen=said.say("page.seen", ago=ago, at=given["at"]) if them else "",
        late=said.say("page.late", when=moments.moment(follow_up.due_at, zone, said)) if is_late else "",
        goal=said.say("page.goal", goal=goal) if goal else "",
        promise=promise,
        notes="" if is_private else several_lines(follow_up.notes or "", 4000),
        topics=said.say("page.topics", topics=moments.listed(topics, said)) if topics and them else "",
        hashtag=str(given["hashtag"]),
        document=document,
        form_url=web_address(follow_up.form_url or ""),
        given=given,
    )


def name(them: Contact | None, event: Gathering, words: Words) -> str:
    """Return the person's name; without a person the name of what the owner hosted."""
    if them:
        return one_line(them.name, NAME_LIMIT) or words.say("page.somebody")
    return one_line(event.name or "", NAME_LIMIT) or words.say("page.nameless")


def first_name(name: str) -> str:
    """Return how a friend would address this person, in doubt the whole name."""
    if "," in name:  # Okafor, Erin
        return first_name(" ".join(reversed([part.strip() for part in name.split(",", 1)])))
    first, *rest = name.split() or [""]
    if TITLES.fullmatch(first) or first.endswith(".") or len(first) == 1 or not first[:1].isupper():
        return name
    return f"{first} {rest[0]}" if first.lower() in TWO_IN_ONE and len(rest) > 1 else first


def event_name(event: Gathering, limit: int = NAME_LIMIT) -> str:
    """Return the event's name, or its hashtag."""
    return one_line(event.name or "", limit) or hashtag(event)


def hashtag(event: Gathering) -> str:
    """Return the event's hashtag with its #, or nothing when what was given is none."""
    tag = one_line(event.hashtag or "", 60).lstrip("#＃")
    return f"#{tag}" if re.fullmatch(r"\w+", tag) else ""


def _at(event: Gathering, words: Words, limit: int) -> str:
    if called := event_name(event, limit):
        return words.say("at.chat" if event.kind == "chat" else "at.named", event=called)
    return words.say(f"at.unnamed.{event.kind}")


def _place(event: Gathering, words: Words) -> str:
    place = one_line(event.place or "", NAME_LIMIT)
    return words.say("at.place_named" if event_name(event) else "at.place", place=place) if place else ""
