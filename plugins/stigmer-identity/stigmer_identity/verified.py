"""Remembers verified tokens for a short while: to verify one again costs many times as much as to look it up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from stigmer import Caller


class _Known(NamedTuple):
    caller: Caller
    until: float
    generation: int


class Verified:
    """Callers by the digests of their tokens; the tokens themselves are not kept."""

    def __init__(self, seconds: float, size: int, now: Callable[[], float]) -> None:
        """Remembers at most ``size`` tokens for at most ``seconds``; ``now`` gives seconds since the Unix epoch."""
        self._seconds = seconds
        self._size = size
        self._now = now
        self._known: dict[bytes, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, token: str, generation: int | None) -> Caller | None:
        """Whose token it is, if it was verified a short while ago, with keys of the same generation, and still holds."""
        known = self._known.get(_digest(token)) if self._known else None
        if known is None or known.generation != generation or self._now() >= known.until:
            return None
        return known.caller

    def put(self, token: str, caller: Caller, ends: float, generation: int) -> None:
        """Remembers a token that was verified now and holds until ``ends``; the oldest makes room."""
        if not self._seconds:
            return
        digest = _digest(token)
        self._known.pop(digest, None)
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[digest] = _Known(caller, min(ends, self._now() + self._seconds), generation)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
