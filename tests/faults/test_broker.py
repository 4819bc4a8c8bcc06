"""The broker is away at the start, dies in the middle, and comes back: everything waits, says so, and goes on."""

from functools import partial
from pathlib import Path

from pydantic import SecretStr

from tests.servers import rabbitmq
from tests.servers.installation import STEPS, Installation, Part, in_three_processes, response
from tests.servers.waiting import until


async def test_services_wait_for_the_broker_and_intake_takes_meetings_meanwhile(
    database_url: str, tmp_path: Path, keys: tuple[SecretStr, ...]
) -> None:
    node = rabbitmq.private_node(tmp_path / "broker")
    node.kill()
    try:
        async with in_three_processes(database_url, node.url, tmp_path, keys) as installation:
            source = await installation.connect()
            intake, scheduler, notifier = installation.parts.values()
            for part in installation.parts.values():
                part.start()

            # Intake does its job without the broker; the others have nothing to do, and say what they wait for.
            await until(intake.is_ready, seconds=60)
            status, words = await intake.readyz()
            assert (status, words["status"], words["checks"]["database"]) == (200, "degraded", "ok")
            assert words["checks"]["broker"] != "ok"
            early = [f"early{number}@school.example" for number in range(3)]
            for owner in early:
                assert (await installation.submit(source, response(owner)))[0] == 202
            for part in (scheduler, notifier):
                await until(partial(_misses, part, "broker"), seconds=60)

            node.start()
            await installation.mails_arrive(len(early), seconds=60)
            for part in installation.parts.values():
                await until(part.is_ready, seconds=60)

            node.kill()
            late = [f"late{number}@school.example" for number in range(3)]
            for owner in late:
                assert (await installation.submit(source, response(owner)))[0] == 202
            for part in installation.parts.values():
                await until(partial(_misses, part, "broker"), seconds=60)
            node.start()

            for owner in early + late:
                await until(partial(_has_the_last, installation, owner), seconds=60)
            await until(installation.is_settled, seconds=60)
            for owner in early + late:
                subjects = [mail.subject for mail in installation.mails(owner)]
                assert len(subjects) == len(set(subjects)) <= STEPS
    finally:
        node.kill()


async def _misses(part: Part, dependency: str) -> bool:
    """Whether it lives, and says that this one alone is not there."""
    assert part.process is not None and part.process.poll() is None, part.log.read_text()
    _, words = await part.readyz()
    return bool(words) and [name for name, word in words["checks"].items() if word != "ok"] == [dependency]


def _has_the_last(installation: Installation, owner: str) -> bool:
    return "Check in with Erin" in [mail.subject for mail in installation.mails(owner)]
