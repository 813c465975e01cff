"""Finds, makes and examines the database file. Whatever is wrong with it is said in one line, and nothing is changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from stigmer.errors import ConfigurationError
from stigmer.store.sqlite.connection import BUSY_SECONDS, OPTIONS, prepare, uri
from stigmer.store.sqlite.files import appearing, beside, side_files, sweep
from stigmer.store.sqlite.lock import FileLock
from stigmer.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, add_kinds, make_secret, migrate, read_secret, version
from stigmer.store.sqlite.shape import check_shape
from stigmer.store.sqlite.table import Table

_START_SECONDS = 60.0
"""How long a start waits for that of another process, which may have a migration to do."""


def make_ready(path: Path, tables: Sequence[Table]) -> tuple[Path, bytes, FileLock]:
    """Makes sure that the file is there, sound and of our version, with the tables of all kinds.

    Gives its path without links, its secret, and the lock that its writers share.

    Raises:
        ConfigurationError: it is not, or cannot be made.
    """
    with _worded(path):
        path = path.resolve()
        there = _examine_file(path)
        if not there:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_writable(path)
        if there:
            _examine_content(path)  # this takes long, so it is done before others are kept out
        lock = FileLock(beside(path, "-lock"))
        try:
            with lock.held(_START_SECONDS):
                return path, _make_ready(path, tables), lock
        except BaseException:
            lock.close()
            raise


def _make_ready(path: Path, tables: Sequence[Table]) -> bytes:
    if _examine_file(path):
        sweep(path)
    else:
        _create(path)
    with contextlib.closing(_open(path, "rw")) as connection:
        if connection.execute("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:
            raise ConfigurationError("its file system cannot share memory, which SQLite's write-ahead log needs")
        _check_modules(connection)
        migrate(connection)
        add_kinds(connection, tables)
        check_shape(connection, tables)
        return read_secret(connection)


def _examine_file(path: Path) -> bool:
    """Whether the file is there; looks at it as it lies there, without lock or log, and so leaves nothing behind.

    It is SQLite that reads: closing a file of our own would drop all locks that this process has on the database.

    Raises:
        ConfigurationError: it is not ours, or damaged.
        OSError: it cannot be read.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        if left := side_files(path):
            raise ConfigurationError(f"it is missing, but {left[0].name} is there: bring it back, or remove that too") from None
        return False
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError("it is no file" if not stat.S_ISDIR(status.st_mode) else "it is a folder")
    if not status.st_size:
        raise ConfigurationError("it is empty; remove it to begin with a new store")
    logged = bool(side_files(path))
    with contextlib.closing(sqlite3.connect(uri(path, "ro&immutable=1"), **OPTIONS)) as connection:
        try:
            _examine_header(connection, None if logged else status.st_size)
        except sqlite3.DatabaseError as error:
            # With a log beside it the file alone may well be incomplete, also when a checkpoint was killed half-way and its
            # header tells of pages that are still to come: the content will tell.
            if not logged or _primary(error) != sqlite3.SQLITE_CORRUPT:
                raise
    return True


def _examine_header(connection: sqlite3.Connection, size: int | None) -> None:
    """Looks at nothing but the header: not even the schema may be readable."""
    _check_ours(connection)
    if size is not None:
        page, pages = (connection.execute(f"PRAGMA {name}").fetchall()[0][0] for name in ("page_size", "page_count"))
        if size < page * pages:
            raise ConfigurationError("it is truncated; restore a backup")
        _check_version(version(connection))


def _examine_content(path: Path) -> None:
    """Reads the whole file.

    A connection that may write takes its side files away when it closes, and would also empty a write-ahead log into the
    database; so one that may not looks when there is a log. But a transaction that was broken off before there was one has left
    a journal, and has to be taken back before anybody can read.
    """
    left = side_files(path)
    mode = "ro" if left and beside(path, "-journal") not in left else "rw"
    with contextlib.closing(_open(path, mode, query_only=True)) as connection:
        _check_ours(connection)
        _check_version(version(connection))
        if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise ConfigurationError("it is damaged; restore a backup")
        read_secret(connection)


def _create(path: Path) -> None:
    """Makes a new store under another name first: a start that is killed on the way leaves nothing that looks like one.

    It gets its write-ahead log when it is opened. A log of the draft's would have to be moved when the connection closes, and
    that fails without a word when the disk does.
    """
    with appearing(path) as draft, contextlib.closing(_open(draft, "rw")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection)
        make_secret(connection)


def _open(path: Path, mode: str, *, query_only: bool = False) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(uri(path, mode), **OPTIONS)
    try:
        prepare(connection, query_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_writable(path: Path) -> None:
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigurationError("its folder cannot be written")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError("it cannot be written")


def _check_modules(connection: sqlite3.Connection) -> None:
    if ("fts5",) not in connection.execute("PRAGMA module_list").fetchall():
        raise ConfigurationError("the SQLite that this Python brings has no FTS5, which text search needs")


def _check_ours(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchall() != [(APPLICATION_ID,)]:
        raise ConfigurationError("it is the database of another application")


def _check_version(found: int) -> None:
    if found > len(MIGRATIONS):
        raise ConfigurationError(f"its schema has version {found}, this server knows up to {len(MIGRATIONS)}")


@contextlib.contextmanager
def _worded(path: Path) -> Iterator[None]:
    """Turns everything that can go wrong into one line that names the file."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"store {path}: {error}") from None
    except TimeoutError:
        raise ConfigurationError(f"store {path}: another process has been starting on it for {_START_SECONDS:.0f} s") from None
    except OSError as error:
        raise ConfigurationError(f"store {path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise ConfigurationError(f"store {path}: {_REASONS.get(_primary(error), str(error))}") from error


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_REASONS = {
    sqlite3.SQLITE_BUSY: f"another program has kept it locked for {BUSY_SECONDS:.0f} s",
    sqlite3.SQLITE_CORRUPT: "it is damaged, or no SQLite database; restore a backup",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_FULL: "there is no room on its file system",
    sqlite3.SQLITE_IOERR: "its file system reports an error",
}
