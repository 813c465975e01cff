"""The times of a connection: what it must have done by when. Knows no clock and no socket: facts in, verdict out."""

from __future__ import annotations

import random

from stigmer.transport.limits import Limits

PREFACE, FIRST_REQUEST, STALL = "preface_seconds", "first_request_seconds", "stall_seconds"
IDLE, AGE, AGE_GRACE = "idle_seconds", "age_seconds", "age_grace_seconds"
KEEPALIVE, KEEPALIVE_TIMEOUT = "keepalive_seconds", "keepalive_timeout_seconds"
_JITTER = 0.1
"""Of the age: connections that came together do not all go together."""


class Lifetime:
    """When what happened on a connection.

    Attributes:
        made: the connection.
        heard: bytes from the client.
        called: the last call opened or closed; None before the first.
        greeted: the client has sent an HTTP/2 frame.
    """

    __slots__ = ("_age", "_limits", "_pinged", "_stalled", "_taken", "called", "greeted", "heard", "made")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.made = self.heard = now
        self.called: float | None = None
        self.greeted = False
        self._age = limits.age_seconds * (1 + random.uniform(-_JITTER, _JITTER))  # noqa: S311 - nobody gains by guessing it
        self._pinged: float | None = None
        self._taken, self._stalled = 0, now

    def verdict(self, now: float, *, streams: int, waiting: int, taken: int, leaving: bool) -> str | None:
        """The name of the limit that the connection has reached, if any.

        Args:
            now: the time.
            streams: that are open.
            waiting: bytes of answers that the client has not taken.
            taken: bytes that it has, ever.
            leaving: one side has said GOAWAY.
        """
        if not self.greeted:
            return self._after(PREFACE, self.made, now)
        if self._is_stalled(now, waiting, taken):
            return STALL
        if now - self.made > self._age + self._limits.age_grace_seconds:
            return AGE_GRACE
        if leaving:
            return self._silence(now, streams)
        if self.called is None:
            return self._after(FIRST_REQUEST, self.made, now)
        idle = None if streams else self._after(IDLE, self.called, now)
        return idle or (AGE if now - self.made > self._age else self._silence(now, streams))

    def _after(self, name: str, since: float, now: float) -> str | None:
        seconds: float = getattr(self._limits, name)
        return name if now - since > seconds else None

    def _is_stalled(self, now: float, waiting: int, taken: int) -> bool:
        if not waiting or taken != self._taken:
            self._stalled = now
        self._taken = taken
        return now - self._stalled > self._limits.stall_seconds

    def _silence(self, now: float, streams: int) -> str | None:
        """Whether a client with open calls, of whom nothing is heard, is to be asked, or has not answered."""
        if self._pinged is not None and self.heard > self._pinged:
            self._pinged = None
        if self._pinged is not None:
            return KEEPALIVE_TIMEOUT if now - self._pinged > self._limits.keepalive_timeout_seconds else None
        if streams and now - self.heard > self._limits.keepalive_seconds:
            self._pinged = now
            return KEEPALIVE
        return None
