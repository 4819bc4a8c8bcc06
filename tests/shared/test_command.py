"""Tables on a terminal of eighty columns, and in pipes."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared import command

ID = UUID("61dddb5e-afa6-5557-a7a4-f60c24f775d7")
LETTER = {
    "service": "scheduler",
    "id": ID,
    "type": "afterhello.meeting.logged.v1",
    "reason": "not JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)",
    "first_failed_at": datetime(2026, 11, 24, 15, 49, 23, 54013, UTC),
    "last_failed_at": datetime(2026, 11, 24, 15, 49, 23, 54013, UTC),
    "next_attempt_at": None,
}


@pytest.mark.parametrize("columns", [None, "80"])
def test_an_id_can_be_copied_whole_and_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command.show([LETTER], as_json=False, empty="")
    shown = capsys.readouterr().out
    assert any(str(ID) in line for line in shown.splitlines())
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_instants_are_shown_to_the_minute(capsys: pytest.CaptureFixture[str]) -> None:
    command.show([LETTER], as_json=False, empty="")
    assert "2026-11-24 15:49 UTC" in capsys.readouterr().out
