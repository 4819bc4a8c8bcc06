"""Who has not given their address themselves confirms it first: asked once, by a page that no scanner can press."""

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.intake import confirming, tokens
from shared.events import AddressSuppressed, MeetingLogged, Person, PersonChanged, PromptWanted, read
from shared.links import Leaving, Links
from tests.intake.command_line import Run, in_thread
from tests.intake.serving import TYPEFORM, Intake, serving, submission

ADA = "ada@school.example"


async def told(intake: Intake, kind: type) -> list[Any]:
    rows = await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")
    return [e.data for e in (read(row["document"]) for row in rows) if isinstance(e, kind)]  # type: ignore[attr-defined]


async def owners(intake: Intake) -> list[Person]:
    """The owner as each meeting that was logged told of them."""
    return [one.owner for one in await told(intake, MeetingLogged)]


async def asked(intake: Intake, keys: tuple[SecretStr, ...]) -> str:
    """Have whoever has to be asked, and return the path of the page that the question leads to."""
    while await confirming.ask(intake.pool, Links("", keys)):
        pass
    [wanted] = await told(intake, PromptWanted)
    assert wanted.playbook == "confirm-address" and not wanted.owner.confirmed
    return str(urlsplit(wanted.form_url).path)


async def proof_of(intake: Intake, path: str) -> str:
    async with intake.client.get(path) as answer:
        page = await answer.text()
        assert answer.status == 200 and "a***@school.example" in page
    return unescape(re.findall(r'name="proof" value="([^"]+)"', page)[0])


async def consents(intake: Intake) -> list[dict[str, Any]]:
    return [dict(row) for row in await intake.pool.fetch("SELECT * FROM consents ORDER BY connection NULLS FIRST, id")]


async def test_a_form_s_own_submitter_needs_no_question(intake: Intake, keys: tuple[SecretStr, ...]) -> None:
    await (await intake.source(name="Sign-up", note="We remind you.")).send(submission())

    [owner] = await owners(intake)
    assert owner.confirmed
    assert await confirming.ask(intake.pool, Links("", keys)) == 0
    [given] = await consents(intake)
    assert (given["channel"], given["address"], given["source"]) == ("email", ADA, "Sign-up")
    assert given["wording"] == "We remind you." and given["confirmed_at"] == given["at"]


async def test_whose_address_others_gave_is_asked_once_and_confirms_with_the_page_s_button(
    intake: Intake, keys: tuple[SecretStr, ...]
) -> None:
    source = await intake.source(confirm=True)
    await source.send(submission())
    await source.send(submission(contact={"name": "Zoe"}), id="msg_2")
    assert [owner.confirmed for owner in await owners(intake)] == [False, False]

    path = await asked(intake, keys)

    for method in ("GET", "HEAD", "GET"):
        async with intake.client.request(method, path) as answer:
            assert answer.status == 200
    proof = await proof_of(intake, path)
    refused: list[dict[str, Any]] = [
        {"data": {"proof": ""}},
        {"data": {"proof": "x"}},
        {"data": {"proof": proof}, "headers": {"Sec-Fetch-Site": "cross-site"}},
        {"data": {"proof": proof}, "headers": {"Origin": "https://evil.example"}},
    ]
    for given in refused:
        async with intake.client.post(path, **given) as answer:
            assert answer.status == 403
    assert await told(intake, PersonChanged) == []
    for _ in range(2):
        async with intake.client.post(path, data={"proof": proof}) as answer:
            assert answer.status == 200 and "Thank you" in await answer.text()
    [changed] = await told(intake, PersonChanged)
    assert (changed.person.confirmed, changed.person.revision) == (True, 2)
    [given_consent] = await consents(intake)
    assert given_consent["confirmed_at"] is not None
    await source.send(submission(contact={"name": "Kim"}), id="msg_3")
    assert [owner.confirmed for owner in await owners(intake)][-1]


async def test_who_submits_a_form_themselves_has_confirmed(intake: Intake, keys: tuple[SecretStr, ...]) -> None:
    await (await intake.source(confirm=True)).send(submission())
    await (await intake.source(name="Own")).send(submission(contact={"name": "Zoe"}))

    assert [owner.confirmed for owner in await owners(intake)] == [False, True]
    assert [one.person.confirmed for one in await told(intake, PersonChanged)] == [True]
    assert await confirming.ask(intake.pool, Links("", keys)) == 0
    assert [one["confirmed_at"] is not None for one in await consents(intake)] == [True]


