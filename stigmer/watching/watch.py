"""One watcher: everything that happens to what it watches, in order, without gaps, and nothing twice."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import dataclasses
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from stigmer.errors import OutOfRange, StigmerError
from stigmer.store import Store, Stored, Visible
from stigmer.store.feed import Change, Most
from stigmer.watching.hub import Hub
from stigmer.watching.selection import Happening, Selection, Told

MOST_WAITING, MOST_WAITING_BYTES = 256, 1024 * 1024
"""So much waits for a watcher at most; who is further behind reads on at its own pace, from the store."""
QUIET_SECONDS = 30.0
"""A watcher to whom nothing happens is given a new place from which to go on, and what it may see is asked again."""
_JITTER = 0.2
_PAGE, _PAGE_BYTES = 200, 1024 * 1024

LookAgain = Callable[[], Awaitable[Visible | None]]


class Happened(NamedTuple):
    """Something that a watcher hears of.

    Attributes:
        happening: what.
        wire: the resource: as it is since, and when it is gone as it was; None for a bookmark.
        number: of the change up to which everything has been told; None as long as an initial list is.
        time: in microseconds since 1970; 0 when it is not known.
    """

    happening: Happening
    wire: bytes | None
    number: int | None
    time: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Begin:
    """Where a watch begins.

    Attributes:
        after: the number of the change after which; None stands for now.
        listed: with everything that is there.
    """

    after: int | None = None
    listed: bool = False


class Watch:
    """Somebody watches.

    Attributes:
        selection: what is watched.
    """

    def __init__(self, hub: Hub, store: Store, selection: Selection, look_again: LookAgain | None = None) -> None:
        """Watches nothing before ``happenings`` is iterated.

        Args:
            hub: of the kind.
            store: of the hub.
            selection: what is watched.
            look_again: tells what the caller may see now; None when that does not change.
        """
        self.selection = selection
        self._hub = hub
        self._store = store
        self._look_again = look_again
        self._taken = 0
        self._waiting: deque[Happened] = deque()
        self._waiting_bytes = 0
        self._behind = True
        self._error: StigmerError | None = None
        self._waking: asyncio.Future[None] | None = None
        self._listed: list[tuple[int, int]] = []

    async def happenings(self, begin: Begin) -> AsyncGenerator[Happened, None]:
        """What happens, from there on, without end.

        Raises:
            Compacted: what follows ``begin`` is not all kept.
            OutOfRange: the caller may see other resources than before.
        """
        try:
            if begin.listed:
                async with contextlib.aclosing(self._list()) as listed:
                    async for each in listed:
                        yield each
            else:
                self._taken = await self._last() if begin.after is None else begin.after
            if begin.after is None:
                yield self._bookmark()
            while True:
                for each in await (self._catch_up() if self._behind else self._live()):
                    yield each
        finally:
            self._hub.leave(self)

    # As a ``Watcher`` of the hub

    def offer(self, told: Told, happening: Happening) -> None:
        """Keeps what has happened until it is asked for, or gives up on that."""
        if told.change.number <= self._taken or self._behind:
            return
        happened = _happened(told.change, happening)
        self._waiting_bytes += len(happened.wire or b"")
        if len(self._waiting) >= MOST_WAITING or (self._waiting and self._waiting_bytes > MOST_WAITING_BYTES):
            self._behind = True
            self._forget()
        else:
            self._waiting.append(happened)
        self._wake()

    def end(self, error: StigmerError) -> None:
        """See ``Watcher``."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waking is not None and not self._waking.done():
            self._waking.set_result(None)

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    # What is there at first

    async def _list(self) -> AsyncGenerator[Happened, None]:
        """Everything that is there, and what happens meanwhile.

        Each page shows the changes up to a number of its own: those that it shows are not told again.
        """
        query = dataclasses.replace(self.selection.query(), limit=_PAGE, max_bytes=_PAGE_BYTES)
        more, first = True, True
        while more:
            page = await self._store.page(self._hub.kind, query)
            as_of = page.as_of or 0
            if first:
                self._taken, first = as_of, False
            more = page.more and page.end is not None
            self._listed.append((page.end.sequence if more and page.end else _LAST, as_of))
            await self._confirm()
            for entry in page.entries:
                yield _listed(entry)
            query = dataclasses.replace(query, after=page.end)
        shown = self._listed[-1][1]
        while self._taken < shown:
            for each in await self._read_on(Most(changes=min(shown - self._taken, _PAGE))):
                yield each._replace(number=None)
        self._listed.clear()

    def _is_shown(self, change: Change) -> bool:
        """Whether a page of the list has shown the change."""
        if not self._listed:
            return False
        place = bisect.bisect_left(self._listed, change.sequence, key=lambda each: each[0])
        return change.number <= self._listed[place][1]

    # What has happened, and what happens

    async def _catch_up(self) -> list[Happened]:
        """Some of what has happened; when there is nothing between this watcher and the hub, it joins that."""
        self._hub.leave(self)
        self._forget()
        before = self._taken
        found = await self._read_on(Most(changes=_PAGE, bytes=_PAGE_BYTES))
        if (self._taken == before or self._taken >= self._hub.position) and self._hub.join(self, self._taken):
            self._behind = False
        return found

    async def _read_on(self, most: Most) -> list[Happened]:
        changes = await self._store.feed(self._hub.kind, self._taken, most)
        found: list[Happened] = []
        for change in changes:
            happening = None if self._is_shown(change) else Told.of(self._hub.kind, change).to(self._hub.kind, self.selection)
            if happening is not None:
                found.append(_happened(change, happening))
        if changes:
            self._taken = changes[-1].number
        if found:
            await self._confirm()
        return found

    async def _live(self) -> list[Happened]:
        """What has happened since; nothing when this watcher has fallen behind; a bookmark when nothing has for a while."""
        if self._error is not None:
            raise self._error
        if self._waiting:
            batch = list(self._waiting)
            self._forget()
            self._taken = batch[-1].number or self._taken
            await self._confirm()
            return batch
        told, self._taken = self._taken, max(self._taken, self._hub.position)
        if await self._news():
            return []
        await self._confirm()
        if self._waiting or self._behind:
            return []
        self._taken = max(self._taken, self._hub.position)
        return [self._bookmark()] if self._taken != told else []

    async def _news(self) -> bool:
        """Waits until something happens; False when nothing has for a while."""
        self._waking = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(QUIET_SECONDS * random.uniform(1 - _JITTER, 1 + _JITTER)):  # noqa: S311 - spreads load
                await self._waking
        except TimeoutError:
            return False
        finally:
            self._waking = None
        return True

    def _bookmark(self) -> Happened:
        return Happened(Happening.BOOKMARK, None, self._taken)

    async def _confirm(self) -> None:
        """Makes sure that the caller may still see what it might see when the watch began, and nothing else."""
        if self._look_again is not None and await self._look_again() != self.selection.visible:
            raise sees_others()

    async def _last(self) -> int:
        return (await self._store.changes({self._hub.kind.key: -1}))[self._hub.kind.key].last


_LAST = 2**63
"""Above every sequence."""


def sees_others() -> OutOfRange:
    """What the caller may see is not what it might see before."""
    return OutOfRange("what you may see has changed; list anew and go on from there", reason="VISIBILITY_CHANGED")


def _happened(change: Change, happening: Happening) -> Happened:
    wire = change.before if happening is Happening.DELETED else change.wire
    return Happened(happening, wire, change.number, change.time)


def _listed(entry: Stored) -> Happened:
    return Happened(Happening.ADDED, entry.wire, None)
