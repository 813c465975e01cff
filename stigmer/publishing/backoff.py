"""Waiting for a sink that does not take events, longer and longer, and saying so once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from loguru import logger

_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 15.0


class Backoff:
    """Between one try and the next."""

    def __init__(self, name: str) -> None:
        """``name`` is who tries, for the log."""
        self._name = name
        self._tries = 0

    async def after(self, trouble: str, keep: Callable[[], Awaitable[object]] | None = None) -> None:
        """Waits; ``keep`` is called if it takes longer than a moment."""
        if not self._tries:
            logger.warning("{}: events are not taken, and wait: {}", self._name, trouble)
        seconds = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(self._tries, 10)) * random.uniform(0.5, 1)  # noqa: S311 - spreads load
        self._tries += 1
        while seconds > 0:
            pause = min(seconds, 1.0)
            await asyncio.sleep(pause)
            seconds -= pause
            if keep is not None and seconds > 0:
                await keep()

    def over(self) -> None:
        """It went well."""
        if self._tries:
            logger.info("{}: events are taken again", self._name)
        self._tries = 0
