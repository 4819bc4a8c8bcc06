"""How somebody wants to be reached: by mail, by text, or by one of the services that apprise speaks to. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.intake import fields
from services.intake.body import FieldError, Owner
from shared import apprise_url
from shared.events import Channel
from shared.settings import Settings

AN_ADDRESS: Final = "the address of a service, such as ntfy://my-topic"
NOT_SERVED: Final = {
    "sms": "texts are not set up here (SMS_URL)",
    "apprise": "what apprise speaks to is not set up here (the extra `apprise`)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What this installation can reach people by."""

    channels: Collection[str] = ("email",)
    apprise_hosts: Collection[str] = ()  # that the operator trusts


def served(config: Settings) -> Served:
    """Return what the settings have been given the means for."""
    return Served(channels=config.channels, apprise_hosts=config.apprise_hosts)


def channel_of(said: str | None) -> Channel:
    """Return the channel of what was said, the name of one or an address; nothing is mail."""
    if said is not None and "://" in said:
        return "apprise"
    return "sms" if said == "sms" else "apprise" if said == "apprise" else "email"


def address_of(said: str | None) -> str | None:
    """Return the address of a service that was said; None: only a channel's name."""
    return said if said is not None and "://" in said else None


def problems(owner: Owner, served: Served) -> list[FieldError]:
    """Return what keeps this owner from being reached as they want to be."""
    channel, address = channel_of(owner.channel), address_of(owner.channel)
    if wrong := not_served(channel, address, served):
        return [{"field": "owner.channel", "problem": wrong}]
    if channel == "apprise" and address is None:
        return [{"field": "owner.channel", "problem": f"must be {AN_ADDRESS}"}]
    if channel != "sms":
        return [] if owner.email else [{"field": "owner.email", "problem": "is required"}]
    if owner.phone is None:
        return [{"field": "owner.phone", "problem": "is required where owner.channel is sms"}]
    wrong = fields.not_textable(owner.phone)
    return [{"field": "owner.phone", "problem": wrong}] if wrong else []


def not_served(channel: Channel, address: str | None, served: Served) -> str | None:
    """Return why this channel, or this address of a service, cannot be chosen here; None if it can."""
    if channel in served.channels:
        return apprise_url.wrong(address, served.apprise_hosts) if address else None
    there_are = [one for one in ("email", "sms", "apprise") if one in served.channels]
    return f"must be {' or '.join(there_are)}: {NOT_SERVED.get(channel, 'no other is served here')}"
