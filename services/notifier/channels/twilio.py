"""Texts through Twilio's REST API (2010-04-01), or anything that speaks it: `?api=` names another base address."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
from aiohttp import encode_basic_auth
from yarl import URL

from services.notifier.channels import sms_codes
from services.notifier.channels.http_client import Answer, Failed, HttpClient, HttpTimeouts
from services.notifier.channels.receipt import Receipt
from shared.settings import SettingsError

Over = Literal["delivered", "failed"]

API: Final = "https://api.twilio.com"
SENDER: Final = re.compile(r"\+[1-9]\d{6,14}|MG[0-9A-Za-z]+|\d{5,6}", re.ASCII)
ASK_AFTER: Final = timedelta(minutes=10)  # when no report has come by then, none may come
LOOK_AGAIN: Final = timedelta(minutes=5)
PAGE: Final = 20
PAGES: Final = 5
OVER: Final[Mapping[str, Over]] = {
    **dict.fromkeys(("undelivered", "failed", "canceled"), "failed"),
    **dict.fromkeys(("delivered", "read", "received"), "delivered"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What `SMS_URL` says."""

    sid: str
    token: str
    sender: str  # a number, a short code, or the SID of a messaging service
    api: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has become of a text."""

    what: Over
    code: str | None


def account(url: str) -> Account:
    """Return the account of `SMS_URL`; raises `SettingsError`."""
    parts = urlsplit(url)
    who, at, sender = parts.netloc.rpartition("@")  # `hostname` would be in lower case
    sid, _, token = who.partition(":")
    options = parse_qs(parts.query, keep_blank_values=True)
    api = options.get("api", [API])[-1].rstrip("/")
    base = urlsplit(api)
    for is_wrong, words in (
        (not (at and sid and token), "needs twilio://SID:TOKEN@ and then the sender"),
        (not re.fullmatch(r"AC[0-9A-Za-z]*", unquote(sid)), "the account SID begins with AC"),
        (
            not SENDER.fullmatch(unquote(sender)) or bool(parts.path.strip("/")),
            "behind the @ belongs the sender: a number such as +15085550100, or a messaging service, MG...",
        ),
        (bool(options.keys() - {"api"}), "there is no option but ?api="),
        (base.scheme not in {"http", "https"} or not base.hostname, "?api= must be a web address"),
    ):
        if is_wrong:
            raise SettingsError(f"SMS_URL: {words}")
    return Account(sid=unquote(sid), token=unquote(token), sender=unquote(sender), api=api)


class Twilio:
    """One account."""

    def __init__(self, account: Account, *, timeouts: HttpTimeouts | None = None) -> None:
        self._account = account
        self._messages = f"{account.api}/2010-04-01/Accounts/{account.sid}/Messages"
        self._client = HttpClient(timeouts or HttpTimeouts(), unknown="ask")

    async def send(self, to: str, text: str, *, callback: str | None) -> Receipt:
        """Have the text sent, and reports of it sent to `callback`; return how that ended."""
        sender = "MessagingServiceSid" if self._account.sender.startswith("MG") else "From"
        form = {"To": to, sender: self._account.sender, "Body": text}
        if callback:
            form["StatusCallback"] = callback
        try:
            answer = await self._request("POST", f"{self._messages}.json", data=form)
        except Failed as failed:
            return failed.receipt
        if 200 <= answer.status < 300:
            sid = _text(_document(answer), "sid")
            return Receipt(outcome="sent", reply=f"{answer.status} {sid or ''}", provider_id=sid, ask_after=ASK_AFTER)
        return _refused(answer)

    async def look(self, to: str, codes: Collection[str], *, since: datetime) -> Receipt | None:
        """Return the receipt of a text to this number, made since then, in which one of these codes stands.

        None: there is no such text. What failed on the way counts as none: it may be tried again.
        """
        url = URL(f"{self._messages}.json").with_query({"To": to, "PageSize": PAGE})
        for _ in range(PAGES):
            try:
                answer = await self._request("GET", url)
            except Failed as failed:
                return replace(failed.receipt, outcome="held", reason="unknown", after=LOOK_AGAIN)
            if answer.status != 200:
                refused = _refused(answer)
                reason = refused.reason if refused.stop else "unknown"
                return replace(refused, outcome="held", reason=reason, suppress=False, after=LOOK_AGAIN)
            document = _document(answer)
            listed = [one for one in document.get("messages") or () if isinstance(one, dict)]
            recent = [one for one in listed if _is_since(one, since)]
            for one in recent:
                body = _text(one, "body")
                # An account may be set to keep no texts; then whatever went to them since must be taken for it.
                is_it = not body or any(code in body for code in codes)
                if is_it and _is_ours(one) and OVER.get(str(one.get("status"))) != "failed":
                    return Receipt(outcome="found", provider_id=_text(one, "sid"), ask_after=ASK_AFTER)
            next_page = _text(document, "next_page_uri")
            is_path = next_page is not None and re.match(r"/[^/]", next_page)  # of this very server: we log in there
            if next_page is None or not is_path or len(recent) < len(listed):  # the newest come first
                break
            url = URL(self._account.api).join(URL(next_page, encoded=True))
        return None

    async def outcome(self, sid: str) -> Outcome | None:
        """Return what has become of this text, None while it is under way; raises `Failed`."""
        answer = await self._request("GET", f"{self._messages}/{sid}.json")
        if answer.status != 200:
            raise Failed(_refused(answer))
        document = _document(answer)
        what = OVER.get(str(document.get("status")))
        return Outcome(what=what, code=_code(document, "error_code")) if what else None

    async def trouble(self) -> str | None:
        """Return what is wrong with the account in words, None if nothing is; sends nothing."""
        try:
            answer = await self._request("GET", f"{self._account.api}/2010-04-01/Accounts/{self._account.sid}.json")
        except Failed as failed:
            return failed.receipt.reply
        if answer.status != 200:
            return f"Twilio refuses us: {_refused(answer).reply}"
        status = _text(_document(answer), "status")
        return None if status in {"active", None} else f"the account is {status}"

    async def close(self) -> None:
        await self._client.close()

    async def _request(self, method: str, url: URL | str, **given: Any) -> Answer:
        proof = encode_basic_auth(self._account.sid, self._account.token)
        return await self._client.request(method, URL(url), headers={"Authorization": proof}, **given)


def _refused(answer: Answer) -> Receipt:
    document = _document(answer)
    code, words = _code(document, "code"), _text(document, "message") or ""
    return sms_codes.receipt(answer.status, code, words, retry_after=answer.retry_after)


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _code(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return str(value) if isinstance(value, int | str) and value else None


def _is_ours(message: Mapping[str, Any]) -> bool:
    return not str(message.get("direction", "")).startswith("inbound")


def _is_since(message: Mapping[str, Any], since: datetime) -> bool:
    """Whether it was made since then; what says nothing of it was."""
    try:
        return parsedate_to_datetime(str(message["date_created"])) >= since
    except (KeyError, TypeError, ValueError):
        return True
