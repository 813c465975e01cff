"""Connections, and the one way in which work reaches their threads."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiosqlite

from stigmer.store.sqlite.conditions import register

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a writer waits for others, here or in other processes, before its clients are told to try again."""
AUTOCHECKPOINT_PAGES = 4000
"""From this many pages in the write-ahead log on, COMMIT itself moves what is left to the database: 16 MiB."""
_LOG_BYTES = 64 * 1024 * 1024
_STATEMENTS = 512

_ALWAYS = (
    "PRAGMA synchronous = FULL",
    f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}",
    f"PRAGMA journal_size_limit = {_LOG_BYTES}",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


async def connect(path: Path, *, query_only: bool = False) -> aiosqlite.Connection:
    """A connection to a file that exists already.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = await aiosqlite.connect(uri(path, "rw"), **OPTIONS)
    try:
        await submit(connection, prepare, query_only)
    except BaseException:
        await connection.close()
        raise
    return connection


def connect_inline(path: Path) -> sqlite3.Connection:
    """A connection for short reads in the event loop, which never waits for locks.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    options: dict[str, Any] = {**OPTIONS, "timeout": 0.0, "check_same_thread": False}
    connection: sqlite3.Connection = sqlite3.connect(uri(path, "rw"), **options)
    try:
        prepare(connection, query_only=True)
        connection.execute("SELECT one FROM meta").fetchall()  # reads the schema now, and not when somebody waits
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, query_only: bool) -> None:
    """Sets what holds for a connection and not for the file."""
    for pragma in (*_ALWAYS, f"PRAGMA query_only = {int(query_only)}"):
        connection.execute(pragma)
    register(connection)


async def submit(connection: aiosqlite.Connection, function: Callable[..., T], *arguments: object) -> T:
    """Runs ``function(sqlite3_connection, *arguments)`` in the connection's thread, as one unit.

    aiosqlite offers a method for each statement only, and each call of one is a hop to the thread and back. A test guards
    the two private names. Cancelling does not stop the function.
    """
    result: T = await connection._execute(function, connection._conn, *arguments)  # type: ignore[no-untyped-call]  # noqa: SLF001 - see above
    return result


@contextlib.contextmanager
def moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it, all reads see the same state. What was written to temporary tables stays, unless it ends with an exception."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def uri(path: Path, mode: str) -> str:
    """The path as SQLite's URI, so that opening never makes a file."""
    return f"file:{quote(str(path))}?mode={mode}"


OPTIONS: dict[str, Any] = {"uri": True, "isolation_level": None, "timeout": BUSY_SECONDS, "cached_statements": _STATEMENTS}
"""What every connection is opened with: transactions are begun by us alone."""
