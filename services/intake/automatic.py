"""Letters that nobody wrote: what machines send of themselves, which must neither act nor be answered. Pure."""

import re
from collections.abc import Mapping
from typing import Final

MACHINES: Final = re.compile(r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply)@", re.IGNORECASE)
SAYS_SO: Final = re.compile(
    r"(auto(matic|matische)?[ -]?(reply|response|antwort)|out of (the )?office|respuesta autom[aá]tica|"
    r"fuera de (la )?oficina|r[eé]ponse automatique|abwesenheits(notiz|benachrichtigung))\b",
    re.IGNORECASE,
)


def why(headers: Mapping[str, str], sender: str, return_path: str | None) -> str | None:
    """Return why nobody wrote a letter with these headers (names in lower case) themselves; None: somebody did.

    By RFC 3834, and what was usual before it.
    """
    if headers.get("auto-submitted", "no").partition(";")[0].strip().lower() != "no":
        return "an automatic answer (Auto-Submitted)"
    if headers.get("precedence", "").strip().lower() in {"bulk", "junk", "auto_reply"}:
        return "an automatic letter (Precedence)"
    for name in ("x-autoreply", "x-autorespond", "x-auto-reply"):
        if headers.get(name, "no").strip().lower() not in {"no", "false", ""}:
            return f"an automatic answer ({name.title()})"
    if return_path is not None and return_path.strip() in {"", "<>"}:
        return "a notice of a mail server (without a return path)"
    if MACHINES.match(sender):
        return "a notice of a machine"
    for name in headers:
        if name.startswith("list-"):
            return f"a letter of a mailing list ({name.title()})"
    if SAYS_SO.match(headers.get("subject", "")):
        return "an automatic answer (by its subject)"
    return None


def is_returned(sender: str, return_path: str | None) -> bool:
    """Say whether a mail server sent it back, or tells of one that it did not deliver."""
    has_no_path = return_path is not None and return_path.strip() in {"", "<>"}
    return has_no_path or MACHINES.match(sender) is not None
