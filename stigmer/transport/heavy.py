"""Connections that bring much: one of them is read in each turn of the event loop, so that all others have theirs."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

MUCH = 32 * 1024
"""Bytes that are much for one read: many small calls are less, parts of large messages more."""


class Reads(Protocol):
    """A connection, as far as it waits."""

    def read_on(self) -> None:
        """Reads a part of what has come."""


class Heavy:
    """The queue of a server's connections that have brought much."""

    __slots__ = ("_had", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Reads] = deque()
        self._had = False

    def take(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether somebody may read much at once: nobody waits for it, and nobody has in this turn of the loop."""
        if self._had:
            return False
        self._had = True
        loop.call_soon(self._next, loop)
        return True

    def wait(self, connection: Reads, loop: asyncio.AbstractEventLoop) -> None:
        """Has ``connection`` read on, once it is its turn."""
        self._waiting.append(connection)
        self.take(loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._had = False
        if self._waiting:
            connection = self._waiting.popleft()
            self.take(loop)
            connection.read_on()
