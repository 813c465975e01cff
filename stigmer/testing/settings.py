"""Settings that do not depend on where a test runs."""

from __future__ import annotations

from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from stigmer.settings import Settings


class _OwnSettings(Settings):
    """Settings that come from arguments alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes what is given and nothing else."""
        return (init_settings,)


def make_settings(**given: Any) -> Settings:
    """The settings ``given``; else a free loopback port, a store in memory, no log and no plugins, whatever STIGMER_* say."""
    return _OwnSettings(**{"listen": "127.0.0.1:0", "store": "memory:", "log": "off", "plugins": (), **given})
