"""The one reader of a kind's change feed in a process, and those who share it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar

from loguru import logger

from stigmer.errors import Compacted, DataLoss, Internal, StigmerError
from stigmer.kind import Kind
from stigmer.store import Store
from stigmer.store.news import News
from stigmer.watching.selection import Happening, Selection, Told

K = TypeVar("K")

_TROUBLE_SECONDS = 1.0


class Watcher(Protocol):
    """Who shares a hub."""

    @property
    def selection(self) -> Selection:
        """What it watches; the same as long as it is there."""

    @property
    def actor(self) -> str:
        """Id of who watches, if it has to look again when it writes something; else empty."""

    def look(self) -> None:
        """Who watches has written something that it could not see."""

    def offer(self, told: Told, happening: Happening) -> None:
        """Something has happened to what it watches."""

    def end(self, error: StigmerError) -> None:
        """There is nothing more to come."""


class Hub:
    """Reads the feed of a kind once for all who watch it.

    It reads while there are watchers, and each change is decoded once and compared once with each selection, however many
    watch it.

    Attributes:
        kind: of the resources.
        position: the number of the last change that was handed out.
    """

    def __init__(self, kind: Kind[Any], store: Store) -> None:
        self.kind = kind
        self.position = 0
        self._store = store
        self._watchers: dict[Selection, dict[Watcher, None]] = {}
        self._actors: dict[str, dict[Watcher, None]] = {}
        self._joined: dict[Watcher, Selection] = {}
        self._news = News(store)
        self._reading: asyncio.Task[None] | None = None
        self._troubled = False

    def __len__(self) -> int:
        return len(self._joined)

    def join(self, watcher: Watcher, position: int) -> bool:
        """Takes in a watcher who has seen everything up to ``position``; False when that is not as much as others have."""
        if not self._watchers:
            self.position = position
        if position < self.position:
            return False
        self._joined[watcher] = watcher.selection
        self._watchers.setdefault(watcher.selection, {})[watcher] = None
        if watcher.actor:
            self._actors.setdefault(watcher.actor, {})[watcher] = None
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        self._news.wake()
        return True

    def leave(self, watcher: Watcher) -> None:
        """The watcher wants no more. To leave twice does nothing."""
        selection = self._joined.pop(watcher, None)
        if selection is not None:
            _remove(self._watchers, selection, watcher)
            if watcher.actor:
                _remove(self._actors, watcher.actor, watcher)

    async def close(self) -> None:
        """Ends the reader. Watchers hear nothing more."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self) -> None:
        try:
            while self._watchers:
                self._news.begin()
                if await self._hand_out():
                    await asyncio.sleep(0)  # reading the store may not have waited at all
                else:
                    await self._news.wait()
        except Exception as error:  # noqa: BLE001 - nobody may wait for what will never come
            logger.exception("the changes of {} are not followed any more", self.kind.key)
            self._end_all(Internal(error))
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    async def _hand_out(self) -> bool:
        """Tells of what has happened since; whether there was anything."""
        try:
            changes = await self._store.feed(self.kind, self.position)
            told = [Told.of(self.kind, change) for change in changes]
        except (Compacted, DataLoss) as error:  # this process was held up for as long as changes are kept, or they are damaged
            self._end_all(error)
            return False
        except StigmerError as error:
            self._complain(error)
            await asyncio.sleep(_TROUBLE_SECONDS)
            return True
        self._troubled = False
        for each in told:
            self._tell(each)
        return bool(told)

    def _tell(self, told: Told) -> None:
        for selection, watchers in self._watchers.items():
            happening = told.to(self.kind, selection)
            if happening is not None:
                for watcher in watchers:
                    watcher.offer(told, happening)
        for watcher in self._actors.get(told.change.actor, ()):
            if told.to(self.kind, self._joined[watcher]) is None:
                watcher.look()
        self.position = told.change.number

    def _end_all(self, error: StigmerError) -> None:
        for watcher in list(self._joined):
            self.leave(watcher)
            watcher.end(error)

    def _complain(self, error: StigmerError) -> None:
        if not self._troubled:
            logger.warning("the changes of {} cannot be read, watchers have to wait: {}", self.kind.key, error.text)
        self._troubled = True


def _remove(groups: dict[K, dict[Watcher, None]], key: K, watcher: Watcher) -> None:
    group = groups[key]
    del group[watcher]
    if not group:
        del groups[key]


class Hubs:
    """The hubs of a server, made when somebody first watches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hubs: dict[str, Hub] = {}

    def of(self, kind: Kind[Any]) -> Hub:
        """The hub of a kind."""
        hub = self._hubs.get(kind.key)
        if hub is None:
            hub = self._hubs[kind.key] = Hub(kind, self._store)
        return hub

    async def close(self) -> None:
        """Ends all readers."""
        for hub in self._hubs.values():
            await hub.close()
