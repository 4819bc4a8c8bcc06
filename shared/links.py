"""The signed links of a nudge: the notifier writes them, intake reads them."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, get_args
from uuid import UUID

from pydantic import SecretStr

from shared.events import Channel
from shared.signing import BadToken, Signer

ACTS_EXPIRE_AFTER: Final = timedelta(days=90)  # done and later; a stop never expires
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)  # a token has the place in it: add at the end, never reorder
SHORT_CODE_LENGTH: Final = 10  # 60 bits that nobody can guess, in as few characters as a text has to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What `/a/{token}` is about: one follow-up of one owner's connection, as a nudge carried it."""

    person: UUID
    connection: UUID
    follow_up: UUID
    nudge: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What `/u/{token}` and `/c/{token}` are about: one owner's address on one channel."""

    person: UUID
    channel: Channel
    address: str


class Links:
    """Makes and reads the links, with the keys of `SECRET_KEY`."""

    def __init__(self, public_url: str, keys: Sequence[SecretStr]) -> None:
        self._base = public_url
        self._keys = [key.get_secret_value().encode() for key in keys]
        self._act = Signer(keys, purpose="act")
        self._leave = Signer(keys, purpose="leave")
        self._confirm = Signer(keys, purpose="confirm")

    def act(self, acting: Acting) -> str:
        """Return the page's URL; `?act=done`, `later` or `stop` behind it puts that button first."""
        ids = (acting.person, acting.connection, acting.follow_up, acting.nudge)
        return f"{self._base}/a/{self._act.sign(b''.join(id.bytes for id in ids))}"

    def leave(self, leaving: Leaving) -> str:
        """Return the one-click unsubscribe URL (RFC 8058)."""
        channel = bytes([CHANNELS.index(leaving.channel)])
        return f"{self._base}/u/{self._leave.sign(leaving.person.bytes + channel + leaving.address.encode())}"

    def confirm(self, asked: Leaving) -> str:
        """Return the page on which the holder of an address confirms that it is theirs."""
        channel = bytes([CHANNELS.index(asked.channel)])
        return f"{self._base}/c/{self._confirm.sign(asked.person.bytes + channel + asked.address.encode())}"

    def short(self, nudge: UUID) -> str:
        """Return the page of a nudge in as few characters as possible, for a text. The code says nothing of its own."""
        return f"{self._base}/s/{_short_code(self._keys[0], nudge)}"

    def short_codes(self, nudge: UUID) -> list[str]:
        """Return the codes under which this nudge's page is found, one for each key: the newest one first."""
        return [_short_code(key, nudge) for key in self._keys]

    def read_act(self, token: str, *, max_age: timedelta | None = None) -> Acting:
        """Return what the token is about; raises `BadToken`, also when it is older than `max_age`."""
        try:
            claims = self._act.read(token, max_age=max_age)
            if isinstance(claims, bytes):
                ids = [UUID(bytes=claims[n : n + 16]) for n in range(0, len(claims), 16)]
            else:  # of a link from before they were packed
                ids = [UUID(hex=id) for id in claims]
            person, connection, follow_up, nudge = ids
        except (TypeError, ValueError, AttributeError) as error:
            raise BadToken("this link is not one of ours") from error
        return Acting(person=person, connection=connection, follow_up=follow_up, nudge=nudge)

    def read_leave(self, token: str) -> Leaving:
        """Return what the token is about; raises `BadToken`. It never expires."""
        try:
            claims = self._leave.read(token)
            if isinstance(claims, bytes):
                return _whose(claims)
            person, channel, address = claims
            return Leaving(person=UUID(hex=person), channel=channel, address=address)
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadToken("this link is not one of ours") from error

    def read_confirm(self, token: str) -> Leaving:
        """Return the address that is to be confirmed; raises `BadToken`. It never expires."""
        try:
            claims = self._confirm.read(token)
            return _whose(claims)
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadToken("this link is not one of ours") from error


def _whose(claims: bytes) -> Leaving:
    return Leaving(person=UUID(bytes=claims[:16]), channel=CHANNELS[claims[16]], address=claims[17:].decode())


def _short_code(key: bytes, nudge: UUID) -> str:
    digest = hmac.digest(key, b"afterhello.short" + nudge.bytes, "sha256")
    return base64.urlsafe_b64encode(digest)[:SHORT_CODE_LENGTH].decode()
