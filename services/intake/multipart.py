"""`multipart/form-data`, read strictly: text fields by name; files are passed over. Pure.

No field can choose how another is decoded: `_charset_`, which browsers once filled in, is a field like any other.
"""

import re
from typing import Final, NamedTuple

PARTS: Final = 200
HEAD_BYTES: Final = 4096
BOUNDARY: Final = re.compile(r"""boundary\s*=\s*(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
BOUNDARY_BYTES: Final = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
PARAMETER: Final = re.compile(r""";\s*([a-z0-9*_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""", re.IGNORECASE)
CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")


class Field(NamedTuple):
    """A field as it was sent; its name may hold bytes that are no UTF-8, escaped."""

    name: str
    charset: str
    raw: bytes


def read_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields; raises `ValueError` saying in words what is wrong.

    Where the content type is not known, as for a file that somebody saved, the first line is taken for the boundary.
    """
    fields: dict[str, str] = {}
    for field in read_raw(content_type, body):
        if field.charset not in CHARSETS:
            raise ValueError("is not UTF-8")
        name = _utf8(field.name.encode("utf-8", "surrogateescape"))
        if name in fields:
            raise ValueError(f"has the field {name[:60]!r} twice")
        fields[name] = _utf8(field.raw)
    return fields


def read_raw(content_type: str, body: bytes) -> list[Field]:
    """Return the fields in their order and not decoded, the same name perhaps several times; raises `ValueError`."""
    parts = (_part(part, newline) for part, newline in _parts(content_type, body))
    return [Field(part.name, part.charset, part.raw) for part in parts if not part.is_file]


def read_files(content_type: str, body: bytes, media_type: str) -> list[bytes]:
    """Return the files of this media type, whatever they are called; raises `ValueError`."""
    parts = (_part(part, newline) for part, newline in _parts(content_type, body))
    return [part.raw for part in parts if part.is_file and part.media_type == media_type]


class _Part(NamedTuple):
    name: str
    charset: str
    raw: bytes
    is_file: bool
    media_type: str


def _parts(content_type: str, body: bytes) -> list[tuple[bytes, bytes]]:
    boundary = _boundary(content_type, body)
    newline = b"\n" if body.startswith(b"--" + boundary + b"\n") else b"\r\n"
    pieces = (newline + body).split(newline + b"--" + boundary)
    if len(pieces) < 2:
        raise ValueError("has no part that begins with the boundary")
    if len(pieces) > PARTS + 2:
        raise ValueError(f"must have at most {PARTS} parts")
    if not pieces[-1].startswith(b"--"):
        raise ValueError("breaks off before its last boundary")
    parts: list[tuple[bytes, bytes]] = []
    for piece in pieces[1:-1]:
        padding, found, part = piece.partition(newline)
        if padding.strip(b" \t") or not found:
            raise ValueError("has a line that only begins like a boundary")
        parts.append((part, newline))
    return parts


def _boundary(content_type: str, body: bytes) -> bytes:
    if content_type.strip().lower().startswith("multipart/"):
        found = BOUNDARY.search(content_type)
        boundary = (found[1] or found[2]).encode("ascii", "backslashreplace") if found else b""
    else:
        boundary = body[:80].split(b"\n")[0].rstrip(b"\r").removeprefix(b"--")
    if not BOUNDARY_BYTES.fullmatch(boundary):
        raise ValueError("is not multipart/form-data with a boundary")
    return boundary


def _part(part: bytes, newline: bytes) -> _Part:
    if part.startswith(newline):
        head, text = b"", part.removeprefix(newline)
    else:
        head, found, text = part.partition(newline * 2)
        if not found:
            raise ValueError("has a part without the empty line after its headers")
    if len(head) > HEAD_BYTES:
        raise ValueError("has a part whose headers are too long")
    headers = {}
    for line in head.decode("utf-8", "surrogateescape").split(newline.decode()):
        title, _, content = line.partition(":")
        headers[title.strip().lower()] = content
    disposition = headers.get("content-disposition", "")
    if disposition.partition(";")[0].strip().lower() != "form-data":
        raise ValueError("has a part that is no form-data")
    parameters = _parameters(disposition)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if {"filename", "filename*"} & parameters.keys():
        return _Part("", "", text, is_file=True, media_type=media_type)
    if not parameters.get("name"):
        raise ValueError("has a part without a name")
    if headers.get("content-transfer-encoding", "").strip().lower() not in {"", "7bit", "8bit", "binary"}:
        raise ValueError("has a part that is encoded")
    charset = _parameters(headers.get("content-type", "")).get("charset", "").lower()
    return _Part(parameters["name"], charset, text, is_file=False, media_type=media_type)


def _parameters(header: str) -> dict[str, str]:
    return {
        found[1].lower(): re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        for found in PARAMETER.finditer(header)
    }


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
