"""The tools that may call us. To add one: a module with `verify` and `read`, a line in PROVIDERS, recorded payloads."""

from collections.abc import Mapping
from typing import Final, Protocol

from services.intake.answers import Delivery
from services.intake.providers import (
    calcom,
    calendly,
    eventbrite,
    fillout,
    formbricks,
    google_forms,
    jotform,
    microsoft_forms,
    standard,
    tally,
    typeform,
    zoom,
)

Headers = Mapping[str, str]  # names in lower case


class Provider(Protocol):
    """What a provider's module holds."""

    @property
    def TYPES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The media types that the vendor sends."""

    @property
    def KEPT(self) -> tuple[str, ...]:  # noqa: N802
        """The headers to keep with a submission, since `read` needs them."""

    def new_secret(self) -> str | None:
        """Return a fresh secret of the form that the vendor's tool takes; None where the path alone is the proof."""

    def check_secret(self, secret: str) -> None:
        """Raise `ValueError` in words when nothing should be verified with this secret."""

    def verify(self, headers: Headers, body: bytes, secret: str) -> bool:
        """Say whether the sender of exactly these bytes knows the secret; never raises, whatever was sent.

        The secret is empty where there is none.
        """

    def read(self, headers: Headers, body: bytes) -> Delivery:
        """Return what was delivered; raises `ValueError` for a malformed body, `Unreadable` for another meaning."""


PROVIDERS: Final[dict[str, Provider]] = {
    "standard": standard,
    "typeform": typeform,
    "tally": tally,
    "jotform": jotform,
    "google-forms": google_forms,
    "microsoft-forms": microsoft_forms,
    "formbricks": formbricks,
    "fillout": fillout,
    "calcom": calcom,
    "calendly": calendly,
    "zoom": zoom,
    "eventbrite": eventbrite,
}
