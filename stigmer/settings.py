"""All settings of the server, read from ``STIGMER_*``; nobody else in ``stigmer`` reads the environment."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import platformdirs
from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from stigmer.addresses import HIGHEST_PORT, checked, host_and_port
from stigmer.transport.limits import Limits

MIB = 1024 * 1024
_LIMIT = "stigmer_limit_"


def _default_store() -> str:
    return f"sqlite:///{quote(str(Path(platformdirs.user_data_dir('stigmer')) / 'stigmer.db'))}"


class Settings(BaseSettings):
    """What can be set. Each field is the variable ``STIGMER_<NAME>``; flags of ``stigmer serve`` win."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_", frozen=True, extra="ignore", allow_inf_nan=False)

    listen: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="HOST:PORT, [IPV6]:PORT or unix:PATH to serve on, several with commas between; port 0 takes a free one"
        ),
    ] = ("127.0.0.1:7234",)
    store: str = Field(
        default_factory=_default_store,
        description="sqlite:////absolute/path.db, sqlite:///relative.db or memory:",
    )
    plugins: Annotated[tuple[str, ...], NoDecode, Field(description="installed plugins to turn on, comma-separated")] = ()
    log: Annotated[Literal["plain", "json", "off"], Field(description="form of the log on standard error")] = "plain"
    log_level: Annotated[str, Field(description="least severe level that is logged")] = "INFO"
    watchdog_seconds: Annotated[
        float, Field(description="the log tells which step has held the event loop for so long; 0 never", ge=0, le=3600)
    ] = 1.0
    metrics_listen: Annotated[str | None, Field(description="HOST:PORT on which Prometheus finds metrics; off when empty")] = (
        None
    )
    tracing: Annotated[bool, Field(description="send OpenTelemetry spans where the OTEL_EXPORTER_OTLP_* variables say")] = False
    workers: Annotated[
        int, Field(description="processes that serve the same addresses; several share an SQLite store", ge=1, le=256)
    ] = 1
    tls_certificate: Annotated[
        Path | None,
        Field(description="PEM file with the server's certificate and its chain, for HOST:PORT to speak TLS; plain when empty"),
    ] = None
    tls_key: Annotated[
        Path | None, Field(description="PEM file with the certificate's private key; when empty, the certificate's file has it")
    ] = None
    tls_client_ca: Annotated[
        Path | None, Field(description="PEM file with the authorities of clients' certificates; when empty, none are asked for")
    ] = None
    tls_client: Annotated[
        Literal["required", "optional"], Field(description="whether clients without such a certificate are turned away")
    ] = "required"
    cache_bytes: Annotated[
        int,
        Field(
            description="bytes of resources and pages that each process remembers; 0 for none",
            ge=0,
        ),
    ] = 64 * MIB
    feed_changes: Annotated[int, Field(description="changes of a kind that are kept for those who watch and publish", ge=0)] = (
        100_000
    )
    feed_hours: Annotated[float, Field(description="how long they are kept, if they are not too many", ge=0)] = 168.0
    history_versions: Annotated[
        int, Field(description="versions of each resource that are kept when its changes are no longer", ge=1)
    ] = 100
    idempotency_hours: Annotated[
        float, Field(description="how long the answer to a request with an `idempotency-key` is remembered", ge=0)
    ] = 24.0
    max_message_bytes: Annotated[int, Field(description="largest message in and out, in bytes", ge=64 * 1024 + 1024)] = 10 * MIB
    drain_seconds: Annotated[
        float, Field(description="how long calls in flight may take to finish once the server stops", ge=0)
    ] = 30.0
    limits: Annotated[Limits, NoDecode, Field(description="limits of the transport, by name", validate_default=True)] = Limits()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no file of settings
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables."""
        return init_settings, env_settings, _LimitVariables(settings_cls)

    @field_validator("listen", "plugins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Takes ``a,b`` as well as a list."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no address")
        return tuple(checked(address) for address in value)

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        levels = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
        if value.upper() not in levels:
            raise ValueError(f"is none of {', '.join(levels)}")
        return value.upper()

    @field_validator("metrics_listen", "tls_certificate", "tls_key", "tls_client_ca", mode="before")
    @classmethod
    def _empty_is_off(cls, value: object) -> object:
        return value or None

    @field_validator("metrics_listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value)
        return value

    @field_validator("workers")
    @classmethod
    def _workers_can_share(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("store", "").lower().startswith("memory:"):
            raise ValueError("processes cannot share a store in memory")
        metrics = info.data.get("metrics_listen")
        if metrics and host_and_port(metrics)[1] + value - 1 > HIGHEST_PORT:
            raise ValueError(f"each has a metrics port of its own, and there are none above {HIGHEST_PORT}")
        return value

    @field_validator("tls_key", "tls_client_ca")
    @classmethod
    def _goes_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("tls_certificate", "refused") is None:
            raise ValueError("means nothing without tls_certificate")
        return value

    @field_validator("limits", mode="before")
    @classmethod
    def _known_limits(cls, value: Any, info: ValidationInfo) -> Any:
        """Takes texts by name as well as ``Limits``; messages have one limit, wherever they are measured."""
        message_bytes = {"message_bytes": info.data.get("max_message_bytes", 10 * MIB)}
        if isinstance(value, Limits):
            return dataclasses.replace(value, **message_bytes)
        if not isinstance(value, Mapping):
            raise ValueError("write one variable for each: STIGMER_LIMIT_<NAME>")  # noqa: TRY004 - pydantic words only ValueErrors
        for name in value:
            _check_limit(name)
        return {**value, **message_bytes}


class _LimitVariables(EnvSettingsSource):
    """The variables ``STIGMER_LIMIT_<NAME>``."""

    def __call__(self) -> dict[str, Any]:
        """The limits, by name."""
        found = {name.removeprefix(_LIMIT): value for name, value in self.env_vars.items() if name.startswith(_LIMIT)}
        return {"limits": found} if found else {}


def _check_limit(name: str) -> None:
    names = Limits.texts()
    if name == "message_bytes":
        raise ValueError("message_bytes is the setting max_message_bytes")
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        raise ValueError(f"there is no limit {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
