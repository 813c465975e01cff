"""Memory that large messages took and the C library keeps: given back once they are gone."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_STATM = Path("/proc/self/statm")
_WORTH_A_LOOK = 8 * 1024 * 1024
"""Bytes by which a process has grown until it is worth a millisecond to look for some that nobody uses."""

_LONGEST_PAUSE = 64
"""Ticks until it looks again, at the most."""


def resident() -> int:
    """Bytes of memory that the process has; 0 where the system does not tell in Linux's way."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def trimmer() -> Callable[[], None]:
    """What gives free memory back to the system, with glibc; elsewhere it does nothing."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda: None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: trim(0)


class Memory:
    """Has memory given back when the process has grown, once nothing large is in flight.

    glibc keeps what was freed for the next time, since to take large blocks anew costs milliseconds each. So it keeps it for
    as long as large messages come, and no longer.
    """

    def __init__(self, resident: Callable[[], int] = resident, trim: Callable[[], None] | None = None) -> None:
        """Knows nothing of the process yet; what it has at the first ``tick`` is taken to be needed."""
        self._resident = resident
        self._trim = trim or trimmer()
        self._least = self._last = 0
        self._pause = self._left = 0

    def tick(self, *, busy: bool) -> None:
        """To be called once a second or so; ``busy`` says that large messages are in flight.

        What does not go at once may be in use: it looks again, after twice as long each time.
        """
        if busy:
            return
        now = self._resident()
        if now <= self._least + _WORTH_A_LOOK or not self._least:
            self._least = min(now, self._least or now)
            self._last = self._pause = self._left = 0
            return
        if now > self._last + _WORTH_A_LOOK:
            self._pause = self._left = 0
        self._left -= 1
        if self._left <= 0:
            self._trim()
            self._last = self._resident()
            self._left = self._pause = min(2 * self._pause or 1, _LONGEST_PAUSE)
