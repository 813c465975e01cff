"""What SQLite's errors mean to a client. The texts name neither files nor SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from stigmer.errors import DataLoss, ResourceExhausted, StigmerError, Unavailable

_PRIMARY = 0xFF


def _busy() -> StigmerError:
    return Unavailable("the store is busy; try again", reason="STORE_BUSY")


def _failing() -> StigmerError:
    return Unavailable("the store does not answer now; try again", reason="STORE_UNAVAILABLE")


def _read_only() -> StigmerError:
    return Unavailable("the store cannot be written now", reason="STORE_READ_ONLY")


def _full() -> StigmerError:
    return ResourceExhausted("the store is full", reason="STORE_FULL")


def _too_large() -> StigmerError:
    return ResourceExhausted("the resource is too large for the store", reason="RESOURCE_TOO_LARGE")


def damaged() -> DataLoss:
    """What is stored is damaged."""
    return DataLoss("what is stored is damaged", reason="STORE_DAMAGED")


def closed() -> Unavailable:
    """The store has been closed."""
    return Unavailable("the store is closed", reason="STORE_CLOSED")


def busy() -> StigmerError:
    """Somebody else holds the store for too long."""
    return _busy()


_MEANING: dict[int, Callable[[], StigmerError]] = {
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_PROTOCOL: _busy,
    sqlite3.SQLITE_IOERR: _failing,
    sqlite3.SQLITE_CANTOPEN: _failing,
    sqlite3.SQLITE_NOMEM: _failing,
    sqlite3.SQLITE_INTERRUPT: _failing,
    sqlite3.SQLITE_PERM: _read_only,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_TOOBIG: _too_large,
    sqlite3.SQLITE_CORRUPT: damaged,
    sqlite3.SQLITE_NOTADB: damaged,
    sqlite3.SQLITE_FORMAT: damaged,
}


def may_wait(error: sqlite3.Error) -> bool:
    """Whether the same would succeed for somebody who has time: a lock was held, or the read was broken off."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    return code == sqlite3.SQLITE_INTERRUPT or _MEANING.get(code) is _busy


def translated(error: Exception) -> Exception:
    """The error that callers get for ``error``: itself when it is none of SQLite's, or a bug in what we ask of SQLite."""
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    meaning = _MEANING.get(code & _PRIMARY) if code is not None else damaged if _undecodable(error) else None
    if meaning is None:
        return error
    meant = meaning()
    meant.__cause__ = error
    return meant


def _undecodable(error: sqlite3.Error) -> bool:
    """Whether a text in the file is no UTF-8: that is found by Python, and has no number."""
    return "decode" in str(error)
