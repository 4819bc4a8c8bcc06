"""`afterhello source` and `afterhello token`, from the command line to the rows and back."""

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.intake import sources
from shared.db import Pool
from shared.signing import Box, fingerprint
from tests.intake.command_line import PUBLIC_URL, Run, in_thread
from tests.intake.serving import serving, submission, typeform_signature

ANSWERS = [
    ("Your email", "email", {"type": "email", "email": "ada@school.example"}),
    ("Who did you meet?", "short_text", {"type": "text", "text": "Erin"}),
    ("Which event?", "short_text", {"type": "text", "text": "MassCUE 2026"}),
    ("What did you promise?", "long_text", {"type": "text", "text": "send the rubric"}),
    ("Favourite colour", "short_text", {"type": "text", "text": "teal"}),
]


def typeform(answers: Sequence[tuple[str, str, dict[str, str]]] = ANSWERS) -> bytes:
    """What Typeform sends of a form with these questions, one of which was left out."""
    fields = [{"id": f"q{n}", "ref": f"ref-{n}", "type": kind, "title": t} for n, (t, kind, _) in enumerate(answers)]
    fields.append({"id": "q99", "ref": "ref-99", "type": "short_text", "title": "Their email"})
    given = [
        answer | {"field": {"id": f"q{n}", "ref": f"ref-{n}", "type": kind}}
        for n, (_, kind, answer) in enumerate(answers)
    ]
    response = {"token": "t1", "definition": {"fields": fields}, "answers": given}
    return json.dumps({"event_type": "form_response", "form_response": response}).encode()


