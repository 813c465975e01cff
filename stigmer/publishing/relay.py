"""The relay: takes changes from the feed to a sink, each at least once, those of a resource in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger

from stigmer.errors import Compacted, StigmerError
from stigmer.identity import Clock
from stigmer.kind import Kind
from stigmer.publishing.backoff import Backoff
from stigmer.publishing.delivery import Delivery, LostClaim
from stigmer.publishing.sink import Sink
from stigmer.store import Store
from stigmer.store.feed import Claim, Most
from stigmer.store.news import News

LEASE_SECONDS = 10.0
"""When a relay has not been heard of for so long, one of another process takes over."""
_RENEW_SECONDS = LEASE_SECONDS / 4
_NOTE_SECONDS = 0.5
"""While there is much to do, what is done is noted so often: each note is a transaction."""
_BATCH = Most(changes=256, bytes=8 * 1024 * 1024)


class Relay:
    """Publishes what one server writes, and what others on the same store do: of all relays of a name one works at a time."""

    def __init__(self, sink: Sink, name: str, source: str) -> None:
        """Does nothing before it is started.

        Args:
            sink: where events go.
            name: of the consumer in the store; who has another one goes its own way.
            source: the events' attribute ``source``.
        """
        self._sink = sink
        self._name = name
        self._source = source
        self._holder = os.urandom(8).hex()
        self._news: News | None = None
        self._work: _Work | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, store: Store, kinds: Sequence[Kind[Any]], clock: Clock) -> None:
        """Begins. From the first time on that this returns, every change is published.

        Raises:
            StigmerError: the store does not answer.
        """
        self._news = News(store)
        self._work = _Work(self, store, {kind.key: kind for kind in kinds}, clock, self._news)
        await self._work.begin()
        self._task = asyncio.create_task(self._work.run())

    def wake(self) -> None:
        """Something was committed."""
        if self._news is not None:
            self._news.wake()

    async def stop(self) -> None:
        """Ends; what is not published yet will be, by whoever comes next. It may never have been started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._work is not None:
            await self._work.leave()
        await self._sink.close()

    def delivery(self, kind: Kind[Any]) -> Delivery:
        """Takes changes of a kind to the sink."""
        return Delivery(kind, self._sink, self._source)

    def claim(self, now: int) -> Claim:
        """Of this relay, from now on, in microseconds since 1970."""
        return Claim(self._name, self._holder, now, LEASE_SECONDS)


class _Work:
    """A relay at work on one store."""

    def __init__(self, relay: Relay, store: Store, kinds: Mapping[str, Kind[Any]], clock: Clock, news: News) -> None:
        self._relay = relay
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._news = news
        self._deliveries = {key: relay.delivery(kind) for key, kind in kinds.items()}
        self._done: dict[str, int] | None = None
        self._noted: dict[str, int] = {}
        self._noted_at = self._until = 0.0
        self._backoff = Backoff(relay.claim(0).consumer)

    async def run(self) -> None:
        """Works for ever."""
        while True:
            try:
                await self._round()
            except LostClaim:
                self._done = None
                logger.warning("another server publishes now")
            except StigmerError as error:
                await self._backoff.after(error.text)
            except Exception as error:  # noqa: BLE001 - a bug here must not end publishing for good
                logger.exception("publishing failed")
                await self._backoff.after(type(error).__name__)

    async def begin(self) -> None:
        """Becomes the one who publishes, if nobody else is."""
        until = time.monotonic() + LEASE_SECONDS
        done = await self._store.claim(self._claim())
        if done is not None:
            self._done = {key: done[key] for key in self._kinds}
            self._noted, self._noted_at, self._until = dict(self._done), time.monotonic(), until

    async def _round(self) -> None:
        self._news.begin()
        if self._done is None:
            await self.begin()
        if self._done is None:
            await asyncio.sleep(_RENEW_SECONDS)  # perhaps the other one has ended by then
            return
        busy = [await self._publish(key) for key in self._kinds]
        if not await self._note(idle=not any(busy)):
            raise LostClaim
        trouble = next((each.trouble for each in self._deliveries.values() if each.trouble), "")
        if trouble:
            await self._backoff.after(trouble, self._keep)
        else:
            self._backoff.over()
            if not any(busy):
                await self._news.wait(_RENEW_SECONDS)

    async def _publish(self, key: str) -> bool:
        """Publishes some of what there is; whether there was anything."""
        done = self._done or {}
        try:
            changes = await self._store.feed(self._kinds[key], done[key], _BATCH)
        except Compacted as error:
            logger.error("changes {} to {} of {} were let go before they were published", done[key] + 1, error.kept_after, key)
            done[key] = error.kept_after
            return True
        if changes:
            done[key] = await self._deliveries[key].deliver(changes, self._until)
        return bool(changes)

    async def _note(self, *, idle: bool) -> bool:
        """Makes what is done durable, now and then; False when it is another's to do."""
        now, done = time.monotonic(), self._done or {}
        due = _NOTE_SECONDS if done != self._noted and not idle else _RENEW_SECONDS if done == self._noted else 0
        return await self._keep() if now - self._noted_at >= due else True

    async def _keep(self) -> bool:
        until, done = time.monotonic() + LEASE_SECONDS, dict(self._done or {})
        if not await self._store.advance(self._claim(), done):
            return False
        self._noted, self._noted_at, self._until = done, time.monotonic(), until
        return True

    async def leave(self) -> None:
        """Makes room for the next one."""
        if self._done is not None:
            try:
                if await self._keep():
                    await self._store.release(self._claim())
            except StigmerError as error:
                logger.warning("how far publishing has come could not be noted: {}", error.text)

    def _claim(self) -> Claim:
        return self._relay.claim(self._clock.now_ns() // 1000)
