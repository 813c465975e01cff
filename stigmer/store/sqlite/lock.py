"""Lets the processes that share a file write in turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_SHORTEST_WAIT = 0.0001
_LONGEST_WAIT = 0.002


class FileLock:
    """An advisory lock on a file beside the database.

    SQLite has a lock of its own and needs no other. But it waits for it by sleeping longer and longer, so that a busy
    process can keep another one waiting for a second.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made if need be, for this user alone.

        Raises:
            OSError: it cannot be opened or made.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, seconds: float) -> bool:
        """Waits until the lock is ours, at most so many seconds; False when it is not."""
        deadline = time.monotonic() + seconds
        wait = _SHORTEST_WAIT
        while not self.try_acquire():
            if time.monotonic() > deadline:
                return False
            time.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
        return True

    def try_acquire(self) -> bool:
        """Takes the lock if nobody has it; never waits."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Lets the next one in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def held(self, seconds: float) -> Iterator[None]:
        """Within it, the lock is ours.

        Raises:
            TimeoutError: it was not to be had in time.
        """
        if not self.acquire(seconds):
            raise TimeoutError
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Lets go of the file, and of the lock."""
        os.close(self._file)
