"""A plan of the operator's own that writes to the contact: with their consent, until either says stop."""

import re
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.mailbox import Mail
from tests.servers import postgres
from tests.servers.installation import Installation, in_one_process
from tests.servers.waiting import until

NOTES = "between us: she may change schools"
NUMBERS = count(1)


@pytest.fixture(scope="module")
async def installation(
    servers: Path, keys: tuple[SecretStr, ...], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    async with (
        postgres.fresh_database(postgres.server(servers), postgres.template(servers)) as database_url,
        in_one_process(database_url, folder, keys) as one,
    ):
        yield one


class Met:
    """An owner and the contact they met, both of them nobody else's, and the API through which it was logged."""

    def __init__(self, at: Installation, token: str) -> None:
        n = next(NUMBERS)
        self.owner, self.contact = f"owner{n}@school.example", f"contact{n}@district.example"
        self._at = at
        self._headers = {"Authorization": f"Bearer {token}"}
        self.meeting: dict[str, Any] = {}

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self._at.config.public_url}/api/v1{path}"
        async with self._at.client.request(method, url, json=body, headers=self._headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def log(self, *, consent: bool = True) -> list[str]:
        """Log the meeting and return what is answered of its follow-ups."""
        body = {
            "owner": {"email": self.owner, "name": "Ada", "time_zone": "America/New_York"},
            "contact": {"name": "Erin", "email": self.contact, "consent": consent},
            "notes": NOTES,
            "plan": "both",
        }
        [self.meeting] = (await self.send("POST", "/meetings", body))["meetings"]
        return states(self.meeting)

    async def change(self, **given: Any) -> list[str]:
        return states(await self.send("PATCH", f"/meetings/{self.meeting['id']}", given))

    async def comes_to(self, *wanted: str) -> None:
        """Wait for the follow-ups to be so, in the order of the plan."""
        now: list[str] = []

        async def is_so() -> bool:
            now[:] = states(await self.send("GET", f"/meetings/{self.meeting['id']}"))
            return now == list(wanted)

        try:
            await until(is_so, seconds=20)
        except AssertionError:
            raise AssertionError(f"{now} instead of {wanted}") from None

    async def mail(self) -> Mail:
        """Wait for what the contact is sent first."""
        await self._at.mails_arrive(1, self.contact)
        return self._at.mails(self.contact)[0]


def states(meeting: dict[str, Any]) -> list[str]:
    return [f"{one.get('to', 'owner')} {one['reason'] or one['state']}" for one in meeting["follow_ups"]]


@pytest.fixture
async def met(installation: Installation) -> Met:
    return Met(installation, (await installation.connect()).token)


async def test_who_agreed_is_written_to_until_they_unsubscribe_with_one_click(
    installation: Installation, met: Met
) -> None:
    assert await met.log() == ["owner waiting", "contact waiting", "contact waiting"]
    mail = await met.mail()
    assert NOTES not in mail.raw
    [link] = re.findall(r"List-Unsubscribe: <(\S+?)>", re.sub(r"\r?\n[ \t]+", " ", mail.raw))
    assert "/u/" in link

    async with installation.client.post(link, data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200

    await met.comes_to("owner nudged", "contact nudged", "contact stopped")
    again = Met(installation, (await installation.connect()).token)
    again.contact = met.contact
    await again.log()
    await again.comes_to("owner nudged", "contact suppressed", "contact suppressed")
    assert len(installation.mails(met.contact)) == 1
    async with installation.database() as conn:
        assert await conn.fetchval("SELECT count(*) FROM intake.dead_letter") == 0
        assert await conn.fetchval("SELECT count(*) FROM scheduler.dead_letter") == 0


async def test_who_did_not_agree_is_not_written_to(installation: Installation, met: Met) -> None:
    assert await met.log(consent=False) == ["owner waiting", "contact no-consent", "contact no-consent"]

    await met.comes_to("owner nudged", "contact no-consent", "contact no-consent")
    await until(installation.is_settled, seconds=20)
    assert installation.mails(met.contact) == []
    assert len(installation.mails(met.owner)) == 1


async def test_consent_that_is_withdrawn_skips_what_waits(installation: Installation, met: Met) -> None:
    await met.log()
    await met.mail()

    agreed_no_more = {"name": "Erin", "email": met.contact, "consent": False}
    assert (await met.change(contact=agreed_no_more))[2] == "contact no-consent"

    await met.comes_to("owner nudged", "contact nudged", "contact no-consent")


async def test_the_owners_stop_of_the_connection_ends_what_goes_to_the_contact(
    installation: Installation, met: Met
) -> None:
    await met.log()
    await met.mail()

    await met.send("POST", f"/follow-ups/{met.meeting['follow_ups'][0]['id']}/acts", {"act": "stop"})

    await met.comes_to("owner nudged", "contact nudged", "contact stopped")
    assert len(installation.mails(met.contact)) == 1
