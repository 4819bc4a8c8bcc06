"""What is assumed of a submission that does not say it, as the settings have it."""

from services.intake import erasing, guarding
from services.intake.meeting import Defaults
from services.intake.reaching import served
from shared.settings import Settings
from shared.signing import Fingerprints


def of_settings(config: Settings) -> Defaults:
    """Return what counts in this installation; raises `SettingsError`, one line, for what cannot be used."""
    return Defaults(
        zone_is_set="time_zone" in config.model_fields_set,
        served=served(config),
        time_zone=config.time_zone,
        phone_region=config.phone_region,
        erased=Fingerprints(config.secret_key, purpose=erasing.PURPOSE),
        guard=guarding.of_settings(config),
    )
