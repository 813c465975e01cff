"""The plugin's own settings, ``STIGMER_IDENTITY_*``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError

MethodName = Literal["jwt", "key", "certificate"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by key pair only: with a shared secret, whoever can verify a token can make one."""
Words = NoDecode
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Settings(BaseSettings):
    """What can be set. Lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_IDENTITY_", frozen=True, extra="ignore")

    issuer: Annotated[str | None, Field(description="the `iss` of tokens; turns tokens on")] = None
    audience: Annotated[tuple[str, ...], Words, Field(description="a token's `aud` names one of these")] = ()
    jwks: Annotated[
        str | None, Field(description="file or URL of the provider's public keys; discovered from the issuer when left out")
    ] = None
    algorithms: Annotated[tuple[Algorithm, ...], Words, Field(description="signatures that are accepted", min_length=1)] = (
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
    )
    leeway_seconds: Annotated[float, Field(description="how far clocks may differ", ge=0, le=300)] = 30.0
    id_claim: Annotated[str, Field(description="the claim that becomes the caller's id", min_length=1)] = "sub"
    roles_claim: Annotated[
        str, Field(description="the claim with the caller's roles, dots lead into objects; none when empty")
    ] = "roles"
    jwt_prefix: Annotated[str, Field(description="stands before ids that tokens give", max_length=64)] = ""
    jwks_refresh_seconds: Annotated[float, Field(description="public keys are asked for anew after this time", ge=1)] = 300.0
    jwks_cooldown_seconds: Annotated[float, Field(description="and never sooner than this after the last time", ge=0.1)] = 5.0
    jwks_max_age_seconds: Annotated[
        float, Field(description="how long the last public keys count while the provider does not answer", ge=1)
    ] = 3600.0
    jwks_timeout_seconds: Annotated[float, Field(description="how long the provider may take", gt=0, le=60)] = 5.0
    allow_http: Annotated[bool, Field(description="take public keys over plain HTTP from other machines too")] = False
    cache_seconds: Annotated[float, Field(description="how long a verified token is remembered; 0 is off", ge=0, le=300)] = 30.0
    cache_size: Annotated[int, Field(description="how many verified tokens are remembered", ge=1, le=1_000_000)] = 4096
    keys: Annotated[Path | None, Field(description="file of the API keys; turns API keys on")] = None
    certificate: Annotated[
        Literal["uri", "dns", "email", "cn"] | None,
        Field(description="the part of a client certificate that becomes the caller's id; turns certificates on"),
    ] = None
    certificate_prefix: Annotated[str, Field(description="stands before ids that certificates give", max_length=64)] = ""
    order: Annotated[
        tuple[MethodName, ...], Words, Field(description="the first of these that a call brings decides who calls")
    ] = ("jwt", "key", "certificate")
    require: Annotated[
        tuple[MethodName, ...], Words, Field(description="what every call must bring, whichever decides who calls")
    ] = ()
    max_credential_bytes: Annotated[int, Field(description="longest credential that is looked at", ge=256, le=65536)] = 8192

    @field_validator("audience", "algorithms", "order", "require", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Takes ``a,b`` as well as a list."""
        return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value

    @field_validator("issuer", "jwks", "keys", "certificate", mode="before")
    @classmethod
    def _empty_is_off(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        """Refuses what would let nobody in, or the wrong ones."""
        on = self.methods_on
        if not on:
            raise ValueError("nothing is set that callers could prove themselves with: set ISSUER, KEYS or CERTIFICATE")
        if self.jwks and not self.issuer:
            raise ValueError("JWKS is set, but not ISSUER")
        if self.issuer and not self.audience:
            raise ValueError("ISSUER is set, but not AUDIENCE: tokens that were made for others would be good here")
        self._check_methods(on)
        self._check_urls()
        return self

    @property
    def methods_on(self) -> tuple[MethodName, ...]:
        """The methods that are configured."""
        configured = {"jwt": self.issuer, "key": self.keys, "certificate": self.certificate}
        found: list[MethodName] = [name for name in ("jwt", "key", "certificate") if configured[name] is not None]
        return tuple(found)

    def _check_methods(self, on: tuple[MethodName, ...]) -> None:
        if unset := [name for name in self.require if name not in on]:
            raise ValueError(f"REQUIRE names {unset[0]}, which is not configured")
        if left_out := [name for name in on if name not in self.order]:
            raise ValueError(f"ORDER leaves out {left_out[0]}, which is configured")
        if len(set(self.order)) < len(self.order):
            raise ValueError("ORDER names a method twice")

    def _check_urls(self) -> None:
        if self.issuer and not self.jwks:
            if not is_url(self.issuer):
                raise ValueError("ISSUER is no http(s) URL, so JWKS must be set")
            check_transport(self.issuer, allow_http=self.allow_http)
        if self.jwks and is_url(self.jwks):
            check_transport(self.jwks, allow_http=self.allow_http)


def is_url(place: str) -> bool:
    """Whether ``place`` is an http(s) URL, not a file."""
    return place.lower().startswith(("https://", "http://"))


def check_transport(url: str, *, allow_http: bool) -> None:
    """Makes sure that nobody on the way can exchange the keys.

    Raises:
        ValueError: the URL is neither https nor of this machine, and plain HTTP is not allowed; or it is no URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url[:200]!r} is no http(s) URL")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_http:
        raise ValueError(
            f"{url[:200]!r} is not https: whoever is on the way could exchange the keys; ALLOW_HTTP takes it anyway"
        )


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        ConfigurationError: they are refused; one line tells which and why.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"STIGMER_IDENTITY_{str(first['loc'][0]).upper()}" if first["loc"] else "STIGMER_IDENTITY_*"
        text = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"plugin 'identity': {name}: {text}") from error
    except SettingsError as error:
        raise ConfigurationError(f"plugin 'identity': {error}") from error
