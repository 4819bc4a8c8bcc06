"""Whatever stands in a payload instead of what its vendor sends: words about it, or a meeting; never a failure."""

import json
import random
from typing import Any

import pytest

from services.intake import mapping, meeting
from services.intake.answers import Submission, Unreadable
from services.intake.body import Invalid
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS
from tests.intake.test_payloads import MEETINGS

JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**18, "", " ", "x", "é" * 300, "\ufeff", "[{", '[{"a":1}]', '["a"]', "data:image/",
    [], {}, [[]], [{}], [None, 1, "x"], ["", "", "a@b.c", "", ""], {"a": {"b": [{}]}}, {"id": 1, "text": 2},
    {"year": "", "month": 1, "day": 2}, {"year": "x", "month": "y", "day": "z"}, {"hour": "99", "min": "x"},
    {"timeInput": "a:b"}, {"full": []}, {"area": 1}, {"date": 1, "duration": 2}, {"start": {}}, {"questions": [{}]},
    [{"questions": [1]}], [{"questions": {}}],
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def changed(document: Any, place: tuple[Any, ...], junk: Any) -> Any:
    if not place:
        return junk
    copy = json.loads(json.dumps(document))
    node = copy
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = junk
    return copy


def mutated(provider: str, body: bytes, random_: random.Random) -> list[bytes]:
    """A few hundred bodies, each with something else in one or two places."""
    before, after = b"", b""
    if provider == "jotform":
        begin = body.index(b"\r\n\r\n", body.index(b'name="rawRequest"')) + 4
        end = body.index(b"\r\n--", begin)
        before, body, after = body[:begin], body[begin:end], body[end:]
    document = json.loads(body)
    found = []
    for place in places(document):
        for junk in random_.sample(JUNK, 6):
            one = changed(document, place, junk)
            if isinstance(one, dict):
                other = random_.choice(places(one))
                one = changed(one, other, random_.choice(JUNK)) if random_.random() < 0.3 else one
            found.append(before + json.dumps(one).encode() + after)
    return found


@pytest.mark.parametrize(("provider", "body", "expected"), MEETINGS)
def test_what_a_vendor_never_sends_is_answered_in_words(provider: str, body: bytes, expected: dict[str, Any]) -> None:
    headers = {"content-type": expected.get("content_type", "application/json")}
    for sent in mutated(provider, body, random.Random(7)):
        try:
            read = PROVIDERS[provider].read(headers, sent)
        except (ValueError, Unreadable) as error:
            assert str(error)
            continue
        if not isinstance(read, Submission):
            continue
        assert read.key
        mapped = mapping.apply(read, mapping=expected["map"], fixed=expected.get("set", {}))
        try:
            meeting.read(mapped.document, plans=("default",), defaults=Defaults())
        except Invalid as invalid:
            assert all(error["problem"] for error in mapping.explained(invalid.errors, mapped))
