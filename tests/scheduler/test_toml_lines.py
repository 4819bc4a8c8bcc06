"""Lines of a TOML text: every key that the standard library reads stands somewhere, and there it is written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.toml_lines import Path, lines

TEXT = '''\
# A comment with [brackets] and "quotes"
title = """several
lines, "quoted" ""\\""
and more"""  # and a comment
literal = \'\'\'[[steps]]
'x' = 1\'\'\'\'
"quoted key" = 'a = "b" # no comment'
at = 1979-05-27 07:32:00   # a date with a space
a.b.c = [
  1, [2, "]"],   # nested
  { x = 1, "y z" = [ { deep = true } ] },
]

[[steps]]
after = "1 day"
  playbook   =   "ask"
[steps.more]
key = { }
[[steps]]
[[steps.sub]]
one = 1
[[steps.sub]]
two = [ ]
'''


def paths(value: Any, path: Path = ()) -> set[Path]:
    """Return the path of everything in a document."""
    found = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= paths(inner, (*path, key))
    return found


def test_everything_that_is_read_has_its_line() -> None:
    found = lines(TEXT)
    written = TEXT.splitlines()

    assert set(found) == paths(tomllib.loads(TEXT))
    assert found["title",] == 2
    assert found["quoted key",] == 7
    assert written[found["a", "b", "c"] - 1].startswith("a.b.c")
    assert written[found["a", "b", "c", 2, "y z", 0, "deep"] - 1] == '  { x = 1, "y z" = [ { deep = true } ] },'
    assert written[found["steps", 0, "playbook"] - 1].startswith("  playbook")
    assert (found["steps", 0], found["steps", 1], found["steps", 1, "sub", 1, "two"]) == (14, 19, 23)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# nothing",
        "a = ",
        "[",
        "[[",
        "[a",
        'a = "',
        "a = [1",
        "a = {b",
        "=",
        "[[a]",
        "a = [}",
        "a = {b = }",
    ],
)
def test_what_is_no_toml_has_no_more_lines_than_it_has(text: str) -> None:
    assert all(line <= text.count("\n") + 1 for line in lines(text).values())


SCALARS = st.one_of(
    st.integers().map(str),
    st.sampled_from(["true", "1979-05-27", "07:32:00", "1e3", "'a # b'", '"c \\" ] }"', '""', "'''\n]\n'''"]),
)
KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f.g'", "1"])
INLINE = st.recursive(
    SCALARS.filter(lambda text: "\n" not in text),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + "}"
        )
    ),
    max_leaves=6,
)
ARRAYS = st.lists(INLINE, max_size=3).map(lambda values: "[\n" + "".join(f"  {one}, # x\n" for one in values) + "]")
TABLES = st.dictionaries(KEYS, SCALARS | INLINE | ARRAYS, max_size=4).map(
    lambda pairs: "".join(f"{key} = {value}\n" for key, value in pairs.items())
)
DOCUMENTS = st.tuples(TABLES, st.lists(TABLES, max_size=3)).map(
    lambda given: given[0] + "".join(f"\n[[ steps ]] # one\n{table}" for table in given[1])
)


@settings(deadline=None)
@given(DOCUMENTS)
def test_every_key_stands_where_it_is_written(text: str) -> None:
    found = lines(text)

    assert set(found) == paths(tomllib.loads(text))
    written = text.split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in written[line - 1] or path[-1] == "steps"


@given(st.text(alphabet="[]{}=,.#\"'\n ab1\\", max_size=40))
def test_no_text_does_anything_but_be_scanned(text: str) -> None:
    lines(text)
