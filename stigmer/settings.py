"""All settings of the server, read from ``STIGMER_*``; nobody else in ``stigmer`` reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import platformdirs
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024
_HIGHEST_PORT = 65535


def _default_store() -> str:
    return f"sqlite:///{quote(str(Path(platformdirs.user_data_dir('stigmer')) / 'stigmer.db'))}"


class Settings(BaseSettings):
    """What can be set. Each field is the variable ``STIGMER_<NAME>``; flags of ``stigmer serve`` win."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_", frozen=True, extra="ignore")

    listen: Annotated[str, Field(description="HOST:PORT to serve on; port 0 takes a free one")] = "127.0.0.1:7234"
    store: str = Field(
        default_factory=_default_store,
        description="sqlite:////absolute/path.db, sqlite:///relative.db or memory:",
    )
    plugins: Annotated[tuple[str, ...], NoDecode, Field(description="installed plugins to turn on, comma-separated")] = ()
    log: Annotated[Literal["plain", "json", "off"], Field(description="form of the log on standard error")] = "plain"
    log_level: Annotated[str, Field(description="least severe level that is logged")] = "INFO"
    metrics_listen: Annotated[str | None, Field(description="HOST:PORT on which Prometheus finds metrics; off when empty")] = (
        None
    )
    tracing: Annotated[bool, Field(description="send OpenTelemetry spans where the OTEL_EXPORTER_OTLP_* variables say")] = False
    max_message_bytes: Annotated[int, Field(description="largest message in and out, in bytes", ge=64 * 1024 + 1024)] = 10 * MIB
    drain_seconds: Annotated[
        float, Field(description="how long calls in flight may take to finish once the server stops", ge=0, allow_inf_nan=False)
    ] = 30.0

    @field_validator("plugins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Takes ``a,b`` as well as a list."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        levels = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
        if value.upper() not in levels:
            raise ValueError(f"is none of {', '.join(levels)}")
        return value.upper()

    @field_validator("metrics_listen", mode="before")
    @classmethod
    def _empty_is_off(cls, value: object) -> object:
        return value or None

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value)
        return value


def host_and_port(address: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT`` taken apart.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host, int(port)
