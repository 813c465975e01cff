"""How much of what is not forbidden, but brings nothing, a client may send."""

from __future__ import annotations

from stigmer.transport.bucket import TokenBucket
from stigmer.transport.engine import ENHANCE_YOUR_CALM
from stigmer.transport.h2_engine.frames import Violation
from stigmer.transport.limits import Limits

_UNREAD = 1000


class Floods:
    """Counts it. Each call is one more, and raises ``Violation`` when that is too many."""

    __slots__ = ("_glitches", "_resets", "_unread")

    def __init__(self, limits: Limits) -> None:
        self._glitches = TokenBucket(limits.glitches_burst, limits.glitches_per_second)
        self._resets = TokenBucket(limits.resets_burst, limits.resets_per_second)
        self._unread = 0

    def glitch(self) -> None:
        """A frame that was empty, unknown or broke a rule of its stream."""
        if not self._glitches.take():
            raise Violation(ENHANCE_YOUR_CALM)

    def reset(self) -> None:
        """A stream that the client gave up."""
        if not self._resets.take():
            raise Violation(ENHANCE_YOUR_CALM)

    def reply(self) -> None:
        """A frame that we had to send back, and that waits until the client reads."""
        self._unread += 1
        if self._unread > _UNREAD:
            raise Violation(ENHANCE_YOUR_CALM)

    def written(self) -> None:
        """The client reads: nothing that was sent back waits any more."""
        self._unread = 0
