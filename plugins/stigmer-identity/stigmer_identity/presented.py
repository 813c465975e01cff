"""What a call brings to prove who calls, read from its metadata and not believed yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stigmer import CallInfo
from stigmer_identity.api_key import PREFIX
from stigmer_identity.refusals import invalid


@dataclasses.dataclass(frozen=True, slots=True)
class Presented:
    """The credentials of a call.

    Attributes:
        jwt: a token of the provider.
        key: an API key.
        certificate: as ``ssl.SSLSocket.getpeercert()`` gives it.
    """

    jwt: str | None = dataclasses.field(default=None, repr=False)
    key: str | None = dataclasses.field(default=None, repr=False)
    certificate: Mapping[str, Any] | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """Reads the credentials of calls.

    Attributes:
        jwt: whether tokens are on.
        key: whether API keys are on.
        limit: longest credential that is looked at, in characters.
    """

    jwt: bool
    key: bool
    limit: int

    def read(self, info: CallInfo) -> Presented:
        """What ``info`` brings. Headers that no method is interested in are not looked at.

        Raises:
            Unauthenticated: a header stands there twice, is too long, or is none that can be understood.
        """
        jwt = key = None
        if self.jwt or self.key:
            bearer = _bearer(self._one(info.metadata, "authorization"))
            jwt, key = (None, bearer) if self._is_key(bearer) else (bearer, None)
        if self.key and (second := self._one(info.metadata, "x-api-key")) is not None:
            if key is not None:
                raise invalid("an API key in authorization and in x-api-key")
            key = second
        return Presented(jwt, key, info.certificate or None)

    def _is_key(self, bearer: str | None) -> bool:
        return bearer is not None and self.key and (not self.jwt or bearer.startswith(PREFIX))

    def _one(self, metadata: Mapping[str, str | bytes], name: str) -> str | None:
        value = metadata.get(name)
        if value is None:
            return None
        getall = getattr(metadata, "getall", None)  # the transport's own metadata may have a name more than once
        values = getall(name) if getall is not None else (value,)
        if len(values) > 1:
            raise invalid(f"{name} stands there {len(values)} times")
        if not isinstance(value, str) or len(value) > self.limit or not value.isascii():
            raise invalid(f"{name} is too long, or not ASCII")
        return value


def _bearer(header: str | None) -> str | None:
    """The credential in ``Bearer <credential>``; the scheme's case does not matter."""
    if header is None:
        return None
    scheme, _, credential = header.partition(" ")
    credential = credential.strip(" ")
    if scheme.lower() != "bearer" or not credential or " " in credential or "," in credential:
        raise invalid("authorization is not: Bearer <credential>")
    return credential
