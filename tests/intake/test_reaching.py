"""People who want texts, or another service: what is asked of them, and how they are known."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import fields
from services.intake.body import Owner
from services.intake.reaching import Served, problems
from shared import events
from shared.db import Pool
from shared.events import MeetingLogged, Person, PersonChanged
from tests.intake.serving import Intake, serving

TWILIO = SecretStr("twilio://AC0:secret@+15085550100")
PHONE = "+15085550123"
ALL = Served(channels=("email", "sms", "apprise"), apprise_hosts=("ntfy.school.example",))


@pytest.fixture
async def texting(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    """An intake where texts are set up."""
    async with serving(intake_pool, keys, sms_url=TWILIO, apprise_hosts="ntfy.school.example") as served:
        yield served


def meeting(**owner: Any) -> dict[str, Any]:
    return {"owner": owner, "contact": {"name": "Erin"}, "plan": "default"}


async def post(intake: Intake, document: dict[str, Any]) -> tuple[int, Any]:
    token = await intake.token()
    async with intake.client.post("/api/v1/meetings", json=document, headers=token) as answer:
        return answer.status, await answer.json()


async def patch(intake: Intake, reached: str, document: dict[str, Any]) -> tuple[int, Any]:
    token = await intake.token()
    async with intake.client.patch(f"/api/v1/people/{reached}", json=document, headers=token) as answer:
        return answer.status, await answer.json()


async def owners(intake: Intake) -> list[Person]:
    rows = await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")
    found = [events.read(row["document"]) for row in rows]
    return [
        one.data.owner if isinstance(one, MeetingLogged) else one.data.person
        for one in found
        if isinstance(one, MeetingLogged | PersonChanged)
    ]


@pytest.mark.parametrize(
    ("number", "is_textable"),
    [
        ("+15085550123", True),
        ("+447911123456", True),
        ("+4915112345678", True),
        ("+18765550123", True),  # Jamaica, whatever the prefix
        ("+4930123456", False),  # a landline
        ("+19005550123", False),  # premium
        ("+18005550123", False),  # free for callers
        ("+33142685300", False),
        ("+1911", False),
        ("+80012345678", False),
        ("+870773111632", False),  # a satellite
    ],
)
def test_a_number_is_textable_by_its_type(number: str, is_textable: bool) -> None:
    assert (fields.not_textable(number) is None) == is_textable


@pytest.mark.parametrize(
    ("owner", "field", "words"),
    [
        ({"channel": "sms", "email": "a@school.example"}, "owner.phone", "is required where"),
        ({"channel": "sms", "phone": "+4930123456"}, "owner.phone", "mobile telephone"),
        ({"channel": "sms", "phone": "+15085550123,,5"}, "owner.phone", "such as +15085550123"),
        ({"channel": "sms", "phone": "+15085550123 ext. 5"}, "owner.phone", "such as +15085550123"),
        ({"channel": "sms", "phone": "72345"}, "owner.phone", "with its country code"),
        ({"channel": "sms", "phone": "+19005550123"}, "owner.phone", "mobile telephone"),
        ({"phone": PHONE}, "owner.email", "is required"),
        ({"channel": "apprise", "email": "a@school.example"}, "owner.channel", "must be the address of a service"),
        ({"channel": "ntfy://my-topic"}, "owner.email", "is required"),
        ({"channel": "file:///etc/passwd", "email": "a@school.example"}, "owner.channel", "address of a service"),
        ({"channel": "json://10.0.0.1/x", "email": "a@school.example"}, "owner.channel", "APPRISE_HOSTS"),
        ({"channel": "syslog://local", "email": "a@school.example"}, "owner.channel", "syslog:// is none"),
    ],
)
async def test_what_is_missing_is_named(texting: Intake, owner: dict[str, Any], field: str, words: str) -> None:
    status, answer = await post(texting, meeting(**owner))
    assert status == 422 and [one["field"] for one in answer["errors"]] == [field]
    assert words in answer["errors"][0]["problem"]
    assert await texting.count("people") == 0


async def test_without_texts_nobody_can_choose_them(intake: Intake) -> None:
    status, answer = await post(intake, meeting(channel="sms", phone=PHONE))
    assert status == 422 and answer["errors"][0]["field"] == "owner.channel"
    assert "texts are not set up here (SMS_URL)" in answer["errors"][0]["problem"]


def test_without_the_extra_nobody_can_choose_another_service() -> None:
    owner = Owner(email="a@school.example", channel="ntfy://my-topic")
    [problem] = problems(owner, Served(channels=("email", "sms")))
    assert problem["field"] == "owner.channel" and "must be email or sms: " in problem["problem"]
    assert problems(owner, ALL) == []


async def test_who_gives_a_number_alone_is_known_by_it(texting: Intake) -> None:
    for _ in range(2):
        status, answer = await post(texting, meeting(channel="sms", phone="+1 508 555-0123", name="Ada"))
        assert status == 201 and answer["meetings"][0]["follow_ups"]
    assert await texting.count("people") == 1 and await texting.count("meetings") == 2
    assert await texting.count("connections") == 1
    first, second = await owners(texting)
    assert (first.id, first.phone, first.email, first.channel) == (second.id, PHONE, None, "sms")
    assert first.address == PHONE and not first.zone_is_known

    status, wishes = await patch(texting, PHONE, {"time_zone": "America/New_York"})
    assert (status, wishes["channel"], wishes["time_zone"]) == (200, "sms", "America/New_York")
    assert (await owners(texting))[-1].zone_is_known
    await patch(texting, PHONE, {"time_zone": None})
    assert not (await owners(texting))[-1].zone_is_known


async def test_two_numbers_are_two_people(texting: Intake) -> None:
    for phone in (PHONE, "+15085550124"):
        assert (await post(texting, meeting(channel="sms", phone=phone)))[0] == 201
    assert await texting.count("people") == 2


async def test_the_number_of_somebody_known_by_mail_is_theirs(texting: Intake) -> None:
    await post(texting, meeting(email="ada@school.example", phone=PHONE))
    assert (await post(texting, meeting(channel="sms", phone=PHONE)))[0] == 201
    assert await texting.count("people") == 1 and await texting.count("meetings") == 2
    assert (await owners(texting))[
        -1
    ].channel == "email"  # a wish counts when they are new; later they say it themselves


async def test_a_zone_is_known_when_somebody_said_it(texting: Intake) -> None:
    await post(texting, meeting(channel="sms", phone=PHONE, time_zone="America/Chicago"))
    assert (await owners(texting))[0].zone_is_known


async def test_the_operators_zone_is_everybodys(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    async with serving(intake_pool, keys, sms_url=TWILIO, time_zone="America/New_York") as intake:
        await post(intake, meeting(channel="sms", phone=PHONE))
        assert (await owners(intake))[0].zone_is_known


async def test_somebody_known_may_change_to_texts_and_back(texting: Intake) -> None:
    await post(texting, meeting(email="ada@school.example", phone=PHONE))
    assert (await patch(texting, "ada@school.example", {"channel": "sms"}))[1]["channel"] == "sms"
    assert (await owners(texting))[-1].address == PHONE
    assert (await patch(texting, "ada@school.example", {"channel": "email"}))[1]["channel"] == "email"


async def test_a_channel_that_does_not_reach_them_is_refused(texting: Intake) -> None:
    await post(texting, meeting(email="ada@school.example"))
    await post(texting, meeting(email="bo@school.example", phone="+4930123456"))
    await post(texting, meeting(channel="sms", phone=PHONE))
    for reached, channel, words in (
        ("ada@school.example", "sms", "needs a telephone number"),
        ("ada@school.example", "apprise", "needs the address of a service"),
        ("ada@school.example", "json://10.0.0.1", "APPRISE_HOSTS"),
        ("bo@school.example", "sms", "mobile telephone"),
        (PHONE, "email", "needs an e-mail address"),
    ):
        status, answer = await patch(texting, reached, {"channel": channel})
        assert (status, answer["errors"][0]["field"]) == (422, "channel"), answer
        assert words in answer["errors"][0]["problem"]


@pytest.mark.parametrize(
    "address", ["ntfy://secret-topic", "tgram://123:secret/456", "ntfys://ntfy.school.example/secret"]
)
async def test_the_address_of_a_service_is_its_channel_and_nobody_else_is_shown_it(
    texting: Intake, address: str
) -> None:
    status, answer = await post(texting, meeting(email="ada@school.example", channel=address))
    assert status == 201, answer
    [ada] = await owners(texting)
    assert (ada.channel, ada.apprise_url, ada.address) == ("apprise", address, address)

    token = await texting.token()
    for path in (f"/api/v1/meetings/{answer['meetings'][0]['id']}", "/api/v1/people/ada@school.example"):
        async with texting.client.get(path, headers=token) as shown:
            assert "secret" not in await shown.text() and '"channel":"apprise"' in await shown.text()
    assert (await patch(texting, "ada@school.example", {"channel": "email"}))[0] == 200
    assert (await patch(texting, "ada@school.example", {"channel": "apprise"}))[0] == 200  # it is still known
