"""Memory that large messages took is the system's again when they are gone."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1024 * 1024


def give_back_large_blocks() -> None:
    """Has glibc take blocks of a megabyte and more from the system one by one, and give them back when they are freed.

    Left to itself it raises that limit to the largest block that was ever freed, and keeps all that it had at most. Where
    there is another C library nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
