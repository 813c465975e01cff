"""The one writer of a process: requests that wait at the same time share a transaction (group commit)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from stigmer.errors import IdTaken, KeyUsed, OwnerFull, SlugTaken, Stale
from stigmer.store import Commit, Stored
from stigmer.store.sqlite.connection import BUSY_SECONDS, submit
from stigmer.store.sqlite.faults import busy, translated
from stigmer.store.sqlite.lock import FileLock
from stigmer.store.sqlite.promise import Promise, outcome, settle
from stigmer.store.sqlite.rows import Gone, Later
from stigmer.store.sqlite.wal_index import follows

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, Later], Any]
Look = Callable[[], bytes | None]
"""Gives the store's version; in any thread."""
Aside = Callable[[sqlite3.Connection], Any]

_MOST_REQUESTS = 256
_MOST_BYTES = 16 * 1024 * 1024


class _Request(NamedTuple):
    work: Work
    table: str
    size: int
    promise: Promise[Any]


class _Turn(NamedTuple):
    """What a transaction needs besides its requests: the lock that is held, the version, and what is to be done after it."""

    lock: FileLock
    look: Look
    asides: Sequence[tuple[Promise[Any], Aside]]
    answer_aside: Callable[[Promise[Any], Any], None]


class _Done(NamedTuple):
    """A transaction that has run: the results of its requests, and the store's version before and after."""

    results: Sequence[Any]
    before: bytes | None = None
    after: bytes | None = None


class Writer:
    """Runs writes, many in one transaction, each as if it were alone.

    A request is answered after COMMIT and not before. Until its transaction begins it can be cancelled.

    Attributes:
        committed: called in the event loop after each transaction, before its requests are answered.
    """

    def __init__(self, connection: aiosqlite.Connection, lock: FileLock, look: Look) -> None:
        """Takes the only connection that writes, the lock that keeps other processes' writers out, and the store's version."""
        self._connection = connection
        self._lock = lock
        self._look = look
        self.committed: Callable[[Commit], None] = lambda _: None
        self._waiting: deque[_Request] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._asides: list[tuple[Promise[Any], Aside]] = []

    async def write(self, work: Callable[[sqlite3.Connection, Later], T], table: str, size: int = 0) -> T:
        """Runs ``work`` in a transaction and gives its result once that is durable.

        Args:
            work: gives the resource that it has written to ``table``, ``Gone`` for one that it has removed, or something else.
                Where it raises KeyUsed, IdTaken, SlugTaken, OwnerFull or Stale it has written nothing. It may be run twice,
                the first time in vain.
            table: the name of the table; anything when no resource is written.
            size: in bytes, roughly.

        Raises:
            Unavailable: the file is locked by others, or cannot be written.
            ResourceExhausted: there is no room.
            DataLoss: the file is damaged.
        """
        promise: Promise[T] = Promise()
        self._waiting.append(_Request(work, table, size, promise))
        return await self._outcome(promise)

    async def between(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs ``work`` in the connection's thread between two transactions: none of any process begins before it is done.

        Raises:
            Unavailable: others do not let us.
            StigmerError: what ``faults.translated`` makes of what ``work`` raises.
        """
        promise: Promise[T] = Promise()
        self._asides.append((promise, work))
        return await self._outcome(promise)

    async def _outcome(self, promise: Promise[T]) -> T:
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        return await outcome(promise)

    async def finish(self) -> None:
        """Waits until nothing is waiting or under way."""
        while self._pump is not None:
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        try:
            while self._waiting or self._asides:
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
        asides, self._asides = self._asides, []
        settle((promise, busy()) for promise in (*(each.promise for each in waiting), *(each for each, _ in asides)))

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

        def answer(done: _Done) -> None:
            loop.call_soon_threadsafe(self._answer, batch, done)

        def answer_aside(promise: Promise[Any], result: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(settle, [(promise, result)])

        asides, self._asides = self._asides, []
        for promise, _ in asides:
            promise.begun = not promise.done()
        turn = _Turn(self._lock, self._look, asides, answer_aside)
        await submit(self._connection, _carry_out, batch, turn, answer)

    def _answer(self, batch: Sequence[_Request], done: _Done) -> None:
        written = [
            (request.table, result.sequence, result if isinstance(result, Stored) else None)
            for request, result in zip(batch, done.results, strict=True)
            if isinstance(result, Stored | Gone)
        ]
        self.committed(Commit(done.before if follows(done.before, done.after) else None, done.after, written))
        settle(zip((request.promise for request in batch), done.results, strict=True))


def _acquire(_: sqlite3.Connection, lock: FileLock) -> bool:
    return lock.acquire(BUSY_SECONDS)


def _carry_out(
    connection: sqlite3.Connection,
    batch: Sequence[_Request],
    turn: _Turn,
    answer: Callable[[_Done], None],
) -> None:
    """Runs in the connection's thread."""
    try:
        if batch:
            answer(commit_together(connection, [request.work for request in batch], turn.look))
        for promise, work in turn.asides:
            if promise.begun:
                turn.answer_aside(promise, _done_aside(connection, work))
    finally:
        with contextlib.suppress(OSError):
            turn.lock.release()


def _done_aside(connection: sqlite3.Connection, work: Aside) -> Any:
    try:
        return work(connection)
    except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits has to hear of it
        return translated(error)


def commit_together(connection: sqlite3.Connection, works: Sequence[Work], look: Look = lambda: None) -> _Done:
    """Runs ``works`` in one transaction; gives a result or an exception for each.

    When one of them fails half-way, each is run in a transaction of its own, so that the failure stays alone; savepoints
    would do the same, at a price that all pay. When the transaction itself fails, all get
    its exception: nobody is told of a write, or of a conflict with a write, that never came to be.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        before = look()  # from here on nobody else can write
        later: Later = []
        results = [_attempt(connection, work, later) for work in works]
        for statement, parameters in later:
            connection.execute(statement, parameters)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - whatever it is, every request of the batch has to hear of it
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if isinstance(error, _Halfway):
            return _one_by_one(connection, works, look, error)
        return _Done([translated(error) for _ in works])
    return _Done(results, before, look())


class _Halfway(Exception):
    """A request has failed after it had written something; the cause says how."""


def _attempt(connection: sqlite3.Connection, work: Work, later: Later) -> Any:
    try:
        return work(connection, later)
    except (KeyUsed, IdTaken, SlugTaken, OwnerFull, Stale) as conflict:
        return conflict
    except Exception as error:
        raise _Halfway from error


def _one_by_one(connection: sqlite3.Connection, works: Sequence[Work], look: Look, halfway: _Halfway) -> _Done:
    if len(works) == 1 and isinstance(halfway.__cause__, Exception):
        return _Done([translated(halfway.__cause__)])
    results = [commit_together(connection, [work]).results[0] for work in works]
    return _Done(results, None, look())
