"""The API's description, OpenAPI 3.1, built from the models that requests are checked with. Pure.

`python -m services.intake.openapi > services/intake/openapi.json` renews the copy that is kept for reading.
"""

import json
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from services.intake import api_answers as answers
from services.intake.amendment import Amended
from services.intake.body import Body, Part, Touched, Wishes
from services.intake.fields import Day
from shared.events import Act


class Acts(Part):
    """What is done about a follow-up; `later` takes one of `until` and `for`."""

    act: Act
    until: Day | None = None
    span: Annotated[str | None, Field(alias="for", examples=["1 week"])] = None


NAMES: Final = {
    "Body": "NewMeeting", "Met": "NewContact", "Where": "NewEvent", "Amended": "MeetingChange", "Touched": "NewTouch",
    "Acts": "NewAct", "Wishes": "PersonChange", "Owner": "NewOwner",
}  # fmt: skip
ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
REACHED: Final = {
    "name": "reached", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "An e-mail address, or a telephone number such as +15085550123",
}  # fmt: skip
KEY: Final = {
    "name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Your name for this request: the same one again gets the same answer, and does nothing",
}  # fmt: skip
REFUSED: Final = {
    "400": "It cannot be read", "401": "The token is missing, or not one of ours", "403": "The token is not for this",
    "404": "There is nothing of this kind, or not for this token", "409": "It is too late for that",
    "413": "It is too long", "415": "It is not JSON", "422": "Some fields are missing or wrong: `errors` names them",
    "429": "There are too many at once", "503": "Not available for the moment: try again",
}  # fmt: skip
MERGE: Final = ("application/json", "application/merge-patch+json")


@cache
def document() -> dict[str, Any]:
    """Return the description."""
    models: list[type[BaseModel]] = [Body, Amended, Touched, Acts, Wishes]
    shown: list[type[BaseModel]] = [
        answers.MeetingsLogged, answers.Meeting, answers.Connections, answers.Touch, answers.Acted, answers.Person,
        answers.Export, answers.Erased, answers.Problem,
    ]  # fmt: skip
    given: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in models),
        *((model, "serialization") for model in shown),
    ]
    _, found = models_json_schema(given, ref_template="#/components/schemas/{model}")
    schemas = _named(found["$defs"])
    for name in ("owner", "contacts"):  # of a meeting they stay as they are
        del schemas["MeetingChange"]["properties"][name]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Afterhello", "version": "1", "description": "Meetings, and what comes after hello."},
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`afterhello token add NAME` makes one"}
            },
        },
    }


def _paths() -> dict[str, Any]:
    of_meeting, of_person = {"parameters": [ID]}, {"parameters": [REACHED]}
    return {
        "/api/v1/meetings": {
            "post": _does("Log a meeting, or several people at once", "NewMeeting", 201, "MeetingsLogged", KEY)
        },
        "/api/v1/meetings/{id}": of_meeting
        | {
            "get": _does("Show a meeting, its follow-ups and what happened", None, 200, "Meeting"),
            "patch": _does("Change what is named: pause, resume, stop, move", "MeetingChange", 200, "Meeting"),
            "delete": _does("Stop a meeting and forget it", None, 204, None),
        },
        "/api/v1/follow-ups/{id}/acts": of_meeting
        | {"post": _does("Act on a follow-up: done, later, stop", "NewAct", 202, "Acted")},
        "/api/v1/connections": {"get": _does("List connections", None, 200, "Connections", *_of_a_list())},
        "/api/v1/connections/{id}/touches": of_meeting
        | {"post": _does("Note a real contact", "NewTouch", 201, "Touch", KEY)},
        "/api/v1/people/{reached}": of_person
        | {
            "get": _does("Show how somebody wants to be written to", None, 200, "Person"),
            "patch": _does("Change that; null is as if it had never been said", "PersonChange", 200, "Person"),
            "delete": _does("Erase somebody, and what others noted about them; cannot be undone", None, 202, "Erased"),
        },
        "/api/v1/people/{reached}/export": of_person
        | {"get": _does("Show everything that intake keeps about somebody", None, 200, "Export")},
    }


def _of_a_list() -> list[dict[str, Any]]:
    given = {
        "owner": ({"type": "string"}, "An owner's e-mail address"),
        "q": ({"type": "string", "maxLength": 200}, "Words in a contact's name or address, or in an event's name"),
        "limit": ({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "How many"),
        "cursor": ({"type": "string"}, "The `next` of the page before"),
    }
    return [{"name": n, "in": "query", "schema": schema, "description": what} for n, (schema, what) in given.items()]


def _does(summary: str, takes: str | None, status: int, answers_with: str | None, *parameters: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": {str(status): {"description": "Done"}}}
    if parameters:
        operation["parameters"] = list(parameters)
    if takes:
        kinds = MERGE if takes.endswith("Change") else MERGE[:1]
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": _ref(takes)} for kind in kinds}}
    if answers_with:
        operation["responses"][str(status)]["content"] = {"application/json": {"schema": _ref(answers_with)}}
    for refused, why in REFUSED.items():
        content = {"application/problem+json": {"schema": _ref("Problem")}}
        operation["responses"][refused] = {"description": why, "content": content}
    return operation


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _named(schemas: dict[str, Any]) -> dict[str, Any]:
    """The models' schemas under the names that a reader of the API knows, without those of our modules."""
    text = json.dumps(schemas)
    for name, known_as in NAMES.items():
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{known_as}"')
    named: dict[str, Any] = {NAMES.get(name, name): schema for name, schema in json.loads(text).items()}
    for name, schema in named.items():
        _tidy(schema, title=name)
    return named


def _tidy(schema: Any, *, title: str | None = None) -> None:
    """Leave out what pydantic adds for itself: a title a field, and null as the default of what may be left out."""
    if isinstance(schema, list):
        for one in schema:
            _tidy(one)
    elif isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            schema.pop("title")
        if title:
            schema["title"] = title
        if "default" in schema and not isinstance(schema["default"], str | int):
            schema.pop("default")
        for value in schema.values():
            _tidy(value)


if __name__ == "__main__":
    print(json.dumps(document(), indent=2))
