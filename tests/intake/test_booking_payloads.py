"""What booking and call tools send: verified, understood, and what one expects of it; thrice is once."""

import asyncio
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import time_machine

from services.intake.answers import Booking, Gathered, Handshake, Ignored, Unreadable
from services.intake.providers import PROVIDERS, calcom, calendly, zoom
from shared.db import Pool
from tests.intake.senders import signed
from tests.intake.serving import Intake, Sender
from tests.intake.test_payloads import differences

PAYLOADS = Path(__file__).parent / "payloads"
TOOLS = ("calcom", "calendly", "zoom")


def payloads() -> Iterator[Any]:
    for path in sorted(PAYLOADS.glob("*/*.expect.json")):
        expected = json.loads(path.read_text())
        if path.parent.name in TOOLS:
            body = path.with_name(path.name.replace(".expect.json", ".json"))
            name = f"{path.parent.name}-{path.name.removesuffix('.expect.json')}"
            yield pytest.param(path.parent.name, body.read_bytes(), expected, id=name)


ALL = list(payloads())
KEPT = [one for one in ALL if "key" in one.values[2]]


async def sender(intake: Intake, provider: str, expected: dict[str, Any]) -> Sender:
    return await intake.source(provider, mapping=expected.get("map", {}), owner=expected.get("owner"))


@pytest.mark.parametrize(("provider", "body", "expected"), ALL)
def test_a_payload_is_understood(provider: str, body: bytes, expected: dict[str, Any]) -> None:
    assert expected["kind"] in {"recorded", "documented"} and expected["source"]
    delivery = PROVIDERS[provider].read({}, body)
    if "ignored" in expected:
        assert isinstance(delivery, Ignored)
    elif "challenge" in expected:
        assert isinstance(delivery, Handshake)
    elif "prompt" in expected:
        assert isinstance(delivery, Gathered)
        assert (delivery.key, delivery.id) == (expected["key"], expected["id"])
    else:
        assert isinstance(delivery, Booking)
        assert (delivery.key, delivery.id, delivery.what) == (expected["key"], expected["id"], expected["what"])
        assert delivery.moved_from == expected.get("moved_from")


@pytest.mark.parametrize(("provider", "body", "expected"), KEPT)
async def test_sent_three_times_over_it_is_one(
    intake: Intake, provider: str, body: bytes, expected: dict[str, Any]
) -> None:
    source = await sender(intake, provider, expected)

    answers = [await source.send(body) for _ in range(3)]

    first = 200 if provider == "zoom" else 202
    assert [answer.status for answer in answers] == [first, 200, 200], await answers[0].text()
    ids = [await answer.json() for answer in answers]
    assert ids[0] == ids[1] == ids[2]
    rows = await intake.pool.fetch("SELECT id, sent FROM meetings ORDER BY ordinal")
    assert [str(row["id"]) for row in rows] == ids[0]["meetings"]
    assert len(rows) == len(expected["meetings"])
    for row, wanted in zip(rows, expected["meetings"], strict=True):
        assert differences(wanted, row["sent"]) == []
    events = await intake.events()
    assert len(events) == len(rows) + ("prompt" in expected)
    if "prompt" in expected:
        assert differences(expected["prompt"], events[0]["data"]) == []


@pytest.mark.parametrize(("provider", "body", "expected"), ALL)
async def test_changed_or_signed_by_somebody_else_it_is_refused_and_nothing_is_stored(
    intake: Intake, provider: str, body: bytes, expected: dict[str, Any]
) -> None:
    source = await sender(intake, provider, expected)
    right = source.signed(body)
    middle = len(body) // 2
    forged = [
        (body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :], right),
        (body + b"\n", right),
        (body, signed(provider, body, source.secret[:-1] + "~")),
        (body, signed(provider, body, "")),
        (body, {"Content-Type": "application/json"}),
        *((body, right | {name: value[:-1] + "~"}) for name, value in right.items() if name != "Content-Type"),
    ]
    if provider != "calcom":
        forged += [
            (body, source.signed(body, at=datetime.now(UTC) + timedelta(seconds=seconds))) for seconds in (-310, 310)
        ]

    for changed, headers in forged:
        assert (await intake.client.post(source.path, data=changed, headers=headers)).status == 401

    assert await intake.stored() == {}
    assert (await source.send(body)).status in {200, 202}


