"""Which field a question is about, guessed from its title. Pure; a table to read and to add to."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final, NamedTuple

from services.intake.answers import Answer, Kind


class Guess(NamedTuple):
    """A question of one of these kinds whose tidied title fits is taken to be about this field."""

    field: str
    kinds: Collection[Kind]
    title: re.Pattern[str]


TEXT: Final[Collection[Kind]] = ("text", "choice", "hidden", "number")
THEIR: Final = (
    r"(their|his|her|(the )?(contact|person|colleague|connection|educator) ?s?|new (contact|colleague|friend)s?)"
)
YOUR: Final = r"(your|my|su|tu)"


def _guess(field: str, kinds: Collection[Kind], *titles: str) -> Guess:
    return Guess(field, kinds, re.compile("|".join(f"(?:{title})" for title in titles)))


# In this order: what says clearly whose it is comes before what only says what it is. Whether the contact agreed to be
# written to (`contact.consent`) is never guessed.
GUESSES: Final = (
    _guess(
        "contact.email",
        ("email", "text", "hidden"),
        rf"\b{THEIR} e ?mail",
        r"e ?mail (address )?(of|for) (the|your new)",
    ),
    _guess(
        "owner.email",
        ("email", "text", "hidden"),
        rf"\b{YOUR} (own |school |work )?(e ?mail|correo)",
        r"^respondent e ?mail",
    ),
    _guess("contact.phone", ("phone", "text", "hidden"), rf"\b{THEIR} (phone|mobile|cell|telephone|number)"),
    _guess("owner.phone", ("phone", "text", "hidden"), rf"\b{YOUR} (phone|mobile|cell|telephone|number)"),
    _guess(
        "contact.name",
        TEXT,
        r"^whom? (did|have) you (just )?(meet|met|talk|spoken|speak|see)",
        r"^whom? was it$",
        r"^whom?$",
        rf"\b{THEIR} (full |first )?name",
        r"name of (the )?(person|contact|colleague|educator|new)",
        r"^(person|someone|somebody|educator) (you|i) met",
        r"^new (contact|connection|friend|colleague)$",
        r"^contact( name)?$",
        r"^a quien conocio",
    ),
    _guess("owner.name", TEXT, rf"\b{YOUR} (full |first |own )?(name|nombre)\b", r"^who are you$"),
    _guess(
        "contact.links",
        ("url", "text", "hidden"),
        rf"\b{THEIR} (links?|web ?site|profile|linkedin|twitter|bluesky|mastodon|social)",
        r"^(links?|linkedin|bluesky|mastodon|web ?site|profile|social media)$",
    ),
    _guess(
        "event.kind",
        ("choice", "text", "hidden"),
        r"^(what|which) (kind|type|sort) of (event|meeting|gathering)",
        r"^(kind|type|sort) of (event|meeting|gathering)",
        r"^event (kind|type)$",
    ),
    _guess("event.hashtag", ("text", "choice", "hidden"), r"\bhash ?tag\b"),
    _guess(
        "event.place",
        ("text", "choice", "hidden"),
        r"^(place|venue|city|town|location)$",
        r"^(which|what) (place|venue|city|town)\b",
    ),
    _guess(
        "event.name",
        ("text", "choice", "hidden"),
        r"^(which|what) (event|conference|ed ?camp|meet ?up|chat|webinar|session)\b",
        r"^where$",
        r"^where (did|have) (you|we) (two )?(meet|met)",
        r"^(name of (the )?)?(event|conference|ed ?camp|meet ?up)( name)?$",
        r"^donde\b",
    ),
    _guess(
        "met_at",
        ("date", "text", "hidden"),
        r"^when$",
        r"^when (did|have) (you|we) (two )?(meet|met|talk|speak|see)",
        r"^when was (it|this|that)$",
        r"^(date|day) ((you|we) met|of (the |your )?(meeting|event|conversation))",
        r"^date$",
        r"^cuando\b",
    ),
    _guess(
        "goal_at", ("date", "text", "hidden"), r"^(shared )?(goal|deadline)( date)?$", r"^by when\b", r"^until when\b"
    ),
    _guess(
        "promise",
        TEXT,
        r"\bpromised?\b",
        r"^what (will|should|do|did) you (send|share|offer|agree|have to|need to)",
        r"^(next step|to do|follow up)s?$",
    ),
    _guess(
        "topics",
        TEXT,
        r"^(shared )?(topics?|interests?|subjects?|tags?|themes?)\b",
        r"^what (topics?|subjects?|interests?)\b",
    ),
    _guess(
        "document",
        ("url", "text", "hidden"),
        r"^(shared )?(document|resource|file)( link| url)?s?$",
        r"^link to (the |a )?(document|resource|file|share)",
    ),
    _guess(
        "notes",
        TEXT,
        r"^notes?\b",
        r"^what did you (two )?(talk|speak|chat|discuss)",
        r"^(anything|something) (else|to remember)\b",
        r"^(comments?|details|remarks?|conversation)$",
        r"^notas?\b",
    ),
    _guess("owner.time_zone", ("text", "choice", "hidden"), r"\btime ?zone\b"),
    _guess("plan", ("text", "choice", "hidden"), r"^(follow up )?plan$"),
)

# These do not say whose it is: the owner's, unless the owner is known from elsewhere and only the contact is asked for.
WHOSE: Final = (
    _guess("email", ("email", "text", "hidden"), r"^e ?mail( address)?$", r"^correo( electronico)?$"),
    _guess("phone", ("phone", "text", "hidden"), r"^(phone|mobile|telephone|cell)( number)?$"),
    _guess("name", TEXT, r"^(full |first )?name$", r"^nombre$"),
)


def tidied(title: str) -> str:
    """Return a title without case, accents, punctuation and differences of blanks."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\W_]+", " ", plain.casefold()).split())


def guess(questions: Collection[Answer], wanted: Collection[str], *, owner_is_known: bool) -> dict[str, Answer]:
    """Return the wanted fields with the question each is most likely answered by; no question serves two."""
    free = [question for question in questions if question.value is not None]
    found: dict[str, Answer] = {}

    def take(field: str, question: Answer) -> None:
        found[field] = question
        free.remove(question)

    for question in tuple(free):  # a question whose key is the name of our field says so itself
        name = next((name for name in question.names if name in wanted and name not in found), None)
        if name:
            take(name, question)
    whose = "contact" if owner_is_known else "owner"
    for field, kinds, title in (*GUESSES, *(one._replace(field=f"{whose}.{one.field}") for one in WHOSE)):
        fits = [question for question in free if question.kind in kinds and title.search(tidied(question.title))]
        if field in wanted and field not in found and fits:
            # A question made for addresses is the better guess for one than a line of text.
            take(field, min(fits, key=lambda question: tuple(kinds).index(question.kind)))
    addresses = [question for question in free if question.kind == "email"]
    others = YOUR if owner_is_known else THEIR
    field = f"{whose}.email"
    only = len(addresses) == 1 and not re.search(rf"\b{others}\b", tidied(addresses[0].title))
    if field in wanted and field not in found and only:
        take(field, addresses[0])
    return found
