"""The guard as the settings have it."""

from services.intake import guard
from services.intake.guard import BadPatterns, Guard
from shared.settings import Settings, SettingsError


def of_settings(config: Settings) -> Guard:
    """Return what is to be kept out; raises `SettingsError`, one line, for a pattern that cannot be used."""
    try:
        return guard.read(config.student_data, config.student_patterns)
    except BadPatterns as error:
        raise SettingsError(f"STUDENT_PATTERNS: {error}") from None
