"""A mail as its receiver sees it: who signed it and what of it, and how readers may leave."""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Final

from services.finding import Finding
from services.name_server import Names
from services.notifier.plain import one_line

UNSUBSCRIBE: Final = ("list-unsubscribe", "list-unsubscribe-post")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a DKIM-Signature says of itself."""

    domain: str
    selector: str
    covers: frozenset[str]  # names of headers, in lower case

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def covers_leaving(self) -> bool:
        """Whether receivers will offer one-click unsubscribe for it (RFC 8058)."""
        return self.covers >= set(UNSUBSCRIBE)


def signatures(raw: bytes) -> list[Signature]:
    """Return the signatures of the mail, the topmost first."""
    found = []
    for value in _head(raw).get_all("DKIM-Signature", []):
        tags = dict(re.findall(r"(\w+)\s*=\s*([^;]*)", re.sub(r"\s+", " ", str(value))))
        covers = frozenset(name.strip().lower() for name in tags.get("h", "").split(":"))
        domain, selector = tags.get("d", "").strip().lower(), tags.get("s", "").strip()
        found.append(Signature(domain=domain, selector=selector, covers=covers))
    return found


async def wrong_with(raw: bytes, signature: Signature, position: int, names: Names) -> str | None:
    """Return what is wrong with the signature at this position, None when it holds; raises `Silent`."""
    import dkim  # comes with the extra `dkim` alone

    keys = [text for text in await names.texts(signature.key_name) if "p=" in text]
    if not keys:
        return f"there is no key at {signature.key_name}"

    def key(name: bytes, timeout: int = 5) -> bytes:
        del name, timeout
        return keys[0].encode()

    try:
        good = dkim.DKIM(raw, minkey=1024).verify(idx=position, dnsfunc=key)
    except (dkim.DKIMException, ValueError) as error:
        return str(error)
    return None if good else f"it does not fit the mail and the key at {signature.key_name}"


def leaving(raw: bytes) -> Finding:
    """Return whether readers can leave with one click (RFC 8058), as far as the headers say."""
    head = _head(raw)
    ways, posts = head.get_all("List-Unsubscribe", []), head.get_all("List-Unsubscribe-Post", [])
    do = "mend PUBLIC_URL (https); a mail server that takes these headers out has to be told not to"
    if len(ways) != 1 or len(posts) != 1:
        says = f"List-Unsubscribe is there {len(ways)} times, List-Unsubscribe-Post {len(posts)} times: not once each"
        return Finding(check="unsubscribe", ok=False, says=says, do=do)
    addresses = re.findall(r"<([^>]*)>", str(ways[0]))
    where = " and ".join(f"{address.split('/u/')[0].split('+')[0]}..." for address in addresses)  # without the token
    if "\n" in str(ways[0]) or "=?" in str(ways[0]) or str(posts[0]).strip() != "List-Unsubscribe=One-Click":
        return Finding(check="unsubscribe", ok=False, says="the headers came folded, encoded or changed", do=do)
    if not any(address.startswith("https://") for address in addresses):
        says = f"one click needs an https:// address, and there is {where}"
        return Finding(check="unsubscribe", ok=False, says=says, do=do)
    return Finding(
        check="unsubscribe", ok=True, says=f"List-Unsubscribe ({where}) and List-Unsubscribe-Post, once each"
    )


def sender_domain(raw: bytes) -> str:
    """Return the domain of From."""
    return str(_head(raw)["From"]).rpartition("@")[2].strip("> \t").lower()


def receivers_words(raw: bytes) -> str | None:
    """Return what the last server that took the mail found (Authentication-Results, RFC 8601), on one line."""
    found = _head(raw).get_all("Authentication-Results", [])
    return one_line(str(found[0]), 600) if found else None


def verdicts(words: str) -> dict[str, str]:
    """Return the results among such words, the first of each method: {"spf": "pass", ...}."""
    plain = re.sub(r"\([^()]*\)", "", words)
    return {what.lower(): verdict.lower() for what, verdict in reversed(re.findall(r";\s*([\w-]+)\s*=\s*(\w+)", plain))}


def _head(raw: bytes) -> Message:
    return message_from_bytes(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
