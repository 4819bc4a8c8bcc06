"""What the pages behind our links have in common: GET and HEAD only show, and a button posts with the page's proof.

Mail scanners fetch every link, and some run the page's scripts: nothing changes by being looked at, there is no script
to run, and a form without the proof of its page gets the page again.
"""

import functools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from pydantic import SecretStr

from shared import db
from shared.links import Links
from shared.signing import BadToken, Signer
from shared.web import RETRY_AFTER_SECONDS, Handler, Pages, Problem, read_form

log = structlog.get_logger()

PROOF_LASTS: Final = timedelta(hours=24)
FORM_BYTES: Final = 16 * 1024


class OurPages:
    """Renders the pages, and knows their own forms."""

    def __init__(self, *, public_url: str, keys: Sequence[SecretStr]) -> None:
        self.links = Links(public_url, keys)
        self._public_host = urlsplit(public_url).netloc
        self._proofs = Signer(keys, purpose="act page")
        self._pages = Pages(Path(__file__).parent / "templates")

    def readable(self, handler: Handler) -> Handler:
        """Return the handler, with its failures told to a person, not to a program."""

        @functools.wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except BadToken:
                text = "It may have been cut off on its way: open it from the message again, or copy the whole line."
                return self.message("This is no link of ours", text, status=404)
            except Problem as problem:
                text = " ".join(f"{error['field']} {error['problem']}." for error in problem.errors)
                return self.message(problem.title, text, status=problem.status)
            except Exception as error:
                if not db.is_unavailable(error):
                    raise
                log.warning("request.unavailable", error=type(error).__name__, exc_info=True)
                text = "Nothing was changed. Please try again in a minute."
                response = self.message("Not available for the moment", text, status=503)
                response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
                return response

        return answer

    def render(self, template: str, *, proves: Sequence[str], status: int = 200, **values: object) -> web.Response:
        """Return the page, whose forms are proven to be about this. A token's text will not do: it has several
        spellings."""
        return self._pages.render(template, status=status, proof=self.proof(proves), **values)

    def proof(self, proves: Sequence[str]) -> str:
        """Return what a form holds that is about this."""
        return self._proofs.sign(list(proves))

    def message(self, title: str, text: str, *, status: int) -> web.Response:
        """Return a page that only says something."""
        return self._pages.render("message.html", status=status, title=title, text=text)

    async def pressed(self, request: web.Request, proves: Sequence[str]) -> tuple[Mapping[str, str], bool]:
        """Return the form that was sent, and whether it is that of our own page about this."""
        form = await read_form(request, limit=FORM_BYTES)
        return form, self._is_from_our_page(request, list(proves), form.get("proof", ""))

    def _is_from_our_page(self, request: web.Request, proven: list[str], proof: str) -> bool:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = request.headers.get("Origin", "null")  # "null" is what browsers send from a page without referrer
        if origin != "null" and urlsplit(origin).netloc not in {self._public_host, request.host}:
            return False
        try:
            return bool(self._proofs.read(proof, max_age=PROOF_LASTS) == proven)
        except BadToken:
            return False
