"""Puts the methods together: the first whose credential a call brings decides who calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from loguru import logger

from stigmer import Caller, CallInfo
from stigmer_identity.bearer_token import BearerTokens
from stigmer_identity.certificate import Certificates
from stigmer_identity.key_ring import KeyRing
from stigmer_identity.presented import Presented, Reader
from stigmer_identity.refusals import Refused, missing
from stigmer_identity.settings import MethodName, Settings

Seconds = Callable[[], float]


class Method(Protocol):
    """One way to prove who calls."""

    async def start(self) -> None:
        """Reads what it needs, as far as it can be had; refuses the start only for what cannot become right by itself."""

    async def close(self) -> None:
        """Ends what is under way."""

    async def caller(self, presented: Presented) -> Caller | None:
        """Who calls; None when the call brings no credential of this sort.

        Raises:
            Unauthenticated: it brings one that is not good.
            Unavailable: whether it is good cannot be told now.
        """


class Authenticate:
    """Tells who calls, in the form that the hook ``authenticator`` gives."""

    def __init__(self, reader: Reader, methods: Sequence[tuple[Method, bool]]) -> None:
        """Asks ``methods``, (method, whether every call must bring its credential), in this order."""
        self._read = reader.read
        self._methods = tuple(methods)

    @classmethod
    def of(cls, settings: Settings, now: Seconds = time.time) -> Self:
        """What ``settings`` describe. ``now`` gives seconds since the Unix epoch."""
        on = settings.methods_on
        reader = Reader("jwt" in on, "key" in on, settings.max_credential_bytes)
        names = [name for name in settings.order if name in on]
        return cls(reader, [(_method(name, settings, now), name in settings.require) for name in names])

    async def start(self) -> None:
        """Starts all methods.

        Raises:
            ConfigurationError: a file of keys is refused.
        """
        for method, _ in self._methods:
            await method.start()

    async def close(self) -> None:
        """Ends what is under way."""
        for method, _ in self._methods:
            await method.close()

    async def __call__(self, info: CallInfo) -> Caller:
        """Who makes the call.

        Raises:
            Unauthenticated: that is not proven.
            Unavailable: whether it is proven cannot be told now.
        """
        try:
            return await self._caller(self._read(info))
        except Refused as refused:
            logger.debug("identity refused a call from {}: {}", info.peer, refused.why)
            raise

    async def _caller(self, presented: Presented) -> Caller:
        found: Caller | None = None
        for method, required in self._methods:
            if found is None or required:
                who = await method.caller(presented)
                if who is None and required:
                    raise missing("a required credential is not there")
                found = found or who
        if found is None:
            raise missing()
        return found


def _method(name: MethodName, settings: Settings, now: Seconds) -> Method:
    makers: dict[MethodName, Callable[[Settings, Seconds], Method]] = {
        "jwt": BearerTokens.of,
        "key": KeyRing.of,
        "certificate": Certificates.of,
    }
    return makers[name](settings, now)
