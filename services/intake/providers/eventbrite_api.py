"""Eventbrite's API, asked with a token for what a webhook points to: one host, no redirects, within moments.

The token goes to nobody else, is in no address and in no log line, and what is answered may not be large.
"""

from typing import Final

import aiohttp

from services.intake.answers import Unreadable
from shared.retry import TryAgain

HOST: Final = "www.eventbriteapi.com"
BASE: Final = f"https://{HOST}"
SECONDS: Final = 1.5  # the webhook that waits for it is to be answered, too
LARGEST: Final = 256 * 1024


async def get(base: str, path: str, token: str, *, expand: str) -> bytes:
    """Return what the API answers; raises `TryAgain` when it does not for now, `Unreadable` when it will not.

    `path` is one that the caller has checked; `base` is another than `BASE` in tests alone.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session,
            session.get(f"{base}{path}", params={"expand": expand}, headers=headers, allow_redirects=False) as response,
        ):
            _check(response.status)
            return await _body(response)
    except TimeoutError:
        raise TryAgain(f"Eventbrite does not answer within {SECONDS} seconds") from None
    except (aiohttp.ClientError, OSError) as error:
        raise TryAgain(f"Eventbrite cannot be reached ({type(error).__name__})") from None


def _check(status: int) -> None:
    match status:
        case 200:
            return
        case 401:
            raise Unreadable("cannot be fetched: the token is refused by Eventbrite (401)")
        case 403 | 404:
            raise Unreadable(f"cannot be fetched: Eventbrite shows it to nobody with this token ({status})")
        case _:
            raise TryAgain(f"Eventbrite answers {status}")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > LARGEST:
            raise Unreadable(f"points to more than {LARGEST // 1024} KiB")
    return body
