"""The one writer of a process: requests that wait at the same time share a transaction (group commit)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from stigmer.store.sqlite.checkpoints import restart_log
from stigmer.store.sqlite.connection import BUSY_SECONDS, submit
from stigmer.store.sqlite.faults import busy, translated
from stigmer.store.sqlite.lock import FileLock
from stigmer.store.sqlite.promise import Promise, outcome, settle

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_MOST_REQUESTS = 256
_MOST_BYTES = 16 * 1024 * 1024


class _Request(NamedTuple):
    work: Work
    size: int
    promise: Promise[Any]


class Writer:
    """Runs writes, many in one transaction, each as if it were alone.

    A request is answered after COMMIT and not before. Until its transaction begins it can be cancelled.

    Attributes:
        committed: called in the event loop after each transaction.
    """

    def __init__(self, connection: aiosqlite.Connection, lock: FileLock) -> None:
        """Takes the only connection that writes, and the lock that keeps other processes' writers out."""
        self._connection = connection
        self._lock = lock
        self.committed: Callable[[], None] = lambda: None
        self._waiting: deque[_Request] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._restart_log = False

    async def write(self, work: Callable[[sqlite3.Connection], T], size: int = 0) -> T:
        """Runs ``work`` in a transaction and gives its result once that is durable; ``size`` is in bytes, roughly.

        Raises:
            Unavailable: the file is locked by others, or cannot be written.
            ResourceExhausted: there is no room.
            DataLoss: the file is damaged.
        """
        promise: Promise[T] = Promise()
        self._waiting.append(_Request(work, size, promise))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        return await outcome(promise)

    def restart_log(self) -> None:
        """Sees to it that the write-ahead log begins again after the next transaction, when nobody else can write."""
        self._restart_log = True

    async def finish(self) -> None:
        """Waits until nothing is waiting or under way."""
        while self._pump is not None:
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        try:
            while self._waiting:
                if await self._our_turn():
                    await self._commit(self._take())
                else:
                    self._refuse()
        except OSError:  # the lock file's
            self._refuse()
        finally:
            self._pump = None

    async def _our_turn(self) -> bool:
        """Waits for other processes; requests can still be cancelled meanwhile. False when it takes too long."""
        return self._lock.try_acquire() or await submit(self._connection, _acquire, self._lock)

    def _refuse(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        settle((request.promise, busy()) for request in waiting)

    def _take(self) -> Sequence[_Request]:
        """The next requests that nobody has cancelled. From here on they are carried out."""
        taken: list[_Request] = []
        size = 0
        while self._waiting and len(taken) < _MOST_REQUESTS and size < _MOST_BYTES:
            request = self._waiting.popleft()
            if not request.promise.done():
                request.promise.begun = True
                size += request.size
                taken.append(request)
        return taken

    async def _commit(self, batch: Sequence[_Request]) -> None:
        """The thread itself sends for the answers: they come even if this task is cancelled meanwhile."""
        loop = asyncio.get_running_loop()

        def answer(results: Sequence[Any]) -> None:
            loop.call_soon_threadsafe(self._answer, batch, results)

        restart, self._restart_log = self._restart_log, False
        await submit(self._connection, _carry_out, batch, self._lock, restart, answer)

    def _answer(self, batch: Sequence[_Request], results: Sequence[Any]) -> None:
        settle(zip((request.promise for request in batch), results, strict=True))
        self.committed()


def _acquire(_: sqlite3.Connection, lock: FileLock) -> bool:
    return lock.acquire(BUSY_SECONDS)


def _carry_out(
    connection: sqlite3.Connection,
    batch: Sequence[_Request],
    lock: FileLock,
    restart: bool,
    answer: Callable[[Sequence[Any]], None],
) -> None:
    """Runs in the connection's thread."""
    try:
        answer(commit_together(connection, [request.work for request in batch]) if batch else [])
        if restart:
            restart_log(connection)
    finally:
        with contextlib.suppress(OSError):
            lock.release()


def commit_together(connection: sqlite3.Connection, works: Sequence[Work]) -> Sequence[Any]:
    """Runs each of ``works`` in a savepoint of one transaction; gives a result or an exception for each.

    When the transaction fails, all get its exception: nobody is told of a write, or of a conflict with a write, that
    never came to be.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [_attempt(connection, work) for work in works]
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - whatever it is, every request of the batch has to hear of it
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return [translated(error) for _ in works]
    return results


def _attempt(connection: sqlite3.Connection, work: Work) -> Any:
    connection.execute("SAVEPOINT one")
    try:
        result = work(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite itself has taken everything back
            raise
        connection.execute("ROLLBACK TO one")
        result = translated(error)
    connection.execute("RELEASE one")
    return result
