"""Answers to requests that may be repeated. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from zlib import crc32

from stigmer.errors import KeyUsed
from stigmer.store.feed import Answer, Cause
from stigmer.store.sqlite.faults import damaged

_TOGETHER = 500


def check_unused(connection: sqlite3.Connection, cause: Cause) -> None:
    """Raises KeyUsed when the key of the answer in ``cause`` is. To be called before anything is written."""
    if cause.answer is not None and connection.execute("SELECT 1 FROM answer WHERE key = ?", (cause.answer.key,)).fetchall():
        raise KeyUsed


def remember(connection: sqlite3.Connection, answer: Answer | None) -> None:
    """Writes an answer whose key is unused."""
    if answer is not None:
        row = (*answer, _checksum(answer))
        connection.execute("INSERT INTO answer (key, request, wire, time, checksum) VALUES (?, ?, ?, ?, ?)", row)


def find(connection: sqlite3.Connection, key: bytes) -> Answer | None:
    """The answer with this key, or None.

    Raises:
        DataLoss: it is damaged.
    """
    found = connection.execute("SELECT key, request, wire, time, checksum FROM answer WHERE key = ?", (key,)).fetchall()
    if not found:
        return None
    *parts, expected = found[0]
    answer = Answer(*parts)
    try:
        if answer.key == key and _checksum(answer) == expected:
            return answer
    except TypeError:  # damage can change a value's type
        pass
    raise damaged()


def forget(connection: sqlite3.Connection, before: int) -> int:
    """Removes some of the answers that are older; gives how many."""
    some = "SELECT number FROM answer WHERE time < ? ORDER BY time LIMIT ?"
    return connection.execute(f"DELETE FROM answer WHERE number IN ({some})", (before, _TOGETHER)).rowcount  # noqa: S608 - ours


def _checksum(answer: Answer) -> int:
    return crc32(answer.wire, crc32(answer.request, crc32(answer.key, answer.time)))
