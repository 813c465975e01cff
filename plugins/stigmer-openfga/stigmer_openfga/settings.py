"""The plugin's own settings, ``STIGMER_OPENFGA_*``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError


class Settings(BaseSettings):
    """Where OpenFGA is, and how it is asked."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_OPENFGA_", frozen=True, extra="ignore")

    address: Annotated[str, Field(description="HOST:PORT of OpenFGA's gRPC")] = "127.0.0.1:8081"
    tls: Annotated[bool, Field(description="speak TLS to it, and trust whom the system trusts")] = False
    token: Annotated[SecretStr, Field(description="pre-shared key; sent as a bearer token when it is set")] = SecretStr("")
    store_id: Annotated[str, Field(description="the store, as `stigmer openfga init` prints it")] = ""
    model_id: Annotated[str, Field(description="the model, as `stigmer openfga init` prints it")] = ""
    timeout_seconds: Annotated[float, Field(description="how long a check, a read or a write may take", gt=0)] = 1.0
    list_timeout_seconds: Annotated[
        float,
        Field(description="how long naming all that a caller may see may take; must stay below the server's own limit", gt=0),
    ] = 2.0
    batch_size: Annotated[int, Field(description="checks that go out together; the server takes 50", ge=1)] = 50
    batches: Annotated[int, Field(description="such groups under way at once", ge=1)] = 4
    calls: Annotated[int, Field(description="other calls under way at once", ge=1)] = 64
    fresh_reads: Annotated[
        bool, Field(description="reads and lists, too, pass by the server's caches; off, a revoked reader may read for a while")
    ] = True
    list_cache_seconds: Annotated[
        float,
        Field(description="how long at most a list may be answered from what the caller could see; 0: not at all", ge=0),
    ] = 0.0
    reconcile_seconds: Annotated[
        float, Field(description="pause between repairs in the background, the first one at the start; 0: none", ge=0)
    ] = 3600.0


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
        raise ConfigurationError(f"STIGMER_OPENFGA_{name}: {first['msg']}") from error
    except SettingsError as error:
        raise ConfigurationError(f"STIGMER_OPENFGA: {error}") from error
