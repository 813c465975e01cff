"""Waits until there may be something new in a store, whoever has written it."""

from __future__ import annotations

import asyncio

from stigmer.store import Commit, Store

POLL_SECONDS = 0.02
"""How long a write of another process may go unnoticed: so often it is looked whether there was one."""
BLIND_POLL_SECONDS = 0.1
"""The same where the store cannot tell without being asked."""


class News:
    """Wakes one who reads what others write: at once for writes of this process, soon for those of others.

    Such as::

        while True:
            news.begin()
            if not await read_what_is_there():
                await news.wait()
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._event = asyncio.Event()
        self._version: object = None
        store.follow(self._committed)

    def begin(self) -> None:
        """Whatever is written from here on is news."""
        self._event.clear()
        self._version = self._store.version()

    def wake(self) -> None:
        """There is something else to be done."""
        self._event.set()

    async def wait(self, seconds: float = float("inf")) -> None:
        """Returns when there may be news, or after so many seconds."""
        loop = asyncio.get_running_loop()
        until, blind = loop.time() + seconds, self._version is None
        pause = BLIND_POLL_SECONDS if blind else POLL_SECONDS
        while not self._event.is_set() and loop.time() < until and (blind or self._store.version() == self._version):
            try:
                async with asyncio.timeout(pause):
                    await self._event.wait()
            except TimeoutError:
                if blind:
                    return

    def _committed(self, commit: Commit) -> None:
        if commit.written:
            self._event.set()
