"""Addresses such as `ntfy://my-topic`: which of them may be written to. Pure; needs no apprise.

The library speaks to two hundred things, and among them are files, the machine's own log, any mail server and any host
with a port. An address is typed by somebody we do not know. So it must be of a service whose host is its own, or on a
host that the operator named; and what stands behind the ? must be about the message alone, for some of it names files.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl, urlsplit

LENGTH: Final = 500
SERVICES: Final = frozenset((
    "46elks", "bluesky", "bsky", "bulksms", "burstsms", "cliq", "dingtalk", "discord", "feishu", "flock",
    "freemobile", "gchat", "groupme", "guilded", "ifttt", "join", "kook", "lark", "line", "ntfy", "ntfys", "o365",
    "onesignal", "pbul", "pover", "prowl", "push", "pushed", "pushme", "pushplus", "pushy", "qq",
    "revolt", "ryver", "schan", "seven", "signl4", "simplepush", "slack", "spush", "strmlabs", "tgram", "threema",
    "twist", "viber", "webex", "wecombot", "whatsapp", "wxpusher", "wxteams", "zulip",
))  # fmt: skip
ON_A_HOST: Final = frozenset((
    "apprise", "apprises", "bark", "barks", "form", "forms", "gotify", "gotifys", "humhub", "humhubs", "json",
    "jsons", "matrix", "matrixs", "mmost", "mmosts", "nctalk", "nctalks", "ntfy", "ntfys", "rocket", "rockets",
    "signal", "signals", "synology", "synologys", "xmatters", "xml", "xmls",
))  # fmt: skip
PUBLIC_HOSTS: Final = frozenset({"ntfy.sh"})
OPTIONS: Final = frozenset((
    "preview", "priority", "silent", "sound", "tags", "thread", "topic", "tts",
))  # fmt: skip


def wrong(address: str, hosts: Collection[str]) -> str | None:
    """Return why this address may not be written to, None if it may; `hosts` are those that the operator named."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return "must be the address of a service, such as ntfy://my-topic"
    scheme = parts.scheme.lower()
    is_plain = address.isascii() and address.isprintable() and " " not in address
    if not (scheme and parts.netloc and is_plain) or len(address) > LENGTH or parts.fragment:
        return "must be the address of a service, such as ntfy://my-topic"
    if unknown := {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - OPTIONS:
        return f"may hold {', '.join(sorted(OPTIONS))} behind the ?, not {min(unknown)[:30]}"
    # `ntfy://my-topic` is a topic of the public server, `ntfy://host/my-topic` is not.
    is_on_a_host = scheme in ON_A_HOST and (scheme not in SERVICES or bool(parts.path.strip("/")))
    if is_on_a_host:
        if host in PUBLIC_HOSTS or host in hosts:
            return None
        return (
            f"must be on a host that the operator of Afterhello trusts (APPRISE_HOSTS); {host[:60] or 'this'} is none"
        )
    return None if scheme in SERVICES else f"must be of a service that is served here; {scheme[:30]}:// is none"
