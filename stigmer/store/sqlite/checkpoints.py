"""Moves the write-ahead log into the database beside the writer, so that a COMMIT seldom has to."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

import aiosqlite

from stigmer.store.sqlite.connection import AUTOCHECKPOINT_PAGES, BUSY_SECONDS, submit

_EVERY_SECONDS = 0.05
_LONG_PAGES = 2 * AUTOCHECKPOINT_PAGES
_PATIENCE_MILLISECONDS = 20


class Checkpoints:
    """Makes a checkpoint a moment after each commit, on a connection of its own. It waits for nobody (PASSIVE)."""

    def __init__(self, connection: aiosqlite.Connection, too_long: Callable[[], None]) -> None:
        """Calls ``too_long`` when the log has grown although it is moved all the time: readers keep it from starting over."""
        self._connection = connection
        self._too_long = too_long
        self._due: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[int] | None = None
        self._again = False

    def committed(self) -> None:
        """There is something new in the log."""
        if self._running is not None:
            self._again = True
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_EVERY_SECONDS, self._start)

    async def finish(self) -> None:
        """Empties the log, as far as other processes let it, and makes no more checkpoints."""
        if self._due is not None:
            self._due.cancel()
        self._again = False
        if self._running is not None:
            await asyncio.wait([self._running])
        await submit(self._connection, _checkpoint, "TRUNCATE")

    def _start(self) -> None:
        self._due = None
        self._running = asyncio.create_task(submit(self._connection, _checkpoint, "PASSIVE"))
        self._running.add_done_callback(self._made)

    def _made(self, running: asyncio.Task[int]) -> None:
        self._running = None
        if not running.cancelled() and running.result() > _LONG_PAGES:
            self._too_long()
        if self._again:
            self._again = False
            self.committed()


def restart_log(connection: sqlite3.Connection) -> None:
    """Makes the next writer start at the log's beginning; waits a little for readers. Nobody must be writing."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MILLISECONDS}")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _checkpoint(connection: sqlite3.Connection, mode: str) -> int:
    """Gives the length of the log in pages. A failure costs nothing: the next one, or a COMMIT, makes up for it."""
    with contextlib.suppress(sqlite3.Error):
        length: int = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()[0][1]
        return length
    return 0
