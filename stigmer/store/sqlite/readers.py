"""The readers of a process: a few connections that serve whoever waits, many reads for one hop to a thread."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from stigmer.store.sqlite.connection import submit
from stigmer.store.sqlite.counts import Counts
from stigmer.store.sqlite.faults import translated
from stigmer.store.sqlite.promise import Promise, settle

T = TypeVar("T")

_STUCK_SECONDS = 0.002
"""A reader that has had the same read for longer than this gets help from another one."""
_TOGETHER = 16
"""So many look-ups share a read transaction; it is over in 100 µs."""
_INSTRUCTIONS = 4000
"""How often a running read looks whether anybody still waits for it, in steps of SQLite's machine: some 100 µs."""


class _Read(NamedTuple):
    work: Callable[..., Any]
    promise: Promise[Any]


class _Queues:
    """What waits, and what is done. Both ends are used by all threads: each operation on a deque is atomic."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lookups: deque[_Read] = deque()
        self.scans: deque[_Read] = deque()
        self._done: deque[tuple[Promise[Any], Any]] = deque()
        self._loop = loop

    def done(self, results: Sequence[tuple[Promise[Any], Any]]) -> None:
        """Keeps results until somebody delivers them."""
        self._done.extend(results)
        if len(self._done) >= _TOGETHER or not (self.lookups or self.scans):
            self._loop.call_soon_threadsafe(self.deliver)

    def deliver(self) -> None:
        """Hands out results; in the event loop."""
        settle(self._done.popleft() for _ in range(len(self._done)))


class Readers:
    """Runs reads. Usually one connection does it all; another one joins in while a slow read holds the first."""

    def __init__(self, connections: Sequence[aiosqlite.Connection]) -> None:
        self._queues = _Queues(asyncio.get_running_loop())
        self._idle = [_Reader(connection, self._queues) for connection in connections]
        self._busy: dict[asyncio.Task[None], _Reader] = {}
        self._relief: asyncio.TimerHandle | None = None

    async def look_up(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a read of a few microseconds."""
        return await self._read(self._queues.lookups, work)

    async def scan(self, work: Callable[[sqlite3.Connection, Counts], T]) -> T:
        """Runs a read that may take long, in a transaction that it makes itself."""
        return await self._read(self._queues.scans, work)

    async def finish(self) -> None:
        """Waits until nothing is waiting or under way."""
        while self._busy:
            await asyncio.wait(list(self._busy))
        self._queues.deliver()
        if self._relief is not None:
            self._relief.cancel()
            self._relief = None

    async def _read(self, queue: deque[_Read], work: Callable[..., T]) -> T:
        promise: Promise[T] = Promise()
        queue.append(_Read(work, promise))
        if not self._busy:
            self._wake()
        return await promise

    def _wake(self) -> None:
        reader = self._idle.pop()
        reader.began = time.monotonic()
        task = asyncio.create_task(reader.serve())
        self._busy[task] = reader
        task.add_done_callback(self._rest)
        if self._relief is None:
            self._relief = asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._relieve)

    def _rest(self, task: asyncio.Task[None]) -> None:
        self._idle.append(self._busy.pop(task))
        if self._waiting and not self._busy:  # it came after the reader had looked for the last time
            self._wake()

    def _relieve(self) -> None:
        """Sees to it that nobody waits behind a slow read."""
        self._relief = None
        self._queues.deliver()
        if not self._busy:
            return
        since = time.monotonic() - _STUCK_SECONDS
        if self._waiting and self._idle and all(reader.began < since for reader in self._busy.values()):
            self._wake()
        if self._relief is None:
            self._relief = asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._relieve)

    @property
    def _waiting(self) -> bool:
        return bool(self._queues.lookups or self._queues.scans)


class _Reader:
    """A connection and what its thread is doing."""

    def __init__(self, connection: aiosqlite.Connection, queues: _Queues) -> None:
        self._connection = connection
        self._queues = queues
        self._counts = Counts()
        self._current: Promise[Any] | None = None
        self.began = 0.0

    async def serve(self) -> None:
        """Runs what waits until nothing does."""
        await submit(self._connection, self._serve)

    def _serve(self, connection: sqlite3.Connection) -> None:
        """Look-ups go first, since they are short; but a scan comes after each round of them."""
        connection.set_progress_handler(self._abandoned, _INSTRUCTIONS)
        lookups, scans = self._queues.lookups, self._queues.scans
        while lookups or scans:
            self.began = time.monotonic()
            self._look_up(connection, _some(lookups, _TOGETHER))
            for read in _some(scans, 1):
                self._queues.done([(read.promise, self._run(read, connection, self._counts))])

    def _look_up(self, connection: sqlite3.Connection, reads: Sequence[_Read]) -> None:
        """Runs them in one transaction. All were asked for before it begins, so none of them sees less than it should."""
        if not reads:
            return
        try:
            connection.execute("BEGIN")
            results = [(read.promise, self._run(read, connection)) for read in reads]
        except sqlite3.Error as error:
            results = [(read.promise, translated(error)) for read in reads]
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self._queues.done(results)

    def _run(self, read: _Read, *arguments: object) -> Any:
        self._current = read.promise
        try:
            return None if read.promise.done() else read.work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits has to hear of it
            return translated(error)
        finally:
            self._current = None

    def _abandoned(self) -> bool:
        """SQLite stops the running read when this is true: nobody waits for it any more."""
        return self._current is not None and self._current.done()


def _some(queue: deque[_Read], most: int) -> Sequence[_Read]:
    """Up to ``most`` reads from the head of ``queue``; another thread may be doing the same."""
    taken: list[_Read] = []
    try:
        while len(taken) < most:
            taken.append(queue.popleft())
    except IndexError:
        pass
    return taken
