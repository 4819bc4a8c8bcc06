"""A mapping is mended, and what was rejected before is logged; a source that fell silent is told of."""

import json
from typing import Any

from pydantic import SecretStr

from shared.db import Pool
from tests.intake.command_line import Run, in_thread
from tests.intake.serving import Sender, serving, submission


def answered(token: str, **answers: str) -> dict[str, Any]:
    """What Typeform sends of these questions and answers."""
    given = [
        {"type": "text", "text": text, "field": {"id": title, "ref": title, "type": "short_text", "title": title}}
        for title, text in answers.items()
    ]
    response = {"token": token, "definition": {"fields": []}, "answers": given}
    return {"event_id": f"e-{token}", "event_type": "form_response", "form_response": response}


async def rejected(sender: Sender, number: int) -> None:
    for one in range(number):
        body = answered(f"t{one}", badge=f"Erin {one}", mail="ada@school.example")
        assert (await sender.send(body)).status == 422


async def test_after_the_mapping_is_mended_a_replay_logs_what_was_rejected_once(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    async with serving(intake_pool, keys) as intake:
        sender = await intake.source("typeform", "Club", mapping={"notes": "extra"})
        await rejected(sender, 3)
        first = await in_thread(run, "source", "replay", "club", "--json")
        assert first.status == 1
        assert [one["outcome"] for one in first.json] == ["rejected"] * 3
        assert first.json[0]["errors"][0]["field"] == "owner.email"
        await intake_pool.execute("UPDATE submissions SET received_at = received_at - interval '3 days'")
        received = [row["received_at"] for row in await intake_pool.fetch("SELECT * FROM submissions ORDER BY key")]
        maps = ["--map", "contact.name=badge", "--map", "owner.email=mail", "--unset", "notes"]
        assert (await in_thread(run, "source", "map", "Club", *maps)).status == 0

        second = await in_thread(run, "source", "replay", "Club", "--json")
        again = await in_thread(run, "source", "replay", "Club")

        assert second.status == 0, second.err
        assert [(one["outcome"], len(one["meetings"])) for one in second.json] == [("logged", 1)] * 3
        assert (again.status, again.out) == (0, "Nothing of this source is rejected.\n")
        # They met when the form was sent, and the form's own retry is recognised.
        assert sorted(row["met_at"] for row in await intake_pool.fetch("SELECT met_at FROM meetings")) == received
        answer = await sender.send(answered("t1", badge="Erin 1", mail="ada@school.example"))
        assert answer.status == 200
        assert (await answer.json())["meetings"] == [str(one) for one in second.json[1]["meetings"]]
        assert await intake_pool.fetchval("SELECT count(*) FROM meetings") == 3


async def test_what_is_still_wrong_is_named_and_the_others_are_logged(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    async with serving(intake_pool, keys) as intake:
        sender = await intake.source("standard", "Code")
        assert (await sender.send(submission(owner={}), id="one")).status == 422
        assert (await sender.send(submission(owner={}, contact={}), id="two")).status == 422
        await in_thread(run, "source", "map", "Code", "--owner", "ada@school.example")

        done = await in_thread(run, "source", "replay", "Code")

    assert done.status == 1
    assert done.out == "2 submissions: 1 logged, 0 known from before, 1 rejected\n"
    assert ": logged" in done.err
    assert ": still rejected: contact.name is required" in done.err


async def test_one_that_could_not_be_read_and_now_can_be_leaves_no_rejected_one_behind(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    """As after an upgrade: until then it was kept under a hash, since its own id could not be read."""
    async with serving(intake_pool, keys) as intake:
        sender = await intake.source("typeform", "Club", mapping={"contact.name": "badge", "owner.email": "mail"})
        assert (await sender.send(b'{"event_type": "form_response", "form_response": []}')).status == 422
        body = json.dumps(answered("t1", badge="Erin", mail="ada@school.example")).encode()
        await intake_pool.execute("UPDATE submissions SET body = $1", body)

        done = await in_thread(run, "source", "replay", "Club", "--json")

    assert [one["outcome"] for one in done.json] == ["logged"]
    rows = await intake_pool.fetch("SELECT state, key FROM submissions")
    assert [(row["state"], row["key"]) for row in rows] == [("accepted", "t1")]


async def test_a_mapping_is_mended_field_by_field(run: Run) -> None:
    given = ["--map", "contact.name=Who", "--map", "notes=Remarks", "--set", "event.kind=sig", "--plan", "demo"]
    await in_thread(run, "source", "add", "typeform", "Club", *given)

    changes = ["--map", "contact.name=Whom", "--set", "notes=none", "--unset", "plan", "--zone", "Europe/Berlin"]
    done = (await in_thread(run, "source", "map", "club", *changes, "--json")).json

    assert done == {
        "name": "Club", "plan": None, "zone": "Europe/Berlin", "owner": None,
        "map": {"contact.name": "Whom"}, "set": {"event.kind": "sig", "notes": "none"},
    }  # fmt: skip
    shown = (await in_thread(run, "source", "show", "Club", "--json")).json
    assert {key: shown[key] for key in done} == done


def test_a_mapping_that_could_not_work_is_refused_and_the_old_one_stays(run: Run) -> None:
    run("source", "add", "typeform", "Club", "--map", "notes=Remarks")
    for arguments, says in (
        ((), "there is nothing to change"),
        (("--unset", "topics"), "--unset topics: is neither mapped nor set"),
        (("--unset", "zone"), "--unset zone: is neither"),
        (("--map", "name=Who"), "'name' is no field"),
        (("--map", "topics=a", "--set", "topics=b"), "topics is both mapped and set"),
        (("--set", "event.kind=party"), "--set event.kind=party: "),
        (("--plan", "weekly"), "--plan: there is no plan 'weekly'"),
    ):
        done = run("source", "map", "Club", *arguments)
        assert (done.status, done.out) == (2, ""), arguments
        assert says in done.err
    assert run("source", "show", "Club", "--json").json["map"] == {"notes": "Remarks"}


async def test_a_source_that_fell_silent_is_told_of(run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    async def listed(*given: str) -> dict[str, tuple[int | None, str | None]]:
        rows = (await in_thread(run, "source", "list", "--json", *given)).json
        return {row["name"]: (row["silent_days"], row["hint"]) for row in rows}

    async with serving(intake_pool, keys) as intake:
        for name in ("busy", "silent", "off", "new"):
            sender = await intake.source("standard", name)
            if name != "new":
                assert (await sender.send(submission())).status == 202
    await in_thread(run, "source", "add", "csv", "file")
    assert set((await listed()).values()) == {(None, None)}

    await intake_pool.execute(
        """
        UPDATE submissions SET received_at = received_at - interval '8 days'
         WHERE source IN (SELECT id FROM sources WHERE name <> 'busy')
        """
    )
    await intake_pool.execute("UPDATE sources SET created_at = created_at - interval '30 days'")
    await in_thread(run, "source", "disable", "off")

    assert await listed() == {
        "busy": (None, None),
        "file": (None, None),
        "new": (None, "nothing came yet: is it hooked up?"),
        "off": (None, None),
        "silent": (8, "silent for 8 days: is it still hooked up?"),
    }
    assert (await listed("--silent-after", "8"))["silent"][0] == 8
    assert (await listed("--silent-after", "9"))["silent"] == (None, None)
    assert "silent for 8 days" in (await in_thread(run, "source", "list")).out
