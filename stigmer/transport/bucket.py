"""A rate: so much at once, and so much a second after that."""

from __future__ import annotations

import math
import time


class TokenBucket:
    """Tokens that are taken, and come back with time.

    Attributes:
        burst: what a full bucket holds.
        per_second: how many come back.
    """

    __slots__ = ("_since", "_tokens", "burst", "per_second")

    def __init__(self, burst: float, per_second: float) -> None:
        self.burst = burst
        self.per_second = per_second
        self._tokens = float(burst)
        self._since = time.monotonic()

    def take(self, n: float = 1, now: float | None = None) -> bool:
        """Takes ``n`` tokens if they are there; False, and nothing is taken, if not.

        Args:
            n: how many.
            now: the time of ``time.monotonic``, for callers that have it already.
        """
        self._refill(now)
        if self._tokens < n:
            return False
        self._tokens -= n
        return True

    def give(self, n: float) -> None:
        """Puts ``n`` tokens back, as far as there is room."""
        self._tokens = min(self.burst, self._tokens + n)

    @property
    def full(self) -> bool:
        """Nothing was taken lately: who keeps buckets by key may forget this one."""
        self._refill(None)
        return self._tokens >= self.burst

    @property
    def empty(self) -> bool:
        """Not one token is there."""
        self._refill(None)
        return self._tokens < 1

    def seconds_until(self, n: float = 1) -> float:
        """How long it takes until ``n`` tokens are there, if nobody takes any: 0 when they are, infinity when never."""
        self._refill(None)
        missing = n - self._tokens
        if missing <= 0:
            return 0.0
        return missing / self.per_second if self.per_second > 0 and n <= self.burst else math.inf

    def _refill(self, now: float | None) -> None:
        moment = time.monotonic() if now is None else now
        if moment > self._since:
            self._tokens = min(self.burst, self._tokens + (moment - self._since) * self.per_second)
            self._since = moment
