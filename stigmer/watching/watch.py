"""One watcher: everything that happens to what it watches, in order, without gaps, and nothing twice."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import dataclasses
import random
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from stigmer.errors import StigmerError
from stigmer.store import Store
from stigmer.store.feed import Change, Most
from stigmer.watching.happened import Happened
from stigmer.watching.hub import Hub
from stigmer.watching.selection import Happening, Selection, Told
from stigmer.watching.sight import Sight, differences, sees_others

MOST_WAITING, MOST_WAITING_BYTES = 256, 1024 * 1024
"""So much waits for a watcher at most; who is further behind reads on at its own pace, from the store."""
QUIET_SECONDS = 30.0
"""A watcher to whom nothing happens is given a new place from which to go on, and what it may see is asked again."""
_JITTER = 0.2
_PAGE, _PAGE_BYTES = 200, 1024 * 1024


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
        actor: id of who watches; empty when what they may see does not change.
    """

    def __init__(self, hub: Hub, store: Store, selection: Selection, sight: Sight | None = None) -> None:
        """Watches nothing before ``happenings`` is iterated.

        Args:
            hub: of the kind.
            store: of the hub.
            selection: what is watched.
            sight: tells what the caller may see now; None when that does not change.
        """
        self.selection = selection
        self.actor = "" if sight is None else sight.caller
        self._hub = hub
        self._store = store
        self._sight = sight
        self._taken = 0
        self._waiting: deque[Happened] = deque()
        self._waiting_bytes = 0
        self._behind = True
        self._look = False
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
                yield Happened.bookmark(self._taken)
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
        happened = Happened.of(told, happening)
        self._waiting_bytes += len(happened.wire)
        if len(self._waiting) >= MOST_WAITING or (self._waiting and self._waiting_bytes > MOST_WAITING_BYTES):
            self._behind = True
            self._forget()
        else:
            self._waiting.append(happened)
        self._wake()

    def look(self) -> None:
        """The caller has written something: perhaps it may now see that."""
        self._look = True
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
            if self._sight is not None and await self._sight.now() != self.selection.visible:
                raise sees_others()
            for entry in page.entries:
                yield Happened(Happening.ADDED, entry.wire, None)
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

    async def _catch_up(self) -> Sequence[Happened]:
        """Some of what has happened; when there is nothing between this watcher and the hub, it joins that."""
        self._hub.leave(self)
        self._forget()
        before = self._taken
        found = await self._read_on(Most(changes=_PAGE, bytes=_PAGE_BYTES))
        if (self._taken == before or self._taken >= self._hub.position) and self._hub.join(self, self._taken):
            self._behind = False
        return found

    async def _read_on(self, most: Most) -> Sequence[Happened]:
        kind = self._hub.kind
        changes = await self._store.feed(kind, self._taken, most)
        found: list[Happened] = []
        for change in changes:
            told = None if self._is_shown(change) else Told.of(kind, change)
            happening = None if told is None else told.to(kind, self.selection)
            if told is not None and happening is not None:
                found.append(Happened.of(told, happening))
        if changes:
            self._taken = changes[-1].number
        return await self._seen(found) if found else found

    async def _live(self) -> Sequence[Happened]:
        """What has happened since; nothing when this watcher has fallen behind; a bookmark when nothing has for a while."""
        if self._error is not None:
            raise self._error
        if self._waiting:
            batch = list(self._waiting)
            self._forget()
            self._taken = batch[-1].number or self._taken
            return await self._seen(batch)
        told, self._taken = self._taken, max(self._taken, self._hub.position)
        if not self._look and await self._news():
            return []
        self._look = False
        found = await self._seen([])
        if found or self._waiting or self._behind:
            return found
        self._taken = max(self._taken, self._hub.position)
        return [Happened.bookmark(self._taken)] if self._taken != told else []

    async def _news(self) -> bool:
        """Waits until something happens; False when nothing has for a while, or when it is time to look again."""
        self._waking = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(QUIET_SECONDS * random.uniform(1 - _JITTER, 1 + _JITTER)):  # noqa: S311 - spreads load
                await self._waking
        except TimeoutError:
            return False
        finally:
            self._waking = None
        return not self._look

    async def _seen(self, batch: Sequence[Happened]) -> Sequence[Happened]:
        """What of ``batch`` the caller may see now; when that has changed, also what is there to see since, and no longer.

        Raises:
            OutOfRange: too much has changed to tell.
        """
        if self._sight is None:
            return batch
        before, now = self.selection.visible, await self._sight.now()
        if now == before:
            return batch
        if before is None or now is None or now.owners != before.owners:
            raise sees_others()
        self.selection = dataclasses.replace(self.selection, visible=now)
        self._behind = True  # as a watcher of something else
        changed = await differences(self._hub.kind, self._store, self.selection, before, self._taken)
        found = [each for each in batch if each.is_visible(now)] + changed
        if not found:
            return [Happened.bookmark(self._taken)]
        # Together they are what has happened: who goes on from the middle would miss what follows.
        return [*(each._replace(number=None) for each in found[:-1]), found[-1]._replace(number=self._taken)]

    async def _last(self) -> int:
        return (await self._store.changes({self._hub.kind.key: -1}))[self._hub.kind.key].last


_LAST = 2**63
"""Above every sequence."""
