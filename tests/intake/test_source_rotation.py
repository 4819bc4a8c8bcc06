"""A source gets a new secret or a new URL, and the old one counts until its date."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.db import Pool
from tests.intake.command_line import PUBLIC_URL, Run, in_thread
from tests.intake.serving import Intake, serving, standard_signature, submission

FILLOUT = (Path(__file__).parent / "payloads" / "fillout" / "types.json").read_bytes()
JSON = {"Content-Type": "application/json"}


async def sent(intake: Intake, url: str) -> int:
    path = url.removeprefix(PUBLIC_URL)
    return (await intake.client.post(path, data=FILLOUT, headers=JSON)).status


async def test_a_tool_without_a_secret_gets_a_new_url_and_the_old_one_counts_until_its_date(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    old = (await in_thread(run, "source", "add", "fillout", "Form", "--json")).json
    new = (await in_thread(run, "source", "rotate", "form", "--keep", "7", "--json")).json

    assert (old["secret"], new["secret"]) == (None, None)
    assert new["url"].startswith(f"{PUBLIC_URL}/hooks/") and new["url"] != old["url"]
    days = await intake_pool.fetchval("SELECT max(ends_at) - now() FROM source_paths")
    assert days.total_seconds() == pytest.approx(7 * 86400, abs=120)
    async with serving(intake_pool, keys) as intake:
        assert await sent(intake, old["url"]) in {202, 422}
        assert await sent(intake, new["url"]) in {200, 422}  # the same source: the same submission
        await intake_pool.execute("UPDATE source_paths SET ends_at = now() WHERE ends_at IS NOT NULL")
        assert await sent(intake, old["url"]) == 401
        assert await sent(intake, new["url"]) in {200, 422}


async def test_without_a_time_to_keep_it_the_old_url_ends_at_once(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    old = (await in_thread(run, "source", "add", "fillout", "Form", "--json")).json
    done = await in_thread(run, "source", "rotate", "Form", "--keep", "0")

    assert done.status == 0, done.err
    [new] = [line.split()[1] for line in done.out.splitlines() if line.startswith("url")]
    async with serving(intake_pool, keys) as intake:
        assert await sent(intake, old["url"]) == 401
        assert await sent(intake, new) in {202, 422}


async def test_a_signed_source_keeps_its_url_unless_a_new_one_is_wanted(
    run: Run, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    old = (await in_thread(run, "source", "add", "standard", "Code", "--json")).json
    secret = (await in_thread(run, "source", "rotate", "Code", "--json")).json
    moved = (await in_thread(run, "source", "rotate", "Code", "--url", "--keep", "2 hours", "--json")).json

    assert (secret["url"], moved["secret"]) == (None, None)
    async with serving(intake_pool, keys) as intake:
        for number, (url, key) in enumerate(
            [(old["url"], old["secret"]), (old["url"], secret["secret"]), (moved["url"], secret["secret"])]
        ):
            body = str(submission()).replace("'", '"').encode()
            id = f"msg_{number}"
            answer = await intake.client.post(
                url.removeprefix(PUBLIC_URL), data=body, headers=standard_signature(body, key, id=id)
            )
            assert answer.status == 202


async def test_no_path_and_no_secret_is_stored_as_it_is(run: Run, intake_pool: Pool) -> None:
    await in_thread(run, "source", "add", "standard", "Code")
    new = (await in_thread(run, "source", "rotate", "Code", "--url", "--secret", f"whsec_{'A' * 43}=", "--json")).json

    rows = str(
        await intake_pool.fetch("SELECT s::text, k::text, p::text FROM sources s, source_keys k, source_paths p")
    )
    assert new["secret"] == f"whsec_{'A' * 43}="
    assert new["url"].rpartition("/")[2] not in rows
    assert "A" * 43 not in rows


def test_what_cannot_be_rotated_so_is_refused(run: Run) -> None:
    run("source", "add", "fillout", "Form")
    for arguments, says in (
        (("Form", "--keep", "soon"), "--keep: 'soon' is no duration"),
        (("Form", "--secret", "short"), "--secret: "),
        (("Pub",), "there is no source 'Pub'"),
    ):
        done = run("source", "rotate", *arguments)
        assert (done.status, done.out) == (2, "")
        assert says in done.err
