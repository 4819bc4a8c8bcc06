"""A nudge becomes a text: who, which of them, and a link; in one part, never with notes or a promise. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from services.notifier.plain import one_line
from shared.events import NudgeData

SENDER: Final = "Afterhello"
NAME_LIMIT: Final = 60
SINGLE_7, PART_7 = 160, 153  # septets in a text of its own, and in one of several parts
SINGLE_16, PART_16 = 70, 67  # UTF-16 units
BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("^{}\\[~]|€\f")  # two septets each
# One curly quote makes the whole text UCS-2: 70 characters a part instead of 160, at twice the price.
PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u0060\u00b4\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\t", " "),
        "\u2026": "...",
        "\u2022": "*",
    }
)
# Letters that no accent can be taken off.
STROKES: Final = str.maketrans("łŁđĐıİħĦŧŦœŒþÞðÐẞ", "lLdDiIhHtToOtTdDS")


class Say(Protocol):
    """The words of a text, with its link: of a name, and of an event or of none."""

    def __call__(self, *, name: str, event: str) -> str: ...


def text(nudge: NudgeData, say: Say, *, link: str, introductions: Sequence[str] = ()) -> str:
    """Return the text, in one part: what was typed is shortened at a word, the event before the name.

    The first one to a number has an introduction too, the longest of these that leaves the name whole. Where the
    letters of a name leave seventy characters to all of it, it is said in as few words as that takes; beside an
    introduction there is no room for it, and the page behind the link tells.
    """
    first = nudge.follow_ups[0]
    event = _inert(first.event.name or "")
    name = _inert(first.contact.name) if first.contact else event or "?"
    typed = dict.fromkeys([(name, event), (_unadorned(name) or name, _unadorned(event))])
    endings = introductions or ("",)
    of_all = [(shown, where) for shown, event in typed for where in (*_shorter(event), "")]
    of_the_name = [(shown, "") for name, _ in typed for shown in (*_shorter(name), *_beginnings(name))]

    def barely(*, name: str, event: str) -> str:
        return " ".join(filter(None, (f"{SENDER}:", name, event, link)))

    of_the_event = [("", where) for _, event in typed for where in (*_shorter(event), "")]
    tries = [
        *((say, shown, ending) for ending in endings for shown in of_all),
        *((say, shown, ending) for shown in of_the_name for ending in endings),
        *((barely, shown, ending) for shown in (*of_the_name, *of_the_event) for ending in endings),
    ]
    for way, (name, event), ending in tries:
        said = _signed(way(name=name, event=event), ending)
        for whole in (said, _folded(said)):
            if parts(whole) == 1:
                return whole
    # The link alone is too long: that of a form of the operator's own.
    return _folded(_signed(barely(name="", event=""), endings[-1]))


def whole(nudge: NudgeData, say: Say) -> str:
    """Return the text with all that was typed, where its length costs nothing."""
    first = nudge.follow_ups[0]
    event = _inert(first.event.name or "")
    return say(name=_inert(first.contact.name) if first.contact else event or "?", event=event)


def parts(text: str) -> int:
    """Return how many parts the text is sent in, which is what it costs."""
    if all(character in BASIC or character in EXTENDED for character in text):
        return _parts([2 if character in EXTENDED else 1 for character in text], single=SINGLE_7, part=PART_7)
    return _parts([2 if ord(character) > 0xFFFF else 1 for character in text], single=SINGLE_16, part=PART_16)


def _parts(units: list[int], *, single: int, part: int) -> int:
    """Neither an escape sequence nor a surrogate pair may be cut in two."""
    if sum(units) <= single:
        return 1
    count, room = 1, part
    for unit in units:
        if unit > room:
            count, room = count + 1, part
        room -= unit
    return count


def _shorter(words: str) -> Iterator[str]:
    """The words, then with the last one gone, and so on."""
    kept = words.split()
    for count in range(len(kept), 0, -1):
        yield " ".join(kept[:count])


def _beginnings(words: str) -> Iterator[str]:
    """The first word's beginning, shorter and shorter: some names are one word of any length."""
    word = next(iter(words.split()), "")
    for length in range(min(len(word) - 1, 24), 0, -1):
        if length > 3 or not word.isascii():  # of some scripts a letter is a word
            yield word[:length]


def _inert(typed: str) -> str:
    """What somebody typed, so that no telephone makes a link of it."""
    line = one_line(typed, NAME_LIMIT).translate(PLAIN).replace("://", " ").replace("/", " ")
    return re.sub(r"\.(?=\w)", ". ", line)


def _unadorned(typed: str) -> str:
    """Without signs such as emoji, one of which would leave seventy characters to all of it."""
    kept = "".join(one for one in typed if one in BASIC or one in EXTENDED or unicodedata.category(one)[0] not in "SC")
    return " ".join(kept.replace("\ufe0f", "").split())


def _signed(said: str, introduction: str) -> str:
    said = said if said.startswith(SENDER) else f"{SENDER}: {said}"
    return f"{said} {introduction}".strip().translate(PLAIN)


def _folded(said: str) -> str:
    """The text without the accents that alone would make it UCS-2; those that fit, such as in Spanish, stay."""
    return "".join(
        character
        if character in BASIC or character in EXTENDED
        else "".join(c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn")
        for character in said
    ).translate(STROKES)
