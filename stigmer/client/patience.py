"""Time-outs of calls that all have the same time, with one timer for all of them: one each would cost a tenth of a call."""

from __future__ import annotations

import asyncio


class Patience:
    """Ends what has taken ``seconds``. It belongs to the loop on which it is first used."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._running: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, limit: asyncio.Timeout) -> None:
        """``limit``, which has no time of its own, runs out after ``seconds``."""
        if self._seconds is None:
            return
        loop = asyncio.get_running_loop()
        end = self._running[limit] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(end, self._look)

    def end(self, limit: asyncio.Timeout) -> None:
        """What ``limit`` was for is over."""
        self._running.pop(limit, None)

    def close(self) -> None:
        """Looks no more, unless something is under way."""
        if self._timer is not None and not self._running:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Ends what is due: the first are. Then sleeps until the next is."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        for limit, end in list(self._running.items()):
            if end > now:
                self._timer = loop.call_at(end, self._look)
                return
            del self._running[limit]
            limit.reschedule(now)
