"""Who may call `/inbound/`: whoever knows INBOUND_KEY. Vendors that sign what they send prove themselves by that."""

import base64
import binascii
import hmac
import re
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from shared.problem import Problem

BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/=]{1,2000})", re.IGNORECASE)


def knows_the_key(request: web.Request, key: SecretStr | None) -> bool:
    """Say whether INBOUND_KEY is in the address, or is the password of basic authentication."""
    given = [*request.query.getall("key", []), _password(request.headers.get("Authorization", ""))]
    expected = key.get_secret_value().encode() if key else b""
    right = [hmac.compare_digest(one.encode("utf-8", "replace"), expected) for one in given]
    return bool(expected) and any(right)


def unproven() -> Problem:
    """A problem that no vendor gives up for. Never 403, 404, 406 or 410, after which one or the other does."""
    return Problem(401, "The key or the signature is not right", headers={"WWW-Authenticate": 'Basic realm="inbound"'})


def _password(header: str) -> str:
    given = BASIC.fullmatch(header.strip())
    try:
        text = base64.b64decode(given[1], validate=True).decode("utf-8", "replace") if given else ""
    except binascii.Error:
        return ""
    return text.partition(":")[2]
