"""Memory that large messages took and the C library keeps: given back once they are gone."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_STATM = Path("/proc/self/statm")
_WORTH_A_LOOK = 8 * 1024 * 1024
"""Bytes by which a process has grown until it is worth a millisecond to look for some that nobody uses."""

_TRIMS = 5
"""How often it looks before it takes the growth to be needed: parts of a large message may be let go a little later."""


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
        self._needed = 0
        self._trims = 0

    def tick(self, *, busy: bool) -> None:
        """To be called now and then; ``busy`` says that large messages are in flight.

        What is still there after a few times is in use, by a cache for instance.
        """
        if busy:
            return
        now = self._resident()
        if not self._needed or now <= self._needed + _WORTH_A_LOOK or self._trims >= _TRIMS:
            self._needed = min(now, self._needed or now) if self._trims < _TRIMS else now
            self._trims = 0
        else:
            self._trims += 1
            self._trim()