@pytest.mark.parametrize("provider", TOOLS)
async def test_no_answer_ever_unhooks_a_tool(intake: Intake, provider: str) -> None:
    source = await intake.source(provider)
    for broken in (
        b"", b"{}", b"[]", b"\xff", b'{"event": 1}', b'{"triggerEvent": "BOOKING_CREATED"}',
        b'{"triggerEvent": "BOOKING_CREATED", "payload": []}', b'{"triggerEvent": "MEETING_ENDED", "uid": "a"}',
        b'{"triggerEvent": "BOOKING_CREATED", "payload": {"uid": "a", "endTime": "x", "attendees": [{"email": "e"}]}}',
        b'{"triggerEvent": "BOOKING_CANCELLED", "payload": {"uid": "a", "attendees": 7}}',
        b'{"event": "invitee.created", "payload": {"uri": "a"}}', b'{"event": "invitee.canceled", "payload": {}}',
        b'{"event": "invitee.created", "payload": {"uri": "a", "scheduled_event": {"end_time": "soon"}}}',
        b'{"event": "meeting.ended", "payload": {"object": {"uuid": ""}}}', b'{"event": "meeting.ended"}',
        b'{"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1:{}"}}',
    ):  # fmt: skip
        answer = await source.send(broken)
        assert answer.status in {200, 400, 422}, await answer.text()
    assert await intake.count("meetings") == 0


@pytest.mark.parametrize(("seconds", "right"), [(-181, False), (-179, True), (179, True), (181, False)])
def test_a_calendly_signature_is_right_for_three_minutes(seconds: int, right: bool) -> None:
    at = datetime(2026, 10, 21, 18, 10, tzinfo=UTC)
    headers = {name.lower(): value for name, value in signed("calendly", b"{}", "key", at=at).items()}
    with time_machine.travel(at + timedelta(seconds=seconds), tick=False):
        assert calendly.verify(headers, b"{}", "key") is right


def test_of_several_calendly_signatures_one_right_one_is_enough() -> None:
    at = datetime(2026, 10, 21, 18, 10, tzinfo=UTC)
    right = signed("calendly", b"{}", "key", at=at)["Calendly-Webhook-Signature"]
    stamp, one = right.split(",")
    wrong = f"v1={'0' * 64}"
    with time_machine.travel(at, tick=False):
        for header, is_right in (
            (f"{stamp},{wrong},{one}", True),
            (f"{stamp}, {one}", True),
            (f"{stamp},{wrong}", False),
            (f"{stamp},v0{one[2:]}", False),
            (f"{stamp},t=1,{one}", False),
            (one, False),
            (stamp, False),
        ):
            assert calendly.verify({"calendly-webhook-signature": header}, b"{}", "key") is is_right, header


def test_vectors_computed_elsewhere_are_right() -> None:
    """Made once with OpenSSL: `printf %s BODY | openssl dgst -sha256 -hmac SECRET`."""
    body = b'{"triggerEvent":"PING"}'
    headers = {"x-cal-signature-256": CALCOM_VECTOR}
    assert calcom.verify(headers, body, "afterhello")
    assert not calcom.verify({"x-cal-signature-256": CALCOM_VECTOR.upper()}, body, "afterhello")
    with time_machine.travel(datetime.fromtimestamp(1792606200, UTC), tick=False):
        given = {"calendly-webhook-signature": f"t=1792606200,v1={CALENDLY_VECTOR}"}
        assert calendly.verify(given, b'{"event":"invitee.created"}', "afterhello")
        stamped = {"x-zm-request-timestamp": "1792606200", "x-zm-signature": f"v0={ZOOM_VECTOR}"}
        assert zoom.verify(stamped, b'{"event":"meeting.ended"}', "afterhello")
    challenge = zoom.read({}, b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}')
    assert isinstance(challenge, Handshake)
    assert challenge.answer("afterhello") == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": ZOOM_CHALLENGE_VECTOR,
    }


