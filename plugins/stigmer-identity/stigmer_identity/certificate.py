"""The method ``certificate``: the transport has verified the client's certificate, its subject is the caller."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Self

from stigmer import Caller
from stigmer_identity.callers import caller
from stigmer_identity.presented import Presented
from stigmer_identity.refusals import expired, invalid
from stigmer_identity.settings import Settings

Part = Literal["uri", "dns", "email", "cn"]
_SAN = {"uri": "URI", "dns": "DNS", "email": "email"}


class Certificates:
    """Takes the caller's id from one part of the certificate."""

    def __init__(self, part: Part, prefix: str, now: Callable[[], float]) -> None:
        self._part: Part = part
        self._prefix = prefix
        self._now = now

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float]) -> Self:
        """The method that ``settings`` describe."""
        return cls(settings.certificate or "uri", settings.certificate_prefix, now)

    async def start(self) -> None:
        """Needs nothing."""

    async def close(self) -> None:
        """Has nothing under way."""

    async def caller(self, presented: Presented) -> Caller | None:
        """Who calls; None without a certificate.

        Raises:
            Unauthenticated: the certificate is not valid now, or has not exactly one such part.
        """
        certificate = presented.certificate
        if certificate is None:
            return None
        self._check_times(certificate)
        names = list(_names(certificate, self._part))
        if len(names) != 1:
            raise invalid(f"certificate has {len(names)} names of the sort {self._part}")
        try:
            return caller(self._prefix + names[0])
        except ValueError:
            raise invalid("the certificate's name cannot be a caller's id") from None

    def _check_times(self, certificate: Mapping[str, Any]) -> None:
        """A connection may live longer than the certificate that opened it."""
        now = self._now()
        if "notBefore" in certificate and now < _seconds(certificate["notBefore"]):
            raise invalid("certificate is not valid yet")
        if "notAfter" not in certificate or now > _seconds(certificate["notAfter"]):
            raise expired("certificate has expired")


def _names(certificate: Mapping[str, Any], part: Part) -> Iterator[str]:
    if part == "cn":
        subject = certificate.get("subject", ())
        return (value for names in subject for name, value in names if name == "commonName")
    return (value for sort, value in certificate.get("subjectAltName", ()) if sort == _SAN[part])


@functools.lru_cache(maxsize=1024)
def _seconds(text: str) -> float:
    """Seconds since the Unix epoch of a time as certificates have it."""
    try:
        return ssl.cert_time_to_seconds(text)
    except ValueError:
        raise invalid("certificate has a time that is none") from None
