"""Texts through any gateway that is told by an address: `https://gateway.example/send?to={to}&text={text}`.

The answer 2xx means that the text was taken. Nothing can be asked afterwards, so what got no answer is not repeated.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from aiohttp import encode_basic_auth
from yarl import URL

from services.notifier.channels import sms_codes
from services.notifier.channels.http_client import Failed, HttpClient, HttpTimeouts
from services.notifier.channels.receipt import Receipt
from shared.settings import SettingsError

Way = Literal["get", "post", "json"]

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS: Final = {"to", "text", "id"}
SILENT_PROXY: Final = {502, 504}  # who answers is not the gateway, which may have taken it
A_SECRET: Final = 6  # characters, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What `SMS_URL` says."""

    template: str  # without user, password and fragment
    way: Way
    user: str | None
    password: str


def gateway(url: str) -> Gateway:
    """Return the gateway of `SMS_URL`; raises `SettingsError`."""
    parts = urlsplit(url)
    named = set(PLACEHOLDER.findall(parts.path + "?" + parts.query))
    ways: dict[str, Way] = {"": "get", "get": "get", "post": "post", "json": "json"}
    host = parts.netloc.rpartition("@")[2]
    for is_wrong, words in (
        (not parts.hostname or "{" in host, "needs the gateway's address, such as https://gateway.example/send?..."),
        (not {"to", "text"} <= named, "needs {to} and {text} where the number and the text belong"),
        (
            bool(named - PLACEHOLDERS),
            f"{{{min(named - PLACEHOLDERS, default='')}}} is none of {{to}}, {{text}}, {{id}}",
        ),
        (parts.fragment not in ways, "may end in #post or #json, nothing else behind a #"),
        (parts.fragment in {"post", "json"} and not parts.query, "needs what it posts behind a ?"),
    ):
        if is_wrong:
            raise SettingsError(f"SMS_URL: {words}")
    return Gateway(
        template=urlunsplit((parts.scheme, host, parts.path, parts.query, "")),
        way=ways[parts.fragment],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
    )


class HttpSms:
    """One gateway."""

    def __init__(self, gateway: Gateway, *, timeouts: HttpTimeouts | None = None) -> None:
        self._gateway = gateway
        self._client = HttpClient(timeouts or HttpTimeouts(), unknown="leave")

    async def send(self, to: str, text: str, *, id: str) -> Receipt:
        """Hand the text over and return how that ended."""
        url, given = self._request({"to": to, "text": text, "id": id})
        method = "GET" if self._gateway.way == "get" else "POST"
        try:
            answer = await self._client.request(method, url, **given)
        except Failed as failed:
            return failed.receipt
        if 200 <= answer.status < 300:
            return Receipt(outcome="sent", reply=str(answer.status))
        words = self._without_secrets(answer.body.decode("utf-8", "replace"))
        if answer.status in SILENT_PROXY:
            reply = sms_codes.said(answer.status, words)
            return Receipt(outcome="unknown", reason="unknown", reply=reply, unknown="leave")
        receipt = sms_codes.receipt(answer.status, None, words, retry_after=answer.retry_after)
        return replace(receipt, reason="gateway") if receipt.reason == "provider" else receipt

    async def close(self) -> None:
        await self._client.close()

    def _request(self, values: dict[str, str]) -> tuple[URL, dict[str, Any]]:
        template = urlsplit(self._gateway.template)
        given: dict[str, Any] = {"headers": {}}
        query = _filled(template.query, values)
        if self._gateway.way != "get":
            fields = parse_qsl(query, keep_blank_values=True)
            given["data" if self._gateway.way == "post" else "json"] = dict(fields)
            query = ""
        if self._gateway.user is not None:
            given["headers"]["Authorization"] = encode_basic_auth(self._gateway.user, self._gateway.password)
        filled = urlunsplit((template.scheme, template.netloc, _filled(template.path, values), query, ""))
        return URL(filled, encoded=True), given

    def _without_secrets(self, text: str) -> str:
        """A gateway's words about an error may repeat the request; its key belongs in no record."""
        own = [value for _, value in parse_qsl(urlsplit(self._gateway.template).query) if "{" not in value]
        for secret in (*own, self._gateway.password):
            if len(secret) >= A_SECRET:
                text = text.replace(secret, "***")
        return text


def _filled(template: str, values: dict[str, str]) -> str:
    """All at once: what somebody is called may hold braces."""
    return PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), template)
