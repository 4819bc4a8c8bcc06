"""Every payload beside its expectation: verified, mapped, and the meetings that one expects; whoever sends it.

A provider is tested by its payloads alone: `<name>.json` (or `.multipart`) and `<name>.expect.json`, which says whether
it was recorded or written after the vendor's documentation.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from aiohttp import ClientResponse

from services.intake import mapping, meeting
from services.intake.answers import Ignored, Submission
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS
from tests.intake.senders import SCHEMES, signed
from tests.intake.serving import PLANNER, Intake, Sender

PAYLOADS = Path(__file__).parent / "payloads"


def payloads(*, only: str = "") -> Iterator[Any]:
    for path in sorted(PAYLOADS.glob("*/*.expect.json")):
        expected = json.loads(path.read_text())
        if expected.get("is_form", True) and expected.get(only, not only):
            name = path.name.removesuffix(".expect.json")
            [body] = [one for one in path.parent.glob(f"{name}.*") if one.stem == name]
            yield pytest.param(path.parent.name, body.read_bytes(), expected, id=f"{path.parent.name}-{name}")


ALL = list(payloads())
MEETINGS = list(payloads(only="meetings"))


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """What of the expected is not found; what was not asked about may be anything."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return [line for key in expected for line in differences(expected[key], found.get(key), f"{where}.{key}")]
    return [] if expected == found else [f"{where}: {found!r}, not {expected!r}"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_payloads_and_a_sender(provider: str) -> None:
    assert list((PAYLOADS / provider).glob("*.json"))
    assert provider in SCHEMES


@pytest.mark.parametrize(("provider", "body", "expected"), ALL)
def test_a_payload_becomes_the_meetings_one_expects(provider: str, body: bytes, expected: dict[str, Any]) -> None:
    assert expected["kind"] in {"recorded", "documented"} and expected["source"]
    headers = {"content-type": expected.get("content_type", "application/json")}
    delivery = PROVIDERS[provider].read(headers, body)
    if expected.get("ignored"):
        assert isinstance(delivery, Ignored)
        return
    assert isinstance(delivery, Submission)
    assert delivery.key == expected["key"]
    defaults = Defaults(zone=expected.get("zone"), owner=expected.get("owner"))
    mapped = mapping.apply(
        delivery, mapping=expected["map"], fixed=expected.get("set", {}), owner_is_known=bool(defaults.owner)
    )
    submitted = meeting.read(mapped.document, plans=PLANNER.names, defaults=defaults)
    zone, _ = meeting.zone_of(submitted, stored=None, defaults=defaults)
    drafts = meeting.settle(submitted, zone=zone, now=datetime.fromisoformat(expected["now"]))
    assert len(drafts) == len(expected["meetings"])
    for draft, wanted in zip(drafts, expected["meetings"], strict=True):
        assert differences(wanted, draft.facts) == []


async def sender(intake: Intake, provider: str, expected: dict[str, Any]) -> Sender:
    """Whose source is set up as the payload wants it; the time they met is not the point here."""
    questions = {field: question for field, question in expected["map"].items() if field != "met_at"}
    return await intake.source(
        provider,
        mapping=questions,
        fixed={"met_at": datetime.now(UTC).isoformat(), **expected.get("set", {})},
        zone=expected.get("zone"),
        owner=expected.get("owner"),
    )


async def post(intake: Intake, path: str, body: bytes, headers: dict[str, str]) -> ClientResponse:
    return await intake.client.post(path, data=body, headers=headers)


@pytest.mark.parametrize(("provider", "body", "expected"), MEETINGS)
async def test_sent_three_times_over_it_is_logged_once(
    intake: Intake, provider: str, body: bytes, expected: dict[str, Any]
) -> None:
    source = await sender(intake, provider, expected)

    answers = [await source.send(body) for _ in range(3)]

    assert [answer.status for answer in answers] == [202, 200, 200], await answers[0].text()
    ids = [await answer.json() for answer in answers]
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0]["meetings"]) == len(expected["meetings"])
    assert (await intake.stored())["meetings"] == len(expected["meetings"])


