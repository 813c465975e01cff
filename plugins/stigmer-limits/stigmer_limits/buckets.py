"""A token bucket for everybody who calls."""

from __future__ import annotations

from stigmer.transport.bucket import TokenBucket
from stigmer_limits.settings import Pace


class Buckets:
    """Buckets by name. Those that were asked for longest ago are forgotten: they are full again, or will soon be."""

    def __init__(self, most: int = 65_536) -> None:
        self._most = most
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, pace: Pace) -> float | None:
        """Takes a token; when there is none, the seconds until there is, and nothing is taken."""
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = TokenBucket(pace.burst, pace.per_second)
        self._buckets[name] = bucket
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
        return None if bucket.take() else bucket.seconds_until()
