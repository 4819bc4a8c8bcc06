"""The addresses of ours that are good for one nudge alone, `bounce+TOKEN@in.school.example`.

The notifier writes them and intake reads them. A local part has 64 octets, and some servers change its case: a token is
the nudge's id and a seal of 80 bits, in base32. What else there is to know of a nudge, intake has by its id.
"""

import base64
import hmac
from binascii import Error as NotBase32
from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

from pydantic import SecretStr

from shared.signing import BadToken

# bounce: whom mail servers tell what became of a mail. reply: whom its readers answer. unsub: the mailto: of RFC 2369.
Use = Literal["bounce", "reply", "unsub"]

SEAL_LENGTH: Final = 10
PADDING: Final = "=" * 6  # 26 bytes make 42 characters


class MailTokens:
    """Makes and reads such addresses, with the keys of `SECRET_KEY`."""

    def __init__(self, inbound_address: str, keys: Sequence[SecretStr]) -> None:
        self._domain = inbound_address.rpartition("@")[2].lower()
        self._keys = [key.get_secret_value().encode() for key in keys]

    def address(self, use: Use, nudge: UUID) -> str:
        """Return the address for this use of this nudge, at the domain of `INBOUND_ADDRESS`."""
        token = base64.b32encode(nudge.bytes + _seal(self._keys[0], use, nudge)).decode().rstrip("=").lower()
        return f"{use}+{token}@{self._domain}"

    def read(self, use: Use, token: str) -> UUID:
        """Return the nudge whose address for this use holds the token, in upper or lower case; raises `BadToken`."""
        try:
            claims = base64.b32decode(token.strip().upper() + PADDING)
            nudge, seal = UUID(bytes=claims[:16]), claims[16:]
        except (NotBase32, ValueError) as error:
            raise BadToken("this address is not one of ours") from error
        # All keys, whichever fits: how long that takes tells nothing.
        fits = [hmac.compare_digest(seal, _seal(key, use, nudge)) for key in self._keys]
        if not any(fits):
            raise BadToken("this address is not one of ours")
        return nudge


def _seal(key: bytes, use: Use, nudge: UUID) -> bytes:
    return hmac.digest(key, f"afterhello.{use}".encode() + nudge.bytes, "sha256")[:SEAL_LENGTH]
