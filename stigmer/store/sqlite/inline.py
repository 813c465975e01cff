"""Looks up single rows in the event loop itself, for as long as that is quicker than asking a thread."""

from __future__ import annotations

import enum
import sqlite3
import time
from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

from stigmer.store.sqlite.faults import is_busy, translated

T = TypeVar("T")


class Declined(enum.Enum):
    """What ``InlineReader.look_up`` gives when a thread should do it."""

    DECLINED = enum.auto()


DECLINED: Literal[Declined.DECLINED] = Declined.DECLINED
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_SLOW_SECONDS = 0.002
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 10.0


class InlineReader:
    """A connection that is read in the loop.

    A look-up takes some ten microseconds, where a thread and back takes twice that of the processor, and ten times that
    until the answer is there. But a disk may be slow. Whenever a look-up has held the loop for two milliseconds, threads
    do the next ones: for a twentieth of a second, and each time it happens again for twice as long, up to ten seconds.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Takes a connection that nobody else uses, and that never waits for locks."""
        self._connection = connection
        self._pause = _FIRST_PAUSE
        self._paused_until = 0.0

    def look_up(self, work: Work[T]) -> T | Literal[Declined.DECLINED]:
        """What ``work`` gives, or DECLINED when it should be asked of a thread.

        Raises:
            StigmerError: as ``faults.translated`` says.
        """
        began = time.perf_counter()
        if began < self._paused_until:
            return DECLINED
        try:
            found = work(self._connection)
        except sqlite3.Error as error:
            if is_busy(error):
                return DECLINED
            raise translated(error) from error
        took_until = time.perf_counter()
        if took_until - began > _SLOW_SECONDS:
            self._paused_until = took_until + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        elif self._pause > _FIRST_PAUSE:
            self._pause = _FIRST_PAUSE
        return found

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
