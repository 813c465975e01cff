"""Reads in the event loop itself, for as long as that is quicker than asking a thread."""

from __future__ import annotations

import enum
import math
import sqlite3
import time
from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

from stigmer.store.sqlite.faults import may_wait, translated

T = TypeVar("T")


class Declined(enum.Enum):
    """What ``InlineReader.read`` gives when a thread should do it."""

    DECLINED = enum.auto()


DECLINED: Literal[Declined.DECLINED] = Declined.DECLINED
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_SLOW_SECONDS = 0.002
_INSTRUCTIONS = 1000
"""How often a read looks at the clock, in steps of SQLite's machine: some 20 µs."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 10.0


class InlineReader:
    """A connection that is read in the loop.

    A look-up takes some ten microseconds, where a thread and back takes twice that of the processor, and ten times that
    until the answer is there; and each row that a thread reads may cost it the interpreter's lock. But a disk may be slow,
    and a list long. A read that has held the loop for two milliseconds is broken off, or allowed to end where SQLite cannot
    break it off, and threads do the next ones: for a twentieth of a second, and each time it happens again for twice as
    long, up to ten seconds.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Takes a connection that nobody else uses, and that never waits for locks."""
        self._connection = connection
        self._pause = _FIRST_PAUSE
        self._paused_until = 0.0
        self._deadline = math.inf
        connection.set_progress_handler(lambda: time.perf_counter() > self._deadline, _INSTRUCTIONS)

    def read(self, work: Work[T]) -> T | Literal[Declined.DECLINED]:
        """What ``work`` gives, or DECLINED when it should be asked of a thread.

        Raises:
            StigmerError: as ``faults.translated`` says.
        """
        began = time.perf_counter()
        if began < self._paused_until:
            return DECLINED
        self._deadline = began + _SLOW_SECONDS
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            if may_wait(error):
                return DECLINED
            raise translated(error) from error
        finally:
            self._learn(time.perf_counter())

    def _learn(self, now: float) -> None:
        if now > self._deadline:
            self._paused_until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        elif self._pause > _FIRST_PAUSE:
            self._pause = _FIRST_PAUSE
        self._deadline = math.inf

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
