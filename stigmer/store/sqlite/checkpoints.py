"""Moves the write-ahead log into the database beside the writer, so that a COMMIT seldom has to."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import aiosqlite

from stigmer.store.sqlite.connection import submit

_EVERY_SECONDS = 0.05


class Checkpoints:
    """Makes a checkpoint a moment after each commit, on a connection of its own. It waits for nobody (PASSIVE)."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
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

    def _made(self, _: asyncio.Task[None]) -> None:
        self._running = None
        if self._again:
            self._again = False
            self.committed()


def _checkpoint(connection: sqlite3.Connection, mode: str) -> None:
    """One that fails costs nothing: the next one, or a COMMIT, makes up for it."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
