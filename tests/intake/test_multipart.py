"""multipart/form-data: the fields as they were sent, or words about what is wrong; never anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.multipart import read_fields

TYPE = "multipart/form-data; boundary=xyz"


def body(*parts: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    return b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + end


def field(name: str, text: str, more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{text}'.encode()


def test_fields_are_read_to_the_letter() -> None:
    sent = body(field("a", ""), field("b", "x\r\n--xy\r\n: , é"), field('c"d'.replace('"', '\\"'), "1"))
    assert read_fields(TYPE, sent) == {"a": "", "b": "x\r\n--xy\r\n: , é", 'c"d': "1"}


@pytest.mark.parametrize(
    "content_type",
    ['multipart/form-data; boundary="xyz"', "Multipart/Form-Data; charset=utf-8; Boundary=xyz", "rehearsal"],
)
def test_the_boundary_is_found(content_type: str) -> None:
    assert read_fields(content_type, body(field("a", "1"))) == {"a": "1"}


def test_a_file_that_was_saved_with_other_line_ends_is_read_too() -> None:
    assert read_fields("rehearsal", body(field("a", "1")).replace(b"\r\n", b"\n")) == {"a": "1"}


def test_files_are_passed_over_whatever_they_hold() -> None:
    file = b'Content-Disposition: form-data; name="a"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\xff\xfe'
    assert read_fields(TYPE, body(file, field("a", "1"))) == {"a": "1"}


@pytest.mark.parametrize("charset", ["utf-7", "idna", "zlib", "undefined", "punycode", "\x00"])
def test_no_field_chooses_how_another_is_decoded(charset: str) -> None:
    assert read_fields(TYPE, body(field("_charset_", charset), field("a", "+AGE-")))["a"] == "+AGE-"


@pytest.mark.parametrize(
    ("content_type", "sent", "problem"),
    [
        (TYPE, b"", "no part"),
        (TYPE, b"a=1&b=2", "no part"),
        ("multipart/form-data", body(field("a", "1")), "with a boundary"),
        ("multipart/form-data; boundary=", body(field("a", "1")), "with a boundary"),
        (f"multipart/form-data; boundary={'x' * 71}", body(field("a", "1")), "with a boundary"),
        ("multipart/form-data; boundary=\udcff", body(field("a", "1")), "with a boundary"),
        ("multipart/form-data; boundary=other", body(field("a", "1")), "no part"),
        (TYPE, body(field("a", "1"), end=b""), "breaks off"),
        (TYPE, body(field("a", "1"), end=b"--xyz\r\n"), "breaks off"),
        (TYPE, body(field("a", "1")).replace(b"--xyz\r\n", b"--xyzzy\r\n", 1), "only begins like"),
        (TYPE, body(b'Content-Disposition: form-data; name="a"'), "without the empty line"),
        (TYPE, body(b"\r\nno headers"), "no form-data"),
        (TYPE, body(b"Content-Disposition: attachment; name=a\r\n\r\n1"), "no form-data"),
        (TYPE, body(b"Content-Disposition: form-data\r\n\r\n1"), "without a name"),
        (TYPE, body(b"X: " + b"x" * 5000 + b"\r\n\r\n1"), "too long"),
        (TYPE, body(field("a", "1"), field("a", "2")), "twice"),
        (TYPE, body(*(field(f"a{n}", "") for n in range(201))), "at most 200 parts"),
        (TYPE, body(b'Content-Disposition: form-data; name="a"\r\n\r\n\xff'), "not UTF-8"),
        (TYPE, body(b'Content-Disposition: form-data; name="\xff"\r\n\r\n1'), "not UTF-8"),
        (TYPE, body(field("a", "1", "\r\nContent-Type: text/plain; charset=utf-16")), "not UTF-8"),
        (TYPE, body(field("a", "MQ==", "\r\nContent-Transfer-Encoding: base64")), "encoded"),
    ],
)
def test_what_is_wrong_is_said(content_type: str, sent: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_fields(content_type, sent)


@given(st.text(max_size=90), st.binary(max_size=300))
def test_nothing_else_ever_happens(boundary: str, sent: bytes) -> None:
    for content_type in (f"multipart/form-data; boundary={boundary}", "rehearsal", TYPE):
        for whole in (sent, body(sent), sent + b"--xyz--"):
            with contextlib.suppress(ValueError):
                read_fields(content_type, whole)
