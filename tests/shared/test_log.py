"""One line a unit of work, for machines or for people, and without people's data."""

import json
import logging
from uuid import uuid4

import pytest
import structlog

from shared import log
from shared.rabbit import RabbitBus

logger = structlog.get_logger()


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    output = capsys.readouterr()
    assert output.out == ""
    return [json.loads(line) for line in output.err.splitlines()]


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    meeting = uuid4()

    logger.info("meeting.logged", meeting=meeting, milliseconds=1.5)

    [line] = written(capsys)
    assert line["event"] == "meeting.logged" and line["meeting"] == str(meeting) and line["level"] == "info"
    assert str(line["at"]).endswith("Z")


@pytest.mark.parametrize("value", ["two\nlines", "\ud800", "\0", "\x1b[31m", 2**70, {1: object()}, b"bytes"])
def test_whatever_is_logged_stays_one_line(capsys: pytest.CaptureFixture[str], value: object) -> None:
    log.configure("info", "json")
    logger.info("odd", value=value)
    assert [line["event"] for line in written(capsys)] == ["odd"]


def test_the_libraries_lines_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    logging.getLogger("some.library").warning("about %s", "to fail")
    logging.getLogger("aiormq.channel").info("connected to amqp://user:password@host")

    [line] = written(capsys)
    assert (line["event"], line["library"], line["level"]) == ("about to fail", "some.library", "warning")


async def test_a_broker_that_is_away_is_told_by_us_alone(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    bus = RabbitBus("amqp://nobody:no@127.0.0.1:1/", prefix="nobody")

    assert "cannot be reached" in await bus.check()

    assert written(capsys) == []


def test_less_than_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("warning", "json")
    logger.info("not this")
    logging.getLogger("some.library").info("nor this")
    logger.warning("but this")
    assert [line["event"] for line in written(capsys)] == ["but this"]


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(
    "secret",
    [
        "Key (email)=(ada@school.example) already exists",
        "invalid input syntax for type uuid: 'ada@school.example'",
        'Invalid value "ada@school.example"',
        "cannot reach ada@school.example",
        "postgresql://ada@school.example:hunter2@host/db refused",
        "+1 (508) 555-0123 hunter2@x",
    ],
)
def test_an_error_is_logged_without_the_values_in_its_text(
    capsys: pytest.CaptureFixture[str], secret: str, format: str
) -> None:
    log.configure("info", format)
    errors: list[Exception] = [ValueError(secret), ExceptionGroup("several", [KeyError(secret)])]
    for error in errors:
        try:
            try:
                raise error
            except Exception as cause:
                raise LookupError(secret) from cause
        except LookupError:
            logger.exception("failed", meeting="m-1")
            logging.getLogger("some.library").exception("failed too")

    text = capsys.readouterr().err
    assert "ada@school" not in text and "hunter2" not in text and "555-0123" not in text
    for kept in ("LookupError", "ValueError", "KeyError", "test_log.py", "m-1", "caused by"):
        assert kept in text


def test_for_people_a_line_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "console")
    logger.info("meeting.logged", meeting="m-1")
    text = capsys.readouterr().err
    assert "meeting.logged" in text and "meeting=m-1" in text and "{" not in text
