"""Moves the write-ahead log into the database beside the writer, so that a COMMIT seldom has to.

Until version 3.51.3 SQLite has a fault (https://www.sqlite.org/wal.html#the_wal_reset_bug): when the log begins again just
while a checkpoint begins, the checkpoint notes down transactions as moved that it has not seen, and those are lost. So while
a checkpoint of ours is being made, a reader that sees a part of the log keeps it from beginning again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import aiosqlite

from stigmer.errors import StigmerError
from stigmer.store.sqlite.connection import AUTOCHECKPOINT_PAGES, BUSY_SECONDS, submit
from stigmer.store.sqlite.wal_index import WalIndex
from stigmer.store.sqlite.writer import Writer

_EVERY_SECONDS = 0.05
_LONG_PAGES = 2 * AUTOCHECKPOINT_PAGES
_PATIENCE_MILLISECONDS = 20


class Checkpoints:
    """Makes a checkpoint a moment after each commit, on a connection of its own. It waits for nobody (PASSIVE)."""

    def __init__(self, connection: aiosqlite.Connection, pin: Pin, writer: Writer) -> None:
        """Takes a connection that nobody else uses."""
        self._connection = connection
        self._pin = pin
        self._writer = writer
        self._due: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._again = False

    def committed(self) -> None:
        """There is something new in the log."""
        if self._running is not None:
            self._again = True
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_EVERY_SECONDS, self._start)

    async def finish(self) -> None:
        """Empties the log, as far as other processes let it, and makes no more checkpoints. The writer must still be there."""
        if self._due is not None:
            self._due.cancel()
        self._again = False
        if self._running is not None:
            await asyncio.wait([self._running])
        with contextlib.suppress(StigmerError):
            await self._writer.between(empty_log)

    def _start(self) -> None:
        self._due = None
        self._running = asyncio.create_task(self._make())
        self._running.add_done_callback(self._made)

    async def _make(self) -> None:
        """A failure costs nothing: the next one, or a COMMIT, makes up for it."""
        with contextlib.suppress(StigmerError):
            if await self._writer.between(self._pin.put_in):
                length = await submit(self._connection, self._pin.checkpoint)
                if length > _LONG_PAGES:  # although it is moved all the time: readers keep it from beginning again
                    await self._writer.between(restart_log)

    def _made(self, _: asyncio.Task[None]) -> None:
        self._running = None
        if self._again:
            self._again = False
            self.committed()


class Pin:
    """A reader that keeps the log from beginning again. Its connection is used in two threads, but not at once."""

    def __init__(self, connection: sqlite3.Connection, index: WalIndex | None) -> None:
        """Takes a connection of its own; without an index it cannot tell whether it holds, and so is never put in."""
        self._connection = connection
        self._index = index

    def put_in(self, _: sqlite3.Connection | None = None) -> bool:
        """Begins to read; False when there is nothing to be moved, or it would not hold. To be called while nobody writes.

        A reader that begins when the database has everything looks at the log no more, and so does not keep it. Nobody
        writes meanwhile, so what is not moved now was not when this one began.
        """
        if self._index is None or self._index.is_moved():
            return False
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT one FROM meta").fetchall()
        except sqlite3.Error:
            self._take_out()
            raise
        if self._index.is_moved():  # by another process
            self._take_out()
            return False
        return True

    def checkpoint(self, connection: sqlite3.Connection) -> int:
        """Makes a checkpoint and lets go. Gives the length of the log in pages, or 0 when that failed."""
        try:
            return _checkpoint(connection, "PASSIVE")
        finally:
            self._take_out()

    def _take_out(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def restart_log(connection: sqlite3.Connection) -> None:
    """Makes the next writer start at the log's beginning; waits a little for readers. Nobody must be writing."""
    _hurried(connection, "RESTART")


def empty_log(connection: sqlite3.Connection) -> None:
    """The same, and gives the log's room back."""
    _hurried(connection, "TRUNCATE")


def _hurried(connection: sqlite3.Connection, mode: str) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MILLISECONDS}")
    _checkpoint(connection, mode)
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _checkpoint(connection: sqlite3.Connection, mode: str) -> int:
    with contextlib.suppress(sqlite3.Error):
        length: int = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()[0][1]
        return length
    return 0