async def test_a_source_that_was_added_takes_what_its_tool_signs(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    added = await in_thread(run, "source", "add", "typeform", "MassCUE sign-up", "--json")

    assert added.status == 0
    assert added.json.keys() == {"name", "provider", "url", "secret"}
    assert (added.json["name"], added.json["provider"]) == ("MassCUE sign-up", "typeform")
    assert added.json["url"].startswith(f"{PUBLIC_URL}/hooks/")
    body = typeform()
    async with serving(intake_pool, keys) as intake:
        response = await intake.client.post(
            added.json["url"].removeprefix(PUBLIC_URL),
            data=body,
            headers={
                "Content-Type": "application/json",
                "Typeform-Signature": typeform_signature(body, added.json["secret"]),
            },
        )
        assert response.status == 202
        assert len((await response.json())["meetings"]) == 1


async def test_the_url_is_unguessable_and_neither_it_nor_the_secret_is_stored(run: Run, intake_pool: Pool) -> None:
    added = [(await in_thread(run, "source", "add", "standard", f"s{n}", "--json")).json for n in range(3)]

    paths = [one["url"].rpartition("/")[2] for one in added]
    assert len(set(paths)) == 3
    assert all(len(path) * 6 >= 128 for path in paths)
    rows = str(
        await intake_pool.fetch("SELECT s::text, k::text, p::text FROM sources s, source_keys k, source_paths p")
    )
    for one, path in zip(added, paths, strict=True):
        assert one["secret"].startswith("whsec_")
        assert path not in rows
        assert fingerprint(path) in rows
        assert one["secret"].removeprefix("whsec_") not in rows


async def test_everything_that_was_said_of_a_source_is_kept_and_shown(run: Run) -> None:
    said = ["--plan", "conference", "--zone", "Eastern Standard Time", "--owner", "ada@SCHOOL.example"]
    said += ["--map", "contact.name=Who = it?", "--map", " notes = ref-3", "--set", "event.name=Robotics club"]
    added = await in_thread(run, "source", "add", "typeform", "Club", *said, "--secret", "my own", "--json")
    assert added.json["secret"] == "my own"

    shown = (await in_thread(run, "source", "show", "club", "--json")).json

    assert {key: shown[key] for key in ("plan", "zone", "owner", "map", "set")} == {
        "plan": "conference",
        "zone": "America/New_York",
        "owner": "ada@school.example",
        "map": {"contact.name": "Who = it?", "notes": "ref-3"},
        "set": {"event.name": "Robotics club"},
    }
    assert "Robotics club" in (await in_thread(run, "source", "show", "Club")).out


def test_a_source_that_could_not_work_is_refused_in_one_line(run: Run) -> None:
    cases = [
        (["jotfrom", "x"], "there is no provider 'jotfrom'; there are standard, typeform"),
        (["typeform", ""], "NAME: must not be empty"),
        (["typeform", "two\nlines"], "NAME: must be one line"),
        (["typeform", "x" * 201], "NAME: must have at most 200"),
        (["typeform", "x", "--plan", "weekly"], "there is no plan 'weekly'; there are "),
        (["typeform", "x", "--zone", "EST5PDT9"], "--zone: must be a time zone"),
        (["typeform", "x", "--owner", "ada"], "--owner: must be one e-mail address"),
        (["typeform", "x", "--secret", " "], "--secret: must not be empty"),
        (["standard", "x", "--secret", "whsec_c2hvcnQ="], "--secret: must be whsec_"),
        (["typeform", "x", "--map", "contact.name"], "has no =; write --map FIELD=QUESTION"),
        (["typeform", "x", "--map", "name=Who?"], "'name' is no field; the fields are owner.email, owner.name"),
        (["typeform", "x", "--map", "notes=a", "--map", "notes=b"], "--map notes is given twice"),
        (["typeform", "x", "--map", "notes="], "notes is mapped to nothing"),
        (["typeform", "x", "--map", "notes=a", "--set", "notes=b"], "notes is both mapped and set"),
        (["typeform", "x", "--set", "event.kind=party"], "--set event.kind=party: "),
        (["typeform", "x", "--set", "owner.email=nobody"], "--set owner.email=nobody: must be one e-mail address"),
        (["typeform", "x", "--set", "plan=weekly"], "--set plan: there is no plan 'weekly'"),
        (["typeform", "x", "--set", "met_at=soon"], "--set met_at=soon: "),
    ]

    for arguments, says in cases:
        done = run("source", "add", *arguments)
        assert (done.status, done.out) == (2, ""), arguments
        assert re.fullmatch(r"afterhello: [^\n]+\n", done.err)
        assert says in done.err

    assert run("source", "list", "--json").json == []


def test_what_may_be_set_may_be_set(run: Run) -> None:
    sets = [
        "contact.name=Erin",
        "event.kind=edcamp",
        "event.name=EdCamp Boston",
        "met_at=2026-10-21",
        "owner.days=mon,wed",
        "owner.breaks=2026-12-21..2027-01-02",
        "owner.time_zone=Europe/Stockholm",
        "topics=robotics, chess",
        "contact.consent=no",
        "plan=demo",
    ]

    done = run("source", "add", "typeform", "x", *(part for one in sets for part in ("--set", one)), "--json")

    assert done.status == 0, done.err


def test_a_name_is_one_source_whatever_its_case(run: Run) -> None:
    run("source", "add", "typeform", "Sign-up")

    done = run("source", "add", "standard", "SIGN-UP")

    assert (done.status, done.out) == (2, "")
    assert "there is a source 'SIGN-UP' already" in done.err


def test_without_a_key_or_an_address_it_says_which_setting_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLIC_URL")

    done = run("source", "add", "typeform", "x")

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("afterhello: PUBLIC_URL is not set")


async def test_the_list_tells_how_much_was_taken_and_why_the_last_was_not(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    assert "There are no sources" in (await in_thread(run, "source", "list")).out
    async with serving(intake_pool, keys) as intake:
        sender = await intake.source("standard", "busy", plan="demo")
        await intake.source("standard", "idle")
        assert (await sender.send(submission())).status == 202
        assert (await sender.send(submission(owner={}), id="msg_2")).status == 422

    busy, idle = (await in_thread(run, "source", "list", "--json")).json

    assert (busy["name"], busy["provider"], busy["plan"]) == ("busy", "standard", "demo")
    assert (busy["accepted"], busy["rejected"]) == (1, 1)
    assert busy["last_at"] is not None
    assert "owner.email is required" in busy["last_reason"]
    assert (idle["accepted"], idle["rejected"], idle["last_at"], idle["last_reason"]) == (0, 0, None, None)
    assert "owner.email is required" in (await in_thread(run, "source", "show", "busy")).out
    assert "busy" in (await in_thread(run, "source", "list")).out


async def test_a_rehearsal_shows_what_goes_where_and_logs_nothing(run: Run, intake_pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "response.json"
    file.write_bytes(typeform())
    sets = ["--map", "promise=ref-3", "--map", "notes=Remarks", "--map", "contact.email=Their email"]
    await in_thread(run, "source", "add", "typeform", "Club", "--plan", "demo", *sets, "--set", "event.kind=sig")

    done = await in_thread(run, "source", "test", "Club", str(file), "--json")

    assert done.status == 0
    (meeting,) = done.json["would_log"]
    assert meeting["owner"]["email"] == "ada@school.example"
    assert meeting["contact"]["name"] == "Erin"
    assert (meeting["event"]["name"], meeting["event"]["kind"]) == ("MassCUE 2026", "sig")
    assert (meeting["promise"], meeting["plan"]) == ("send the rubric", "demo")
    how = {line["field"]: (line["how"], line["question"]) for line in done.json["fields"]}
    assert how["contact.name"] == ("guessed", "Who did you meet?")
    assert how["promise"] == ("mapped", "What did you promise?")
    assert how["event.kind"] == ("set", None)
    assert how["contact.email"] == ("not answered", "Their email")
    assert how["notes"] == ("not asked", "Remarks")
    assert how["document"] == ("left to its default", None)
    assert done.json["unused"] == [{"question": "Favourite colour", "value": "teal"}]
    assert (done.json["errors"], done.json["ignored"]) == ([], None)

    words = (await in_thread(run, "source", "test", "Club", str(file))).out
    for part in (
        "It would log one meeting:",
        "ada@school.example met Erin at MassCUE 2026",
        "Erin  (guessed from “Who did you meet?”)",
        "“Their email” was left out",
        "the form does not have the question “Remarks”",
        "“Favourite colour”: teal",
        "nothing was logged",
    ):
        assert part in words
    for table in ("submissions", "meetings", "people", "outbox"):
        assert await intake_pool.fetchval(f"SELECT count(*) FROM {table}") == 0


def test_a_rehearsal_of_what_would_be_rejected_says_which_field_and_which_question(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "response.json"
    file.write_bytes(typeform([("Your email", "email", {"type": "text", "text": "not an address"}), *ANSWERS[4:]]))
    run("source", "add", "typeform", "Club")

    done = run("source", "test", "Club", str(file), "--json")
    words = run("source", "test", "Club", str(file))

    assert (done.status, words.status) == (1, 1)
    assert done.json["would_log"] == []
    assert done.json["errors"][0]["field"] == "owner.email"
    assert "“Your email”" in done.json["errors"][0]["problem"]
    assert "It would be rejected (422)" in words.out


def test_a_rehearsal_of_a_form_half_filled_in_says_that_nothing_comes_of_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "response.json"
    file.write_text('{"event_type": "form_response_partial"}')
    run("source", "add", "typeform", "Club")

    done = run("source", "test", "Club", str(file))

    assert done.status == 0
    assert "nothing would be logged: it is a form half filled in" in done.out


def test_a_file_that_is_no_payload_is_refused(run: Run, tmp_path: Path) -> None:
    run("source", "add", "typeform", "Club")
    file = tmp_path / "response.json"

    for content, says in (
        (None, "no such file"),
        (b"", "typeform sends nothing like this"),
        (b"\xff", "typeform sends nothing like this"),
        (b'{"answers": []}', "has no event_type"),
        (b" " * (256 * 1024 + 1), "more than 256 KiB"),
    ):
        if content is not None:
            file.write_bytes(content)
        done = run("source", "test", "Club", str(file))
        assert (done.status, done.out) == (2, "")
        assert says in done.err

    assert run("source", "test", "Pub", str(file)).status == 2


async def test_a_rotated_secret_counts_beside_the_old_one_until_that_ends(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    added = (await in_thread(run, "source", "add", "typeform", "Club", "--json")).json
    path = added["url"].rpartition("/")[2]

    async def live() -> list[str]:
        async with intake_pool.acquire() as conn:
            reached = await sources.reach(conn, path)
        assert reached is not None
        return [Box(keys).open(sealed) for sealed in reached.sealed]

    second = (await in_thread(run, "source", "rotate", "club", "--json")).json["secret"]
    assert await live() == [second, added["secret"]]
    await in_thread(run, "source", "rotate", "Club", "--secret", "third", "--overlap", "1 second")
    fourth = await in_thread(run, "source", "rotate", "Club", "--secret", "fourth")
    assert "fourth" in fourth.out
    # Rotating in a hurry ends what came before it, and rotating at leisure later does not bring that back.
    await intake_pool.execute("UPDATE source_keys SET ends_at = ends_at - interval '1 second'")
    assert await live() == ["fourth", "third"]

    assert (await in_thread(run, "source", "rotate", "Club", "--overlap", "soon")).status == 2


async def test_a_disabled_source_takes_nothing_until_that_is_undone(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    async with serving(intake_pool, keys) as intake:
        sender = await intake.source("standard", "Club")

        assert (await in_thread(run, "source", "disable", "Club")).status == 0
        assert (await sender.send(submission())).status == 401
        assert (await in_thread(run, "source", "list", "--json")).json[0]["disabled_at"] is not None

        assert (await in_thread(run, "source", "disable", "Club", "--undo")).status == 0
        assert (await sender.send(submission())).status == 202


@pytest.mark.parametrize("provider", ["standard", "typeform"])
async def test_the_lines_to_try_a_new_source_with_are_taken(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...], provider: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if missing := [tool for tool in ("bash", "openssl", "curl") if shutil.which(tool) is None]:
        pytest.skip(f"the lines to try need {', '.join(missing)}")
    (tmp_path / "response.json").write_bytes(typeform())
    async with serving(intake_pool, keys) as intake:
        monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{intake.port}")
        added = await in_thread(run, "source", "add", provider, "It's mine", "--plan", "demo")
        lines = added.out.partition("To try it from here:")[2].partition("What goes where")[0]

        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", lines, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        answer, _ = await shell.communicate()

    assert b"202" in answer.splitlines()[0], answer.decode()


async def test_a_token_is_shown_once_opens_the_api_and_is_revoked(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    added = await in_thread(run, "token", "add", "registration site", "--json")
    assert added.json.keys() == {"name", "token"}
    headers = {"Authorization": f"Bearer {added.json['token']}"}
    assert added.json["token"] not in str(await intake_pool.fetch("SELECT t::text FROM api_tokens t"))

    async with serving(intake_pool, keys) as intake:
        assert (await intake.client.post("/api/v1/meetings", json=submission(), headers=headers)).status == 201
        revoked = await in_thread(run, "token", "revoke", "Registration Site")
        assert revoked.status == 0
        assert (await intake.client.post("/api/v1/meetings", json=submission(), headers=headers)).status == 401

    (listed,) = (await in_thread(run, "token", "list", "--json")).json
    assert listed["name"] == "registration site"
    assert listed["revoked_at"] is not None
    assert "registration site" in (await in_thread(run, "token", "list")).out


async def test_a_token_of_one_owner_opens_their_data_alone(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    added = await in_thread(run, "token", "add", "bob", "--owner", "Bob@school.example", "--json")
    headers = {"Authorization": f"Bearer {added.json['token']}"}

    async with serving(intake_pool, keys) as intake:
        assert (await intake.client.post("/api/v1/meetings", json=submission(), headers=headers)).status == 403


def test_a_token_that_could_not_work_is_refused_in_one_line(run: Run) -> None:
    run("token", "add", "one")
    for arguments, says in (
        (("add", "ONE"), "there is a token 'ONE' already"),
        (("add", "two", "--owner", "x"), "--owner: must be one e-mail address"),
        (("add", ""), "NAME: must not be empty"),
        (("revoke", "two"), "there is no token 'two' to revoke"),
    ):
        done = run("token", *arguments)
        assert (done.status, done.out) == (2, "")
        assert says in done.err
    assert len(run("token", "list", "--json").json) == 1
    run("token", "revoke", "one")
    assert run("token", "add", "One").status == 0
