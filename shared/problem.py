"""Problems: answers of 400 or more, as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

import orjson
from aiohttp import web

PROBLEM_BYTES: Final = 4096


class FieldError(TypedDict):
    field: str  # a dotted name, `owner.email`; "body" for the body as a whole
    problem: str  # in words that complete the sentence: "is required"


class Problem(Exception):
    """An answer of 400 or more, sent as `application/problem+json` (RFC 9457)."""

    def __init__(
        self, status: int, title: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer itself: at most 4 KiB, and with nothing in it that a browser could take for markup."""
        errors = [{"field": error["field"][:100], "problem": error["problem"][:300]} for error in self.errors]
        document = {"type": "about:blank", "title": self.title[:300], "status": self.status, "errors": errors}
        body = _inert(orjson.dumps(document))
        while len(body) > PROBLEM_BYTES and errors:
            errors.pop()
            body = _inert(orjson.dumps(document))
        return web.Response(
            status=self.status, body=body, content_type="application/problem+json", headers=self.headers
        )


def _inert(body: bytes) -> bytes:
    return body.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")
