"""The vendors that hand us letters and reports. To add one: a module with `read`, a line in VENDORS, recordings."""

from collections.abc import Mapping
from typing import Final, Protocol

from services.intake.inbound import mailgun, postmark, sendgrid
from services.intake.inbound.delivered import Delivered


class Vendor(Protocol):
    """What a vendor's module holds."""

    @property
    def TYPES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The media types that the vendor sends."""

    @property
    def SIGNS(self) -> bool:  # noqa: N802
        """Whether what it sends holds its proof; else whoever calls has to know INBOUND_KEY."""

    def read(self, content_type: str, body: bytes) -> Delivered:
        """Return what was delivered; raises `ValueError` in words for a malformed body."""


VENDORS: Final[Mapping[str, Vendor]] = {"postmark": postmark, "mailgun": mailgun, "sendgrid": sendgrid}

__all__ = ["VENDORS", "Delivered", "Vendor"]
