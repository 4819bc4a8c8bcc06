"""Signed links and sealed secrets, with keys that can be rotated: the first of `SECRET_KEY` signs, all verify."""

import base64
import hashlib
import hmac
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from pydantic import SecretStr

PACKED: Final = b"\x01"  # begins claims that are bytes; those in JSON begin with [, {, a digit or a quotation mark


class BadToken(Exception):
    """Not a token of ours, or too old; the message says which, in words."""


class Signer:
    """Signs and reads tokens for one purpose; a token of another purpose is refused."""

    def __init__(self, keys: Sequence[SecretStr], *, purpose: str) -> None:
        newest_last = [key.get_secret_value() for key in reversed(keys)]
        self._serializer = URLSafeTimedSerializer(
            newest_last, salt=f"afterhello.{purpose}", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._signer = TimestampSigner(newest_last, salt=f"afterhello.{purpose}", digest_method=hashlib.sha256)

    def sign(self, claims: object) -> str:
        """Return a token, safe in a URL, that holds these claims in plain sight: shortest when they are bytes."""
        if isinstance(claims, bytes):
            packed = base64.urlsafe_b64encode(PACKED + claims).rstrip(b"=")
            return self._signer.sign(packed).decode()
        return str(self._serializer.dumps(claims))

    def read(self, token: str, *, max_age: timedelta | None = None) -> Any:
        """Return the claims; raises `BadToken`. Key one-time use on the claims: a token has several spellings."""
        seconds = None if max_age is None else int(max_age.total_seconds())
        try:
            claims = _unpacked(self._signer.unsign(token, max_age=seconds))
            return self._serializer.loads(token, max_age=seconds) if claims is None else claims
        except (BadData, ValueError) as error:
            raise BadToken(
                "this link has expired" if "age" in str(error) else "this link is not one of ours"
            ) from error


def _unpacked(payload: bytes) -> bytes | None:
    """The claims that are bytes, or None for those in JSON."""
    try:
        claims = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    except NotBase64:
        return None
    return claims.removeprefix(PACKED) if claims.startswith(PACKED) else None


class Box:
    """Encrypts what must not lie readable in the database (AES-128-CBC with HMAC-SHA256, the Fernet format)."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key, "box")) for key in keys])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the secret; raises `BadToken` when no key of `SECRET_KEY` fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except (InvalidToken, ValueError) as error:  # the latter: not even ASCII
            raise BadToken("it was sealed with another SECRET_KEY") from error


class Fingerprints:
    """Recognises texts that are not kept, such as addresses of who was erased; keyed, so that nobody guesses them."""

    def __init__(self, keys: Sequence[SecretStr], *, purpose: str) -> None:
        self._keys = [_derived(key, purpose) for key in keys]

    def of(self, text: str) -> str:
        """Return what is kept in place of the text, made with the first key."""
        return self.every(text)[0]

    def every(self, text: str) -> list[str]:
        """Return what may be kept in its place, one for each key; none when there is no key."""
        return [hmac.digest(key, text.encode(), "sha256").hex() for key in self._keys]


def fingerprint(text: str) -> str:
    """Return the SHA-256 of an unguessable text, in hex: what is stored in place of a path or an API token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _derived(key: SecretStr, purpose: str) -> bytes:
    digest = hmac.digest(key.get_secret_value().encode(), f"afterhello.{purpose}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest)
