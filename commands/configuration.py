"""Reading the settings for a command."""

from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from commands.terminal import CommandFailed
from core.settings import Settings


class _SettingsWithDefaults(Settings):
    """Settings whose arguments stand behind the environment, instead of before it."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def read_settings(**defaults: Any) -> Settings:
    """The settings of the environment, and ``defaults`` for what it leaves unsaid.

    Raises:
        CommandFailed: a variable is missing or malformed; the message names it.
    """
    try:
        return _SettingsWithDefaults(**defaults)
    except ValidationError as error:
        # pydantic would show the values too, and some are secret.
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors())
        raise CommandFailed(f"The settings are not right. {faults}.", exit_code=2) from None