async def test_the_mail_that_asks_can_be_unsubscribed_from_too(intake: Intake, keys: tuple[SecretStr, ...]) -> None:
    await (await intake.source(confirm=True)).send(submission())
    path = await asked(intake, keys)
    async with intake.client.get(path) as answer:
        leave = unescape(re.findall(r'href="(/u/[^"]+)"', await answer.text())[0])

    async with intake.client.post(leave, data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200

    assert [one.address for one in await told(intake, AddressSuppressed)] == [ADA]


async def test_who_stopped_instead_of_confirming_is_not_told_that_mail_comes_and_may_start_again(
    intake: Intake, keys: tuple[SecretStr, ...]
) -> None:
    await (await intake.source(confirm=True)).send(submission())
    path = await asked(intake, keys)
    proof = await proof_of(intake, path)
    async with intake.client.get(path) as answer:
        leave = unescape(re.findall(r'href="(/u/[^"]+)"', await answer.text())[0])
    async with intake.client.post(leave, data={"List-Unsubscribe": "One-Click"}) as answer:
        again = unescape(re.findall(r'name="proof" value="([^"]+)"', await answer.text())[0])

    async with intake.client.get(path) as answer:
        page = await answer.text()
        assert answer.status == 200 and "Everything is stopped" in page and 'name="proof"' not in page

    async with intake.client.post(f"{leave}/again", data={"proof": again}) as answer:
        assert answer.status == 200 and "writes to" in await answer.text()
    assert [one.person.confirmed for one in await told(intake, PersonChanged)] == [
        True
    ]  # it would never be asked again
    await intake.client.post(leave, data={"List-Unsubscribe": "One-Click"})
    async with intake.client.post(path, data={"proof": proof}) as answer:
        assert "Everything is stopped" in await answer.text()


async def test_an_address_is_the_same_however_it_is_spelled(intake: Intake) -> None:
    await (await intake.source(confirm=True)).send(submission(owner={"email": "Ada@School.example"}))
    await (await intake.source(name="Own")).send(submission(contact={"name": "Zoe"}))
    assert [(one["address"], one["confirmed_at"] is not None) for one in await consents(intake)] == [
        ("Ada@school.example", True)
    ]


@pytest.mark.parametrize(
    ("given", "confirmed"),
    [
        ({"provider": "csv", "confirm": True}, False),
        ({"confirm": True, "owner": "ADA@school.example"}, True),  # the operator answers for it
        ({"confirm": True, "fixed": {"owner.email": ADA}}, True),
        ({"confirm": True, "owner": "bo@school.example"}, False),
    ],
)
async def test_whom_the_operator_named_for_a_source_is_not_asked(
    intake: Intake, given: dict[str, Any], confirmed: bool
) -> None:
    given = {"provider": "standard"} | {k: v for k, v in given.items() if k != "provider"}
    await (await intake.source(**given)).send(submission())
    assert [owner.confirmed for owner in await owners(intake)] == [confirmed]


@pytest.mark.parametrize(
    ("given", "confirmed"), [({}, True), ({"confirm": True}, False), ({"owner": ADA, "confirm": True}, True)]
)
async def test_a_token_that_brings_others_addresses_says_so(
    intake: Intake, given: dict[str, Any], confirmed: bool
) -> None:
    async with intake.pool.acquire() as conn:
        await tokens.add_token(conn, name="site", text="of-the-site", **given)
    headers = {"Authorization": "Bearer of-the-site"}
    async with intake.client.post("/api/v1/meetings", json=submission(), headers=headers) as answer:
        assert answer.status == 201 and (await answer.json())["meetings"][0]["follow_ups"]
    assert [owner.confirmed for owner in await owners(intake)] == [confirmed]
    assert [one["source"] for one in await consents(intake)] == ["token site"]


async def test_a_contact_s_consent_is_kept_with_the_question_that_they_answered(intake: Intake) -> None:
    mapping = {
        "contact.name": "readable_ref_short_text", "contact.email": "readable_ref_email",
        "contact.consent": "readable_ref_legal",
    }  # fmt: skip
    form = await intake.source("typeform", mapping=mapping, fixed={"owner.email": ADA}, note="at the booth")
    plain = await intake.source(note="at the booth")
    assert (await form.send(TYPEFORM)).status == 202
    await plain.send(submission(contact={"name": "Zoe", "email": "zoe@district.example", "consent": True}))
    await plain.send(submission(contact={"name": "Kim", "email": "kim@district.example", "consent": False}), id="msg_2")

    kept = {one["address"]: one["wording"] for one in await consents(intake) if one["connection"]}
    assert kept.pop("laura@example.com").startswith("By submitting this form, you understand and accept")
    assert kept == {"zoe@district.example": "at the booth"}


async def test_a_roster_asks_and_one_of_a_named_owner_does_not(run: Run, intake_pool: Any, tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text("Your email,Who did you meet?\nada@school.example,Erin\n")
    for name, given in (("Scans", ()), ("Sure", ("--no-confirm",))):
        await in_thread(run, "source", "add", "csv", name, *given)
    assert (await in_thread(run, "source", "show", "Scans", "--json")).json["confirm"] is True

    assert (await in_thread(run, "source", "import", "Scans", str(file))).status == 0

    shown = (await in_thread(run, "person", "show", ADA, "--json")).json
    assert shown["confirmed"] is False
    assert [(one["source"], one["wording"]) for one in shown["consents"]] == [("Scans", "Your email")]
    assert "not confirmed" in (await in_thread(run, "person", "show", ADA)).out
    await in_thread(run, "source", "map", "Scans", "--no-confirm", "--note", "on paper")
    set_up = (await in_thread(run, "source", "show", "Scans", "--json")).json
    assert (set_up["confirm"], set_up["note"]) == (False, "on paper")
    assert (await in_thread(run, "source", "import", "Sure", str(file))).status == 0
    assert (await in_thread(run, "person", "show", ADA, "--json")).json["confirmed"] is True


async def test_what_is_no_page_of_this_kind_is_not_shown(intake: Intake, keys: tuple[SecretStr, ...]) -> None:
    links = Links("", keys)
    nobody = Leaving(person=UUID(int=7), channel="email", address=ADA)
    token = links.leave(nobody).rpartition("/")[2]
    for path, status in ((f"/c/{token}", 404), ("/c/nonsense", 404), (links.confirm(nobody), 404)):
        async with intake.client.get(path) as answer:
            assert answer.status == status


async def test_who_confirms_one_address_does_not_stand_behind_another(intake: Intake) -> None:
    texts = {"email": ADA, "phone": "+12015550123", "channel": "sms"}
    async with serving(intake.pool, (SecretStr("k" * 40),), sms_url="twilio://AC1:secret@+15085550100") as serves_texts:
        await (await serves_texts.source(name="Scans", confirm=True)).send(submission(owner=texts))
        await (await serves_texts.source(name="Form")).send(submission(contact={"name": "Zoe"}))
        assert [owner.confirmed for owner in await owners(intake)] == [False, False]
        kept = {one["channel"]: one["confirmed_at"] is not None for one in await consents(intake)}
        assert kept == {"email": True, "sms": False}

        headers = await serves_texts.token()
        for channel, confirmed in (("email", True), ("sms", False)):
            url = f"/api/v1/people/{ADA}"
            async with serves_texts.client.patch(url, json={"channel": channel}, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            assert (await told(intake, PersonChanged))[-1].person.confirmed is confirmed

        await (await serves_texts.source(name="Other")).send(submission(owner=texts, contact={"name": "Kim"}))
        assert (await told(intake, PersonChanged))[-1].person.confirmed


async def test_a_contact_s_consent_that_is_noted_later_is_kept_too(intake: Intake) -> None:
    headers = await intake.token()
    contact = {"name": "Erin", "email": "erin@district.example"}
    async with intake.client.post("/api/v1/meetings", json=submission(contact=contact), headers=headers) as answer:
        id = (await answer.json())["meetings"][0]["id"]
    assert [one for one in await consents(intake) if one["connection"]] == []
    for _ in range(2):
        change = {"contact": {"consent": True}}
        async with intake.client.patch(f"/api/v1/meetings/{id}", json=change, headers=headers) as answer:
            assert answer.status == 200
    [kept] = [one for one in await consents(intake) if one["connection"]]
    assert kept["address"] == "erin@district.example" and kept["source"].startswith("token ")
