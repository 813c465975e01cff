"""The plugin's own settings, ``STIGMER_WEBHOOK_*``."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError

_PREFIX = "whsec_"


class Settings(BaseSettings):
    """Where events are posted, and how."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_WEBHOOK_", frozen=True, extra="ignore")

    url: Annotated[str, Field(description="where events are posted", pattern="^(https?://.+)?$")] = ""
    secret: Annotated[
        SecretStr, Field(description="whsec_ and base64, as Standard Webhooks has it; events are signed with it")
    ] = SecretStr("")
    source: Annotated[str, Field(description="the attribute source of events: a URI reference", min_length=1)] = "/stigmer"
    consumer: Annotated[
        str, Field(description="name under which the server's store remembers what is posted", min_length=1)
    ] = "webhook"
    timeout_seconds: Annotated[float, Field(description="how long a request may take", gt=0)] = 10.0
    attempts: Annotated[
        int, Field(description="after so many refusals an event is a dead letter; while nobody answers it waits", ge=1)
    ] = 10
    dead_letters: Annotated[
        Path, Field(description="file to which events are added, a line of JSON each, that were refused for good")
    ] = Path("stigmer-dead-letters.jsonl")

    @field_validator("secret")
    @classmethod
    def _is_key(cls, value: SecretStr) -> SecretStr:
        try:
            base64.b64decode(value.get_secret_value().removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("is not base64") from None
        return value

    @property
    def key(self) -> bytes:
        """The secret as bytes; empty without one."""
        return base64.b64decode(self.secret.get_secret_value().removeprefix(_PREFIX))


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        ConfigurationError: a value is refused.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(map(str, first["loc"])).upper()
        raise ConfigurationError(f"STIGMER_WEBHOOK_{name}: {first['msg']}") from error
    except SettingsError as error:
        raise ConfigurationError(f"STIGMER_WEBHOOK: {error}") from error
