"""The key that mails are signed with (DKIM, RFC 6376), for a mail server that does not sign them itself."""

import base64
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.settings import Settings, SettingsError

LEAST_BITS: Final = 1024  # what receivers still take; 2048 is advised

# Each is named once more than it occurs: so it can neither be changed on the way nor be there twice, and one that is
# not there cannot be added. (A second Content-Type in front would show another mail under the same signature.)
SIGNED: Final = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",  # receivers honour one-click only when both are signed (RFC 8058)
    "List-Unsubscribe-Post",
    "Auto-Submitted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    selector: str
    domain: str
    pem: bytes

    @property
    def record(self) -> str:
        """Return what DNS must hold at SELECTOR._domainkey.DOMAIN, as TXT."""
        key = load_pem_private_key(self.pem, password=None).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"

    def signed(self, mail: bytes) -> bytes:
        """Return the mail with its signature in front."""
        import dkim  # comes with the extra `dkim` alone

        signature: bytes = dkim.DKIM(mail, linesep=b"\r\n").sign(
            self.selector.encode(),
            self.domain.encode(),
            self.pem,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode() for name in SIGNED * 2],
        )
        return signature + mail


def read(config: Settings, *, domain: str) -> DkimKey | None:
    """Return the key of `DKIM_KEY` for this domain, None without one; raises `SettingsError`."""
    if config.dkim_key is None:
        return None
    if config.dkim_selector is None:
        raise SettingsError("DKIM_SELECTOR is not set: DKIM_KEY needs it, such as afterhello")
    if find_spec("dkim") is None:
        raise SettingsError(
            "DKIM_KEY needs the extra `dkim`: pip install afterhello[dkim], or images built with EXTRAS=1"
        )
    # In one line of an environment file the line breaks are written as \n.
    text = config.dkim_key.get_secret_value().replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise SettingsError("DKIM_KEY: is locked with a password; `openssl rsa` takes it away") from error
    except Exception as error:  # of a kind that changes with the version of the library
        raise SettingsError("DKIM_KEY: must be a private key, -----BEGIN PRIVATE KEY----- and so on (PEM)") from error
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError("DKIM_KEY: must be an RSA key; `openssl genrsa 2048` makes one")
    if key.key_size < LEAST_BITS:
        raise SettingsError(f"DKIM_KEY: has {key.key_size} bits, and {LEAST_BITS} are the least; 2048 are advised")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return DkimKey(selector=config.dkim_selector, domain=domain, pem=pem)