@pytest.mark.parametrize(("provider", "body", "expected"), MEETINGS)
async def test_changed_or_signed_by_somebody_else_it_is_refused_and_nothing_is_stored(
    intake: Intake, provider: str, body: bytes, expected: dict[str, Any]
) -> None:
    source = await sender(intake, provider, expected)
    right = signed(provider, body, source.secret)
    forged: list[tuple[bytes, dict[str, str]]] = []
    if SCHEMES[provider].covers_body:
        middle = len(body) // 2
        forged += [(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :], right), (body + b"\n", right)]
    if source.secret:
        other = PROVIDERS[provider].new_secret()
        assert other
        forged += [(body, signed(provider, body, other)), (body, {"Content-Type": right["Content-Type"]})]
    if SCHEMES[provider].has_time:
        for off in (timedelta(minutes=-6), timedelta(minutes=6)):
            forged.append((body, signed(provider, body, source.secret, at=datetime.now(UTC) + off)))

    for changed, headers in forged:
        assert (await post(intake, source.path, changed, headers)).status == 401

    assert await intake.stored() == {}
    assert (await post(intake, source.path, body, right)).status == 202


@pytest.mark.parametrize(("provider", "body", "expected"), ALL)
async def test_no_answer_ever_unhooks_a_form(
    intake: Intake, provider: str, body: bytes, expected: dict[str, Any]
) -> None:
    source = await sender(intake, provider, expected)
    headers = signed(provider, body, source.secret)

    for path in ("/hooks/", f"/hooks/{'a' * 32}", source.path + "/", f"{source.path[:-1]}"):
        assert (await post(intake, path, body, headers)).status == 401
    for broken in (b"", b"{}", b"[]", b"{", body[:-3], body[: len(body) // 2], b"\xff\xfe", b"--x\r\n\r\n"):
        answer = await post(intake, source.path, broken, signed(provider, broken, source.secret))
        assert answer.status in {200, 400, 415, 422}, await answer.text()
    await intake.pool.execute("UPDATE sources SET disabled_at = now()")
    assert (await post(intake, source.path, body, headers)).status == 401


async def test_a_media_type_may_name_its_charset_beside_the_boundary(intake: Intake) -> None:
    source = await intake.source("jotform")
    body = (PAYLOADS / "jotform" / "list.multipart").read_bytes()
    boundary = body.split(b"\r\n")[0].removeprefix(b"--").decode()
    for charset, status in (("utf-16", 415), ("UTF-8", 202)):
        headers = {"Content-Type": f"multipart/form-data; charset={charset}; boundary={boundary}"}
        assert (await post(intake, source.path, body, headers)).status == status


async def test_a_tally_source_without_a_secret_takes_what_is_not_signed(intake: Intake) -> None:
    source = await intake.source("tally", secret="", mapping={}, zone="America/New_York")
    body = (PAYLOADS / "tally" / "several.json").read_bytes()
    assert (await post(intake, source.path, body, {"Content-Type": "application/json"})).status == 202


async def test_a_fillout_source_with_a_secret_wants_it(intake: Intake) -> None:
    source = await intake.source("fillout", secret="0123456789abcdef", mapping={})
    body = (PAYLOADS / "fillout" / "types.json").read_bytes()
    assert (await post(intake, source.path, body, {"Content-Type": "application/json"})).status == 401
    assert (await source.send(body)).status == 202


async def test_formbricks_may_ask_whether_we_are_there_before_it_has_a_secret(intake: Intake) -> None:
    source = await intake.source("formbricks")
    for body, status in (
        (b'{"event":"testEndpoint"}', 200),
        (b'{"event":"testEndpoint","data":{}}', 401),
        (b'{"event":"responseFinished"}', 401),
    ):
        answer = await post(intake, source.path, body, {"Content-Type": "application/json"})
        assert answer.status == status
    assert await intake.stored() == {}


@pytest.mark.parametrize("provider", ["google-forms", "formbricks"])
def test_a_standard_signature_is_right_for_five_minutes(provider: str) -> None:
    secret = PROVIDERS[provider].new_secret()
    assert secret
    at = datetime(2026, 10, 21, 18, 10, tzinfo=UTC)
    headers = {name.lower(): value for name, value in signed(provider, b"{}", secret, at=at).items()}
    for seconds, right in ((-301, False), (-299, True), (299, True), (301, False)):
        with time_machine.travel(at + timedelta(seconds=seconds), tick=False):
            assert PROVIDERS[provider].verify(headers, b"{}", secret) is right
