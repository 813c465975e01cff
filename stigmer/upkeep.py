"""Keeps the change feed and the remembered answers from growing for ever, beside the calls."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from loguru import logger

from stigmer.identity import Clock
from stigmer.kind import Kind
from stigmer.settings import Settings
from stigmer.store import Commit, Store
from stigmer.store.feed import Retention

SECONDS = 60.0
"""It is done at least so often."""

WRITES = 5_000
"""It is done after so many writes of this process."""

_HOUR = 3600
_MICROSECONDS = 1_000_000


class Upkeep:
    """Works in the background, in transactions so small that no writer waits long. Several processes may do it at once."""

    def __init__(
        self, store: Store, kinds: Sequence[Kind[Any]], clock: Clock, settings: Settings, seconds: float = SECONDS
    ) -> None:
        """Takes care of ``store`` every ``seconds``, once it is started."""
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._seconds = seconds
        self._retention = Retention(settings.feed_changes, settings.feed_hours * _HOUR, settings.history_versions)
        self._answers_for = int(settings.idempotency_hours * _HOUR * _MICROSECONDS)
        self._writes = 0
        self._enough = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        store.follow(self._count)

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends, also when it was never started; returns when nothing of it is under way any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def once(self) -> None:
        """Does all that there is to do now.

        Raises:
            StigmerError: the store failed.
        """
        now = self._clock.now_ns() // 1000
        for kind in self._kinds:
            await _to_its_end(partial(self._store.compact, kind, self._retention, now))
        await _to_its_end(partial(self._store.forget_answers, now - self._answers_for))

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except Exception:  # noqa: BLE001 - whatever it was, the next round may go better
                logger.exception("the change feed could not be shortened")
            self._writes = 0
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._enough.wait()

    def _count(self, commit: Commit) -> None:
        self._writes += len(commit.written)
        if self._writes >= WRITES:
            self._enough.set()


async def _to_its_end(step: Callable[[], Awaitable[int]]) -> None:
    """Repeats ``step`` until nothing is left to do, and leaves the store to others for as long as it took each time."""
    left = 1
    while left:
        began = time.monotonic()
        left = await step()
        await asyncio.sleep(time.monotonic() - began)
