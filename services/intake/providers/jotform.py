"""Jotform (https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform): unsigned, known by its path.

The answers are in `rawRequest`, by keys such as `q3_studentsName`: a number and the first words of the question. The
text in `pretty` is made for people; its separators occur within answers, so nothing can be read from it.
"""

import re
from collections.abc import Mapping
from typing import Final

from services.intake import multipart, shapes
from services.intake.answers import Answer, Delivery, Kind, Submission, Unreadable, Value
from shared import strict_json

TYPES: Final = ("multipart/form-data",)
KEPT: Final = ("content-type",)  # it holds the boundary
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
QUESTION: Final = re.compile(r"q(\d{1,6})_(\w{1,200})", re.ASCII)
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|_+")
EMAIL: Final = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
IMAGE: Final = "data:image/"


def new_secret() -> None:
    """Return None: Jotform cannot send one."""


def check_secret(secret: str) -> None:
    """Raise `ValueError`: Jotform sends no secret."""
    del secret
    raise ValueError("Jotform can send none: whoever knows the URL may submit, so keep it to yourself")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say yes: the path has proven it, and nothing else can."""
    del headers, body
    return not secret


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers in the order of the form; uploads are the addresses of the files."""
    fields = multipart.read_fields(headers.get("content-type", ""), body)
    key = fields.get("submissionID", "")
    if not ID.fullmatch(key):
        raise Unreadable("has no submissionID")
    if "rawRequest" not in fields:
        raise Unreadable("has no rawRequest")
    try:
        raw = strict_json.read_object(fields["rawRequest"].encode())
    except ValueError as error:
        raise ValueError(f"has a rawRequest that {error}") from None
    answers: list[Answer] = []
    for name, value in raw.items():
        if question := QUESTION.fullmatch(name):
            answers += _answers(name, question[1], question[2], value)
    uploads = raw.get("temp_upload")
    for name in uploads if isinstance(uploads, dict) else ():
        if question := QUESTION.fullmatch(name):
            value = shapes.urls(raw.get(question[2]))
            names = _names(name, question[1], question[2])
            answers.append(Answer(names=names, title=_title(question[2], question[1]), kind="file", value=value))
    return Submission(key=key, answers=tuple(answers))


def _answers(name: str, number: str, words: str, raw: object) -> list[Answer]:
    names, title = _names(name, number, words), _title(words, number)
    if isinstance(raw, str) and raw.startswith("[{"):  # a list that people add lines to
        try:
            table = strict_json.read_object(f'{{"rows":{raw}}}'.encode())["rows"]
        except ValueError:
            table = None
        if cells := shapes.rows(table, names=names, title=title):
            return cells
    value = shapes.value(raw)
    if isinstance(value, str) and value.startswith(IMAGE):  # a signature, drawn
        return [Answer(names=names, title=title, kind="file", value=None)]
    whole = Answer(names=names, title=title, kind=_kind(raw, value), value=value)
    return [whole, *_parts(whole, raw)]


def _parts(whole: Answer, raw: object) -> list[Answer]:
    """The parts of a name or an address, to be mapped one by one: `q3_studentsName.first`."""
    if not isinstance(raw, dict) or not raw.keys() <= {*shapes.NAME, *shapes.ADDRESS}:
        return []
    return [
        Answer(names=tuple(f"{name}.{part}" for name in whole.names), title="", kind="choice", value=shapes.value(one))
        for part, one in raw.items()
    ]


def _names(name: str, number: str, words: str) -> tuple[str, ...]:
    return (number, f"q{number}", words, name)


def _title(words: str, number: str) -> str:
    """The question's own number is put behind words that were taken."""
    spaced = HUMP.sub(" ", words).split()
    if len(spaced) > 1 and spaced[-1] == number:
        spaced.pop()
    return " ".join(spaced)


def _kind(raw: object, value: Value | None) -> Kind:
    """The type of a question is not sent, so its answer has to tell."""
    match raw:
        case {"year": _, "month": _, "day": _}:
            return "date"
        case {"full": _} | {"phone": _}:
            return "phone"
        case list():
            return "choice"
    return "email" if isinstance(value, str) and EMAIL.fullmatch(value.strip()) else "text"
