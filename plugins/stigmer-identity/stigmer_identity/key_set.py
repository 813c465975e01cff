"""The provider's public keys as a running server knows them, and when it asks for them anew."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable

from loguru import logger

from stigmer import Unavailable
from stigmer_identity.fetch import FetchError
from stigmer_identity.key_sources import Source
from stigmer_identity.public_key import NoKeys, PublicKey, parse
from stigmer_identity.refusals import invalid


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """When keys are asked for, in seconds.

    Attributes:
        refresh: keys of this age are asked for anew, while they are used.
        cooldown: the source is never asked sooner after the last time, whatever tokens claim.
        max_age: keys of this age are not used any more.
    """

    refresh: float
    cooldown: float
    max_age: float


class KeySet:
    """The keys of one source. However many calls wait for them, the source is asked once."""

    def __init__(
        self, source: Source, allowed: frozenset[str], policy: Policy, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._allowed = allowed
        self._policy = policy
        self._monotonic = monotonic
        self._keys: tuple[PublicKey, ...] = ()
        self._content: bytes | None = None
        self._generation = 0
        self._loaded = self._asked = float("-inf")
        self._failure = ""
        self._asking: asyncio.Task[None] | None = None

    @property
    def failure(self) -> str:
        """Why the source gave no keys the last time; empty when it did."""
        return self._failure

    def generation(self) -> int | None:
        """A number that is another one whenever the keys are; None while there are none. Has aging keys refreshed."""
        age = self._monotonic() - self._loaded
        if age >= self._policy.refresh:
            self._ask()
        return self._generation if age < self._policy.max_age else None

    async def find(self, id_: str | None, algorithm: str) -> PublicKey:
        """The key that verifies a token which names ``id_`` and ``algorithm``.

        Raises:
            Unauthenticated: there is none.
            Unavailable: there may be one, but the source does not answer.
        """
        key = self._fitting(id_, algorithm)
        if key is None:
            await self.refresh()
            key = self._fitting(id_, algorithm)
        if key is None and (self._failure or self.generation() is None):
            raise Unavailable("credentials cannot be checked now")
        if key is None:
            raise invalid("no such public key")
        return key

    async def refresh(self) -> None:
        """Asks the source, unless it was asked just now. Does not raise; other calls may wait for the same answer."""
        self._ask()
        if self._asking is not None:
            await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Ends a request that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _fitting(self, id_: str | None, algorithm: str) -> PublicKey | None:
        """The one key of that name. A token without ``kid`` is good only where there is no choice."""
        if self.generation() is None:
            return None
        found = [key for key in self._keys if algorithm in key.algorithms and id_ in {None, key.id}]
        return found[0] if len(found) == 1 else None

    def _ask(self) -> None:
        now = self._monotonic()
        if self._asking is None and now - self._asked >= self._policy.cooldown:
            self._asked = now
            self._asking = asyncio.get_running_loop().create_task(self._load())

    async def _load(self) -> None:
        try:
            await self._take(await self._source())
            self._failure = ""
        except (FetchError, NoKeys) as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - a bug too leaves calls refused, and the next one to ask again
            self._fail(f"unexpected {type(error).__name__}")
        finally:
            self._asking = None

    def _fail(self, why: str) -> None:
        if why != self._failure:
            logger.error("the provider's public keys are not to be had: {}", why)
        self._failure = why

    async def _take(self, content: bytes) -> None:
        if content != self._content:
            self._keys = await asyncio.to_thread(parse, content, self._allowed)
            self._content = content
            self._generation += 1
        self._loaded = self._monotonic()
