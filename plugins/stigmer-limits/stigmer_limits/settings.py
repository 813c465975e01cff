"""The plugin's own settings, ``STIGMER_LIMITS_*``: who may do how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError

_BURST_SECONDS = 2
_Rate = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
_Burst = Annotated[int | None, Field(ge=1)]
_Stored = Annotated[int | None, Field(ge=0)]


class Pace(NamedTuple):
    """A rate.

    Attributes:
        per_second: calls, on the long run.
        burst: calls at once, after a pause.
    """

    per_second: float
    burst: int

    @classmethod
    def of(cls, rate: float | None, burst: int | None) -> Pace | None:
        """What two settings say together; None when there is no limit. Without a burst it is what two seconds give."""
        if rate is None:
            return None
        return cls(rate, burst if burst is not None else max(1, round(rate * _BURST_SECONDS)))


class Allowance(BaseModel):
    """What one organization may do, where that is not what all may. What is left out is as for all; null is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: _Rate = None
    burst: _Burst = None
    stored: _Stored = None


class Settings(BaseSettings):
    """The limits. What is not set is not limited."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_LIMITS_", frozen=True, extra="ignore")

    caller_rate: _Rate = None
    caller_burst: _Burst = None
    organization_rate: _Rate = None
    organization_burst: _Burst = None
    organization_stored: _Stored = None
    account_stored: _Stored = None
    organizations: Mapping[str, Allowance] = Field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return not self.organizations and all(
            value is None for name, value in self if name not in {"organizations", "caller_burst", "organization_burst"}
        )

    @property
    def caller_pace(self) -> Pace | None:
        """How fast each caller may call."""
        return Pace.of(self.caller_rate, self.caller_burst)

    @property
    def limits_paces_of_organizations(self) -> bool:
        """Whether there is an organization that may not call as fast as it likes."""
        return self.organization_rate is not None or any(each.rate is not None for each in self.organizations.values())

    @property
    def limits_what_is_stored(self) -> bool:
        """Whether there is an owner that may not store as much as it likes."""
        others = [each.stored for each in self.organizations.values()]
        return any(stored is not None for stored in (self.organization_stored, self.account_stored, *others))

    def pace_of(self, organization: str) -> Pace | None:
        """How fast an organization's members may call, all together."""
        own = self.organizations.get(organization, Allowance())
        rate = own.rate if "rate" in own.model_fields_set else self.organization_rate
        return Pace.of(rate, own.burst if own.model_fields_set & {"rate", "burst"} else self.organization_burst)

    def stored_by(self, organization: str) -> int | None:
        """How many resources of each kind an organization may have."""
        own = self.organizations.get(organization, Allowance())
        return own.stored if "stored" in own.model_fields_set else self.organization_stored


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        ConfigurationError: a value is refused, or nothing is limited: then something that should be is not.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name, *rest = map(str, first["loc"])
        raise ConfigurationError(f"STIGMER_LIMITS_{name.upper()}: {': '.join([*rest, first['msg']])}") from error
    except SettingsError as error:
        raise ConfigurationError(f"STIGMER_LIMITS: {error}") from error
    if settings.is_empty:
        raise ConfigurationError("plugin 'limits' limits nothing: set one of STIGMER_LIMITS_*, or turn it off")
    return settings
