"""Tells, without asking SQLite, whether anybody has written: by the header of the write-ahead log's index.

SQLite keeps the index in a file that all connections of all processes map into their memory (the -shm file; its layout is part
of SQLite's documented file format). The header says how many frames the log has, their checksum and its salts, and a COMMIT
writes it before it returns. Two headers that are equal thus stand for the same log, and a log that was moved into the database
has changed nothing that anybody reads.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from loguru import logger

_HEADER_BYTES = 48
_COUNTER = slice(8, 12)
"""Counts transactions."""
_FRAMES = slice(16, 20)
"""How many frames the log has."""
_MOVED = slice(96, 100)
"""How many of them checkpoints have moved into the database."""
_MAPPED_BYTES = 136


class _Opened(NamedTuple):
    file: int
    map: mmap.mmap


_opened: dict[tuple[int, int], tuple[_Opened, int]] = {}
"""(device, inode) → the file and how many use it. Whoever closes a file lets go of all locks that his process has on it, those
of SQLite too: a file is opened once, and closed when the last connections are."""
_lock = threading.Lock()


class WalIndex:
    """The header of one database's index."""

    def __init__(self, path: Path) -> None:
        """Maps the index of the database at ``path``, on which a connection has to be open until after ``close``.

        Raises:
            OSError: there is none, or it cannot be mapped.
            ValueError: it is too short.
        """
        name = path.with_name(f"{path.name}-shm")
        with _lock:
            found = name.stat()
            self._key = found.st_dev, found.st_ino
            opened, users = _opened.get(self._key) or (_open(name), 0)
            _opened[self._key] = opened, users + 1
        self._map: mmap.mmap | None = opened.map

    def header(self) -> bytes | None:
        """The header now; None after ``close``."""
        return None if self._map is None else self._map[:_HEADER_BYTES]

    def is_moved(self) -> bool:
        """Whether the database has all that is in the log: who writes next lets that begin again. True after ``close``."""
        return self._map is None or _number(self._map[_FRAMES]) == _number(self._map[_MOVED])

    def close(self) -> None:
        """Lets go of the file. To be called after the connections are closed, and once."""
        self._map = None
        with _lock:
            opened, users = _opened.pop(self._key)
            if users > 1:
                _opened[self._key] = opened, users - 1
            else:
                opened.map.close()
                os.close(opened.file)


def wal_index(path: Path) -> WalIndex | None:
    """The index of the database at ``path``; None, which is logged, when it cannot be mapped."""
    try:
        return WalIndex(path)
    except (OSError, ValueError) as error:
        logger.warning("what others write to {} cannot be noticed without asking, so nothing is cached: {}", path, error)
        return None


def _open(name: Path) -> _Opened:
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    return _Opened(file, mmap.mmap(file, _MAPPED_BYTES, prot=mmap.PROT_READ))


def follows(before: bytes | None, after: bytes | None) -> bool:
    """Whether a single transaction lies between two headers."""
    return before is not None and after is not None and (_count(after) - _count(before)) % 2**32 == 1


def _count(header: bytes) -> int:
    return _number(header[_COUNTER])


def _number(four_bytes: bytes) -> int:
    return int.from_bytes(four_bytes, sys.byteorder)
