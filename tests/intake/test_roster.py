"""Rosters: files as spreadsheets write them, and what each of their lines is."""

import codecs
from collections.abc import Sequence

import pytest

from services.intake.answers import Submission
from services.intake.providers import roster
from services.intake.providers.roster import BadFile, Row


def cells(row: Row) -> dict[str, object]:
    read = roster.read({}, row.body)
    assert isinstance(read, Submission)
    assert read.key == row.key
    return {answer.title: answer.value for answer in read.answers}


ERIN = {"Who did you meet?": "Erin", "Notes": "robotics, chess"}


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b'Who did you meet?,Notes\nErin,"robotics, chess"\n', 2),
        (b'Who did you meet?,Notes\r\nErin,"robotics, chess"', 2),
        (b'Who did you meet?,Notes\rErin,"robotics, chess"\r', 2),
        (b'\n  ,\nWho did you meet?,Notes\nErin,"robotics, chess"\n', 4),
        ("Who did you meet?;Notes\nErin;robotics, chess\n".encode("utf-8-sig"), 2),
        (codecs.BOM_UTF16_LE + "Who did you meet?\tNotes\r\nErin\trobotics, chess\r\n".encode("utf-16-le"), 2),
        (codecs.BOM_UTF16_BE + "Who did you meet?\tNotes\r\nErin\trobotics, chess\r\n".encode("utf-16-be"), 2),
        (b"sep=|\r\nWho did you meet?|Notes\r\nErin|robotics, chess\r\n", 3),
        (b'"Who did you meet?", Notes\n\n,\n Erin , "robotics, chess",,\n', 4),
    ],
)
def test_a_file_is_read_as_spreadsheets_write_it(raw: bytes, line: int) -> None:
    [row] = roster.rows(raw)
    assert (row.line, row.problem) == (line, None)
    assert cells(row) == ERIN


def test_a_quoted_cell_may_hold_lines_and_the_next_row_knows_its_own_line() -> None:
    first, second = roster.rows(b'Name,Notes\nErin,"one\ntwo, ""three"""\nBob,\n')
    assert (first.line, second.line) == (2, 4)
    assert cells(first)["Notes"] == 'one\ntwo, "three"'
    assert cells(second) == {"Name": "Bob", "Notes": None}


def test_an_older_encoding_is_read_when_it_is_named_and_only_then() -> None:
    raw = "Name,Notes\nErin,\nJosé,€ 5\n".encode("cp1252")
    with pytest.raises(BadFile, match=r"is not UTF-8 \(line 3\): save it as CSV UTF-8, .* --encoding cp1252"):
        roster.rows(raw)
    assert cells(roster.rows(raw, encoding="cp1252")[1]) == {"Name": "José", "Notes": "€ 5"}
    # What the file says of itself counts for more.
    assert cells(roster.rows("Name\nJosé".encode("utf-8-sig"), encoding="cp1252")[0]) == {"Name": "José"}


@pytest.mark.parametrize(
    ("raw", "encoding", "says"),
    [
        (b"", None, "is empty"),
        (b"\n\n", None, "is empty"),
        (b"PK\x03\x04rest", None, "is a workbook"),
        (b"Name\n\x00\x01", None, "is no text"),
        ("Name\nErin".encode("utf-16-le"), None, "is no text"),
        (b"Name\nErin", "klingon", "no encoding known here"),
        (b"Name\nErin", "base64", "no encoding known here"),
        (b"Erin,erin@district.example\nBob,bob@district.example\n", None, "e-mail address in its first line"),
        (b"Name,Name\nErin,Bob\n", None, "two columns called 'Name'"),
        (b'Name,Notes\nErin,x\nBob,"y\nEve,z\n', None, "line 3: .* never closed"),
        (b'Name,Notes\nErin,"x"y\n', None, "line 2: a quotation mark within a cell has to be written twice"),
        (b"Name\n" + b"x" * 140_000, None, "line 2: a cell is too long"),
    ],
)
def test_what_is_no_roster_is_refused_as_a_whole(raw: bytes, encoding: str | None, says: str) -> None:
    with pytest.raises(BadFile, match=says):
        roster.rows(raw, encoding=encoding)


def keys(raw: bytes, **given: str) -> Sequence[str]:
    return [row.key for row in roster.rows(raw, **given)]


def test_a_row_is_known_again_by_all_of_its_cells_wherever_they_stand() -> None:
    [erin, bob] = keys(b"Name,Notes\nErin,x\nBob,x\n")
    assert erin != bob
    assert keys(b"Notes;Name;Phone\nx;Bob;\nx; Erin ;\n") == [bob, erin]
    assert keys(b"Name,Notes\nErin,y\n") != [erin]


def test_a_column_of_ids_tells_rows_apart_whatever_else_changes() -> None:
    assert keys(b"Response ID,Name\n7,Erin\n8,Erin\n") == ["id:7", "id:8"]
    assert keys(b"Name,Badge no.\nErin G,A-7\n", id_column="badge no") == ["id:A-7"]
    assert keys(b"id,Name\n,Erin\n")[0].startswith("row:")
    with pytest.raises(BadFile, match="has no column 'Nr'; it has id, Name"):
        roster.rows(b"id,Name\n1,Erin\n", id_column="Nr")


def test_two_rows_with_one_id_are_one_only_when_they_say_the_same() -> None:
    first, same, other = roster.rows(b"id,Name\n1,Erin\n1,Erin\n1,Bob\n")
    assert first.key == same.key
    assert (first.problem, same.problem) == (None, None)
    assert other.problem == "has the id of line 2, and says something else"


def test_a_row_with_more_cells_than_there_are_titles_is_wrong_and_its_neighbours_are_not() -> None:
    wrong, right = roster.rows(b"Name,Notes\nErin,robotics,chess\nBob\n")
    assert wrong.problem is not None
    assert wrong.problem.startswith("has 3 cells, and the first line has 2")
    assert cells(right) == {"Name": "Bob", "Notes": None}
