"""Nudges for tests of messages, the same every time."""

from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any, Final
from uuid import UUID

from services.notifier import message
from services.notifier.words import LANGUAGES as LANGUAGES
from services.notifier.words import PLAYBOOKS as FOLDERS
from shared.events import Contact, DueFollowUp, Gathering, MissedFollowUp, NudgeData, Recipient, Sender
from tests.factories import at
from tests.notifier.sending import LINKS

NOW: Final = at("2026-11-11 15:30", "America/New_York")
PLAYBOOKS: Final = sorted(FOLDERS)
PROMPTS: Final = {"who-did-you-meet", "confirm-address"}  # about nobody yet
ERIN: Final = Contact(
    name="Erin Okafor",
    email="erin@district.example",
    phone="+15085550123",
    links=("https://bsky.app/profile/erin.example", "https://blog.erin.example/"),
)
HOSTILE: Final = (
    "{{7*7}}{% for x in ().__class__.__mro__ %}{{x}}{% endfor %}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "Erin\r\nBcc: victim@example.org\r\n\r\n<p>hello",
    "=?utf-8?q?=0D=0ABcc:_x@y?=",
    "\u202eevil\u2066 \u200fnirE\x00\x1b[31m",
    "a" * 1_000_000,
    "\ud800 lone \udfff",
    "\u2028\u2029\x85\v\f",
    "erin@x.example?bcc=victim@example.org&body=hello",
    "+1508555;phone-context=evil,*21*#",
    'x" onmouseover="alert(1)" y="',
    "BEGIN:VCALENDAR\nATTENDEE:mailto:victim@example.org;a,b\\n",
)


def follow_up(n: int = 1, **given: Any) -> DueFollowUp:
    fields: dict[str, Any] = {
        "id": UUID(int=n),
        "playbook": "say-hello",
        "step": 1,
        "occurrence": 1,
        "due_at": NOW,
        "meeting": UUID(int=100 + n),
        "connection": UUID(int=200 + n),
        "logged_at": NOW - timedelta(days=21),
        "met_at": NOW - timedelta(days=21),
        "contact": ERIN,
        "event": Gathering(name="MassCUE 2026", kind="conference", place="Foxborough"),
        "notes": "Robotics club swap.\nHas a spare kit & knows the judges",
        "topics": ("robotics", "grants"),
        "promise": "send the rubric",
    }
    return DueFollowUp(**fields | given)


def prompt(**given: Any) -> DueFollowUp:
    asked = {"contact": None, "form_url": "https://hello.example/log?event.name=SIG", "promise": None, "notes": None}
    event = Gathering(name="Robotics SIG", kind="sig")
    return follow_up(8, **{"playbook": "who-did-you-meet", "event": event, "topics": ()} | asked | given)


def nudge(*follow_ups: DueFollowUp, locale: str = "en", **given: Any) -> NudgeData:
    fields: dict[str, Any] = {
        "nudge": UUID(int=9),
        "recipient": Recipient(
            id=UUID(int=7),
            name="Ada Lovelace",
            address="ada@school.example",
            time_zone="America/New_York",
            locale=locale,
        ),
        "channel": "email",
        "due_at": NOW,
        "too_late_after": NOW + timedelta(days=1),
        "follow_ups": follow_ups or (follow_up(),),
    }
    return NudgeData(**fields | given)


def of(playbook: str, **given: Any) -> NudgeData:
    """One nudge of this playbook alone, as it comes about."""
    return nudge(prompt(playbook=playbook) if playbook in PROMPTS else follow_up(playbook=playbook), **given)


def several(**given: Any) -> NudgeData:
    return nudge(
        follow_up(1, playbook="keep-promise"),
        follow_up(2, contact=Contact(name="Bo"), event=Gathering(name="EdCamp Boston", kind="edcamp"), promise=None),
        follow_up(3, contact=Contact(name="Cy", phone="+15085550123"), playbook="call", notes=None, promise=None),
        missed=(
            MissedFollowUp(
                id=UUID(int=5),
                playbook="check-in",
                due_at=NOW - timedelta(days=3),
                connection=UUID(int=6),
                contact=Contact(name="Di"),
            ),
        ),
        **given,
    )


def chat(**given: Any) -> NudgeData:
    """Met in a chat, with nothing but a link known of them."""
    them = Contact(name="Erin Okafor", links=("https://mastodon.example/@erin",))
    return nudge(follow_up(contact=them, event=Gathering(kind="chat", hashtag="edchat"), promise=None), **given)


def to_contact(**given: Any) -> NudgeData:
    """A nudge to Erin, on behalf of Ada, who noted and promised things that are nobody else's business."""
    erin = Recipient(
        id=UUID(int=17), name="Erin Okafor", address="erin@district.example", locale=given.pop("locale", "en")
    )
    ada = Sender(id=UUID(int=7), name="Ada Lovelace", email="ada@school.example")
    return nudge(follow_up(playbook="ask", owner=ada), recipient=erin, to="contact", **given)


def written(nudge: NudgeData, *, now: datetime = NOW, **given: Any) -> message.Mail:
    return message.mail(nudge, LINKS, now=now, **given)


class Read(HTMLParser):
    """What a mail program makes of the HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.hrefs: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.hrefs += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