CALCOM_VECTOR = "b9aee10fa76ae5648b746b53a4a442a56847967bafc82872e87b8ce57957f270"
CALENDLY_VECTOR = "8255f56ef45d6d0892c3395c83e187ae0cfb34d8465d91a6151b7d163569b938"
ZOOM_VECTOR = "4a7fea623cba3e7b819b79959d53efa9af00281978b5c24daa4e357799aa419f"
ZOOM_CHALLENGE_VECTOR = "672e2cfa1e07a918357ff143a9cab8138dcd16d5cae21713fae830e8b4dd83c3"


@pytest.mark.parametrize("secret", ["no-secret-provided", ""])
def test_a_cal_com_webhook_without_a_secret_proves_nothing(secret: str) -> None:
    headers = {"x-cal-signature-256": "no-secret-provided"}
    assert not calcom.verify(headers, b"{}", "a secret")
    assert not calcom.verify(headers, b"{}", secret)
    with pytest.raises(ValueError, match="signs nothing"):
        calcom.check_secret(secret)


async def test_a_custom_template_of_cal_com_is_refused_in_words(intake: Intake) -> None:
    source = await intake.source("calcom")
    form = b"triggerEvent=BOOKING_CREATED&title=Intro"

    as_form = await source.send(form, Content_Type="application/x-www-form-urlencoded")
    as_json = await source.send(b'{"content": "A new event has been scheduled"}')

    for answer in (as_form, as_json):
        [error] = (await answer.json())["errors"]
        assert (answer.status, "custom payload template" in error["problem"]) == (422, True)
    assert await intake.count("submissions", "state = 'rejected'") == 2


def test_an_attendee_who_is_the_organizer_is_not_met() -> None:
    body = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED-questions.json").read_text())
    attendees = body["payload"]["attendees"]
    attendees += [attendees[0] | {"email": "ADA@school.example"}, attendees[0]]
    delivery = calcom.read({}, json.dumps(body).encode())
    assert isinstance(delivery, Booking) and len(delivery.attendees) == 1
    body["payload"]["attendees"] = attendees[1:2]
    with pytest.raises(Unreadable, match="no attendees"):
        calcom.read({}, json.dumps(body).encode())


async def test_a_booking_may_lie_two_years_ahead_and_a_form_may_not(intake: Intake) -> None:
    source = await intake.source("calcom")
    body = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED.json").read_text())
    found = []
    for uid, days in (("near", 725), ("far", 740)):
        body["payload"] |= {"uid": uid, "endTime": (datetime.now(UTC) + timedelta(days=days)).isoformat()}
        found.append(await source.send(body))
    assert [answer.status for answer in found] == [202, 422]
    assert (await found[1].json())["errors"][0]["problem"].startswith("must not be more than two years ahead")


async def test_zooms_challenge_is_answered_at_once_and_for_ever_and_keeps_nothing(intake: Intake) -> None:
    source = await intake.source("zoom", secret="zoom-secret")
    body = (PAYLOADS / "zoom" / "endpoint.url_validation.json").read_bytes()
    for _ in range(3):
        begun = monotonic()
        answer = await source.send(body)
        assert monotonic() - begun < 1
        token = "qgg8vlvZRS6UYooatFL8Aw"
        expected = hmac.digest(b"zoom-secret", token.encode(), "sha256").hex()
        assert (answer.status, await answer.json()) == (200, {"plainToken": token, "encryptedToken": expected})
    assert await intake.stored() == {}


async def test_a_challenge_is_answered_with_the_secret_that_proved_it(intake: Intake) -> None:
    source = await intake.source("zoom", secret="old")
    add = "INSERT INTO source_keys (id, source, sealed) VALUES (gen_random_uuid(), $1, $2)"
    await intake.pool.execute(add, source.source.id, intake.box.seal("new"))
    body = (PAYLOADS / "zoom" / "endpoint.url_validation.json").read_bytes()
    for secret in ("old", "new"):
        answer = await intake.client.post(source.path, data=body, headers=signed("zoom", body, secret))
        expected = hmac.digest(secret.encode(), b"qgg8vlvZRS6UYooatFL8Aw", "sha256").hex()
        assert (await answer.json())["encryptedToken"] == expected


