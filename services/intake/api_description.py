"""`/openapi.json` and `/docs`: the API described, for programs and for people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from services.intake import openapi
from services.intake.requests import json_response
from shared.web import Pages

METHODS: Final = ("get", "post", "patch", "delete")


def routes() -> list[web.RouteDef]:
    """Return both routes; neither needs a token."""
    pages = Pages(Path(__file__).parent / "templates")

    async def describe(_: web.Request) -> web.Response:
        """Answer with the description, OpenAPI 3.1."""
        return json_response(openapi.document())

    async def read(_: web.Request) -> web.Response:
        """Show the description as a page."""
        return pages.render("docs.html", operations=list(_operations(openapi.document())))

    return [web.get("/openapi.json", describe), web.get("/docs", read)]


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            bodies: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
            [status] = [code for code in operation["responses"] if code.startswith("2")]
            answer = operation["responses"][status].get("content", {}).get("application/json", {})
            parameters = item.get("parameters", []) + operation.get("parameters", [])
            yield {
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "parameters": [(one["name"], one["in"], one.get("description", "")) for one in parameters],
                "takes": _fields(document, bodies.get("application/json", {}).get("schema")),
                "status": status,
                "answers": _fields(document, answer.get("schema")),
            }


def _fields(document: dict[str, Any], schema: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not schema:
        return []
    properties = document["components"]["schemas"][_name(schema)]["properties"]
    return [(name, _kind(document, one)) for name, one in properties.items()]


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """What stands in a field, in a few words; what an object holds, in brackets."""
    if "$ref" in schema:
        return "{" + ", ".join(document["components"]["schemas"][_name(schema)]["properties"]) + "}"
    if "anyOf" in schema:
        return " or ".join(_kind(document, one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"a list of: {_kind(document, schema['items'])}"
    example = f" such as {schema['examples'][0]}" if schema.get("examples") else ""
    kind = {"string": "text", "integer": "a number", "boolean": "true or false"}
    return str(kind.get(schema.get("type", ""), schema.get("type", "anything"))) + example


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
