import json
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from shared import events
from shared.events import EVENTS, Event
from tests.factories import acted, meeting_logged, nudge_due

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.json")), ids=lambda file: file.stem)
def test_every_version_ever_published_still_parses_and_loses_nothing(sample: Path) -> None:
    document = sample.read_bytes()

    event = events.read(document)

    assert f"{event.type.removeprefix('afterhello.')}.json" == sample.name
    assert events.read(event.to_json()) == event
    assert same(json.loads(event.to_json()), json.loads(document))


def test_every_event_has_a_sample() -> None:
    assert {file.stem for file in SAMPLES.glob("*.json")} >= {type.removeprefix("afterhello.") for type in EVENTS}


def test_a_sample_leaves_no_field_of_its_event_out() -> None:
    for sample in SAMPLES.glob("*.json"):
        event = events.read(sample.read_bytes())
        assert set(json.loads(sample.read_bytes())["data"]) == set(type(event.data).model_fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", [meeting_logged(), nudge_due(), acted()], ids=lambda event: str(event.type))
def test_our_envelope_is_one_for_the_library_of_the_standard(event: Event) -> None:
    message = HTTPMessage(headers={"content-type": events.CONTENT_TYPE}, body=event.to_json())

    theirs = from_structured_event(message, JSONFormat())

    assert (theirs.get_type(), theirs.get_source(), theirs.get_id()) == (event.type, event.source, str(event.id))
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_subject() == event.subject
    assert theirs.get_time() == event.time
    assert theirs.get_data() == json.loads(event.to_json())["data"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a CloudEvents 1.0 document"),
        (b'{"specversion": "0.3"}', "not a CloudEvents 1.0 document"),
        (b'{"specversion": "1.0", "type": "afterhello.meeting.logged.v2"}', "unknown event type"),
        (b'{"specversion": "1.0", "type": {"a": 1}}', "unknown event type"),
        (
            b'{"specversion": "1.0", "type": "afterhello.person.erased.v1", "id": 7}',
            r"afterhello\.person\.erased\.v1: ",
        ),
    ],
)
def test_what_is_no_event_of_ours_is_refused_in_words(document: bytes, why: str) -> None:
    with pytest.raises(events.Unreadable, match=why):
        events.read(document)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_split_or_be_refused(body: bytes) -> None:
    try:
        for document in events.split(body):
            events.read(document)
    except events.Unreadable:
        pass


def test_a_field_that_a_newer_version_added_is_ignored() -> None:
    event = meeting_logged()
    document = json.loads(event.to_json())
    document["newer"] = document["data"]["newer"] = document["data"]["meeting"]["newer"] = 1

    assert events.read(json.dumps(document).encode()) == event


@pytest.mark.parametrize("n", [1, 2, 100])
def test_a_batch_splits_into_what_was_put_in(n: int) -> None:
    logged = [meeting_logged(notes="[é]") for _ in range(n)]

    content_type, body = events.batch([event.to_json() for event in logged])

    assert content_type == (events.CONTENT_TYPE if n == 1 else events.BATCH_CONTENT_TYPE)
    assert [events.read(document) for document in events.split(body)] == logged


def test_ids_are_of_version_7_and_sort_by_their_time() -> None:
    ids = [events.new_id() for _ in range(1000)]

    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 1000
    assert sorted(id.int >> 80 for id in ids) == [id.int >> 80 for id in ids]


def same(ours: object, published: object) -> bool:
    """Return whether two documents say the same: an absent field is a null one, an instant may be spelled anew."""
    match ours, published:
        case dict(), dict():
            return all(same(ours.get(key), published.get(key)) for key in ours.keys() | published.keys())
        case list(), list():
            return len(ours) == len(published) and all(map(same, ours, published))
        case _:
            return ours == published
