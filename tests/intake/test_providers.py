"""What vendors send: their own signatures are right, and their answers become values."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from services.intake.answers import Answer, Ignored, Submission, Unreadable
from services.intake.providers import PROVIDERS, standard, typeform

PAYLOADS = Path(__file__).parent / "payloads"


def _recorded() -> Iterator[Any]:
    for meta in sorted(PAYLOADS.glob("*/*.meta.json")):
        body = meta.with_name(meta.name.replace(".meta.json", ".json"))
        yield pytest.param(meta.parent.name, body.read_bytes(), json.loads(meta.read_text()), id=f"{meta.parent.name}")


RECORDED = list(_recorded())


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize(("name", "body", "meta"), RECORDED)
def test_the_vendors_own_signature_is_right_for_exactly_these_bytes(name: str, body: bytes, meta: Any) -> None:
    provider, headers = PROVIDERS[name], lower(meta["headers"])
    with time_machine.travel(meta["now"] or "2026-11-24", tick=False):
        assert provider.verify(headers, body, meta["secret"])
        for other in (body + b"\n", body[:-1], body.replace(b'"', b"'", 1), body[:-1] + b"\xff", b""):
            assert not provider.verify(headers, other, meta["secret"])
        assert not provider.verify(headers, body, meta["secret"][:-1] + "z")
        for header in headers:
            changed = headers | {header: headers[header][:-2] + "A="}
            assert not provider.verify(changed, body, meta["secret"])
            assert not provider.verify({h: v for h, v in headers.items() if h != header}, body, meta["secret"])


@pytest.mark.parametrize(("name", "body", "meta"), RECORDED)
def test_the_id_is_the_vendors(name: str, body: bytes, meta: Any) -> None:
    read = PROVIDERS[name].read(lower(meta["headers"]), body)
    assert isinstance(read, Submission)
    assert read.key == meta["key"]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_secret_of_ours_is_one_that_can_be_used(name: str) -> None:
    provider = PROVIDERS[name]
    secrets = [secret for _ in range(3) if (secret := provider.new_secret())]
    assert len(set(secrets)) == len(secrets)
    for secret in secrets:
        provider.check_secret(secret)
        assert not provider.verify({}, b"{}", secret)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":1,"a":2}', b"nul", b'{"a":NaN}'])
def test_what_is_no_json_object_is_malformed(name: str, body: bytes) -> None:
    with pytest.raises(ValueError):
        PROVIDERS[name].read({"webhook-id": "1"}, body)


def known_answer() -> tuple[dict[str, str], bytes, str]:
    [meta] = [json.loads(path.read_text()) for path in PAYLOADS.glob("standard/test.meta.json")]
    return dict(meta["headers"]), (PAYLOADS / "standard" / "test.json").read_bytes(), meta["secret"]


RIGHT = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("signature", "is_right"),
    [
        (RIGHT, True),
        (f"v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x {RIGHT} v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ=", True),
        (f"garbage v1 v1, , v1,? {RIGHT}", True),
        (RIGHT.replace("OE=", "OA="), False),
        (RIGHT.replace("OE=", "OF="), False),  # the same bytes, another spelling of the last character
        (RIGHT.replace("v1,", "v2,"), False),
        (RIGHT.replace("v1,", "V1,"), False),
        (RIGHT.removeprefix("v1,"), False),
        ("v1,", False),
        ("v1,é", False),
        ("", False),
    ],
)
def test_one_right_signature_among_others_is_enough(signature: str, is_right: bool) -> None:
    headers, body, secret = known_answer()
    with time_machine.travel("2021-02-25T15:02:10Z", tick=False):
        assert standard.verify(headers | {"webhook-signature": signature}, body, secret) is is_right


@pytest.mark.parametrize("secret", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_the_prefix_of_the_secret_may_be_left_out(secret: str) -> None:
    headers, body, _ = known_answer()
    standard.check_secret(secret)
    with time_machine.travel("2021-02-25T15:02:10Z", tick=False):
        assert standard.verify(headers, body, secret)


@pytest.mark.parametrize("secret", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"])
def test_a_secret_without_its_padding_is_taken(secret: str) -> None:
    standard.check_secret(secret)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_aGVsbG8=", "not base64 at all, is it?", "whsec_ü"])
def test_a_secret_that_proves_nothing_is_refused_at_set_up(secret: str) -> None:
    headers, body, _ = known_answer()
    with pytest.raises(ValueError, match="must be whsec_"):
        standard.check_secret(secret)
    assert not standard.verify(headers, body, secret)


def test_an_id_with_a_dot_could_pass_for_another_time() -> None:
    headers, body, secret = known_answer()
    moved = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330", "webhook-timestamp": "1614265330"}
    with time_machine.travel("2021-02-25T15:02:10Z", tick=False):
        assert not standard.verify(headers | moved, body, secret)


def form(*answers: dict[str, Any], fields: list[dict[str, Any]] | None = None, **response: Any) -> bytes:
    body = {"token": "t1", "definition": {"fields": fields or []}, "answers": list(answers)} | response
    return json.dumps({"event_id": "e1", "event_type": "form_response", "form_response": body}).encode()


def answers(body: bytes) -> tuple[Answer, ...]:
    read = typeform.read({}, body)
    assert isinstance(read, Submission)
    return read.answers


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"type": "text", "text": "Erin"}, "Erin"),
        ({"type": "text", "text": ""}, None),
        ({"type": "email", "email": "erin@district.example"}, "erin@district.example"),
        ({"type": "url", "url": "https://example.org"}, "https://example.org"),
        ({"type": "phone_number", "phone_number": "+15085550123"}, "+15085550123"),
        ({"type": "file_url", "file_url": "https://api.typeform.com/f"}, "https://api.typeform.com/f"),
        ({"type": "date", "date": "2026-10-21"}, "2026-10-21"),
        ({"type": "number", "number": 0}, 0),
        ({"type": "boolean", "boolean": False}, False),
        ({"type": "choice", "choice": {"label": "EdCamp"}}, "EdCamp"),
        ({"type": "choice", "choice": {"other": "A picnic"}}, "A picnic"),
        ({"type": "choices", "choices": {"labels": ["a", "b"], "other": "c"}}, ("a", "b", "c")),
        ({"type": "choices", "choices": {"labels": []}}, None),
        ({"type": "payment", "payment": {"amount": "1", "last4": "1234", "name": "x"}}, "1"),
        ({"type": "something new", "something new": {"deep": True}}, None),
        ({"type": "text"}, None),
        ({"type": ["text"], "text": "x"}, None),
        ({}, None),
    ],
)
def test_every_type_of_answer_becomes_a_value(answer: dict[str, Any], value: object) -> None:
    [read] = answers(form(answer | {"field": {"id": "q1", "type": "short_text", "ref": "r1"}}))
    assert (read.names, read.value) == (("q1", "r1"), value)


def test_title_and_ref_come_from_the_definition_when_the_answer_has_only_an_id() -> None:
    fields = [{"id": "q1", "ref": "r1", "title": "Who?", "type": "short_text"}, {"id": "q2", "title": "Left out"}]
    read = answers(form({"type": "text", "text": "Erin", "field": {"id": "q1"}}, fields=fields))
    assert read == (
        Answer(names=("q1", "r1"), title="Who?", kind="text", value="Erin"),
        Answer(names=("q2",), title="Left out", kind="text", value=None),
    )


def test_questions_of_a_group_stand_beside_the_others() -> None:
    group = {"id": "g", "type": "contact_info", "properties": {"fields": [{"id": "q1", "ref": "r1", "type": "email"}]}}
    [read] = answers(form({"type": "email", "email": "a@b.example", "field": {"id": "q1"}}, fields=[group]))
    assert (read.names, read.kind) == (("q1", "r1"), "email")


def test_hidden_fields_are_answers_by_their_key() -> None:
    [read] = answers(form(hidden={"event": "MassCUE"}))
    assert read == Answer(names=("event",), title="event", kind="hidden", value="MassCUE")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"event_type": 1}',
        b'{"event_type": "form_response"}',
        b'{"event_type": "form_response", "form_response": []}',
        form(token=None),
        form(token="a b"),
        form(token="x" * 300),
        form(answers="x"),
        form(answers=[1]),
        form(definition=3),
        form({"type": "text", "field": "x"}),
        form(hidden=["x"]),
    ],
)
def test_what_typeform_does_not_send_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(Unreadable, match="has no"):
        typeform.read({}, body)


@pytest.mark.parametrize("event", ["form_response_partial", "form_opened"])
def test_other_events_submit_nothing(event: str) -> None:
    assert isinstance(typeform.read({}, json.dumps({"event_type": event}).encode()), Ignored)
