"""The plugin's own settings, ``STIGMER_NATS_*``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError


class Settings(BaseSettings):
    """Where NATS is, and how events stand there."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_NATS_", frozen=True, extra="ignore")

    servers: Annotated[str, Field(description="URLs of the servers, with commas between; tls:// speaks TLS")] = (
        "nats://127.0.0.1:4222"
    )
    credentials: Annotated[Path | None, Field(description="credentials file, as nsc makes it")] = None
    token: Annotated[SecretStr, Field(description="token to connect with")] = SecretStr("")
    tls_ca: Annotated[Path | None, Field(description="PEM file with the authorities of the servers' certificates")] = None
    stream: Annotated[str, Field(description="the JetStream stream; made when it is not there", pattern="^[A-Za-z0-9_-]+$")] = (
        "STIGMER"
    )
    subject: Annotated[
        str, Field(description="first part of subjects: SUBJECT.KIND.ID", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
    ] = "stigmer"
    source: Annotated[str, Field(description="the attribute source of events: a URI reference", min_length=1)] = "/stigmer"
    consumer: Annotated[
        str, Field(description="name under which the server's store remembers what is published", min_length=1)
    ] = "nats"
    duplicate_window_seconds: Annotated[
        float, Field(description="how long a stream that is made drops what was published before", gt=0)
    ] = 120.0
    timeout_seconds: Annotated[float, Field(description="how long an event may take to be acknowledged", gt=0)] = 5.0

    @field_validator("servers")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        if not all(each.strip() for each in value.split(",")):
            raise ValueError("names no server")
        return value

    @property
    def urls(self) -> list[str]:
        """The servers, one by one."""
        return [each.strip() for each in self.servers.split(",")]


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
        raise ConfigurationError(f"STIGMER_NATS_{name}: {first['msg']}") from error
    except SettingsError as error:
        raise ConfigurationError(f"STIGMER_NATS: {error}") from error