async def test_without_a_host_zoom_is_told_what_is_missing(intake: Intake) -> None:
    source = await intake.source("zoom")
    answer = await source.send((PAYLOADS / "zoom" / "meeting.ended.json").read_bytes())
    [error] = (await answer.json())["errors"]
    assert (answer.status, error["field"]) == (422, "owner.email")
    assert "--owner" in error["problem"]


async def test_a_host_who_comes_and_goes_is_asked_once(intake: Intake) -> None:
    source = await intake.source("zoom", owner="ada@school.example")
    body = json.loads((PAYLOADS / "zoom" / "meeting.ended.json").read_text())
    for end in ("2026-10-21T19:10:00Z", "2026-10-21T19:40:00Z"):
        body["payload"]["object"]["end_time"] = end
        assert (await source.send(body)).status == 200

    events = await intake.events()
    assert [event["type"] for event in events] == ["afterhello.prompt.wanted.v1"] * 2
    assert len({event["data"]["prompt"] for event in events}) == 1
    assert events[0]["data"]["form_url"] == (
        "https://hello.school.example/log?event.name=SIG+Mathematics&event.kind=sig"
        "&met_at=2026-10-21T19%3A10%3A00%2B00%3A00"
    )


async def test_the_same_event_at_the_same_instant_is_one(intake: Intake, intake_pool: Pool) -> None:
    source = await intake.source("calcom")
    body = (PAYLOADS / "calcom" / "MEETING_ENDED.json").read_bytes()

    answers = await asyncio.gather(*(source.send(body) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
    assert len({await answer.text() for answer in answers}) == 1
    assert await intake.count("meetings") == 2


EVENTBRITE = sorted((PAYLOADS / "eventbrite").glob("*.expect.json"))


@pytest.mark.parametrize("path", EVENTBRITE, ids=lambda path: path.name.removesuffix(".expect.json"))
async def test_eventbrite_without_a_token_is_refused_in_words_and_never_with_410(intake: Intake, path: Path) -> None:
    expected = json.loads(path.read_text())
    source = await intake.source("eventbrite")

    answer = await source.send(path.with_name(path.name.replace(".expect.json", ".json")).read_bytes())

    if "ignored" in expected:
        assert (answer.status, await answer.json()) == (200, {"meetings": []})
        assert await intake.stored() == {}
    else:
        [error] = (await answer.json())["errors"]
        assert (answer.status, expected["refused"] in error["problem"]) == (422, True)
        assert await intake.count("submissions", "state = 'rejected'") == 1


async def test_an_answer_that_was_only_a_guess_does_not_cost_the_meeting(intake: Intake) -> None:
    body = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED-questions.json").read_text())
    body["payload"]["userFieldsResponses"] = {
        "tel": {"label": "Phone number", "value": "ask at the desk"},
        "plan": {"label": "Plan", "value": "whatever suits"},
        "topics": {"label": "Topics", "value": ["x" * 61]},
        "promised": {"label": "What did you promise?", "value": "send the rubric"},
    }
    body["payload"]["responses"].pop("topics")
    guessing = await intake.source("calcom")
    mapped = await intake.source("calcom", mapping={"contact.phone": "Phone number"})

    taken, refused = await guessing.send(body), await mapped.send(body)

    assert (taken.status, refused.status) == (202, 422), await taken.text()
    [error] = [one for one in (await refused.json())["errors"] if one["field"] == "contact.phone"]
    assert "Phone number" in error["problem"]
    [sent] = [row["sent"] for row in await intake.pool.fetch("SELECT sent FROM meetings")]
    assert (sent["contact"]["phone"], sent["plan"], sent["topics"]) == (None, "default", [])
    assert sent["promise"] == "send the rubric"


async def test_more_people_than_one_can_meet_are_refused(intake: Intake) -> None:
    body = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED-questions.json").read_text())
    one = body["payload"]["attendees"][0]
    for number, status in ((50, 202), (51, 422)):
        body["payload"] |= {
            "uid": f"of-{number}",
            "attendees": [one | {"email": f"erin{n}@district.example"} for n in range(number)],
        }
        source = await intake.source("calcom")
        assert (await source.send(body)).status == status
