"""Work that takes too long for the event loop: a thread does it, one piece at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NICE = 10


def _stand_back() -> None:
    """Lets the event loop's thread go first, where the system can tell threads apart."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)


_THREAD = ThreadPoolExecutor(1, "gzip", initializer=_stand_back)
"""One, so that many large messages at once take the memory of one."""


class Turns:
    """The turns that the calls of a server take.

    Who waits for a turn waits in the event loop, and leaves nothing behind when the call ends: a thread's own queue would keep
    what it was given until it gets there.
    """

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs ``work`` when it is its turn. Cancelled while it runs, it comes to its end before the next one begins."""
        await self._free.acquire()
        try:
            running = asyncio.get_running_loop().run_in_executor(_THREAD, lambda: work(*arguments, **named))
        except BaseException:
            self._free.release()
            raise
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: asyncio.Future[T]) -> None:
        self._free.release()
        if not running.cancelled():
            running.exception()  # whoever asked may be gone: then nobody else would look at it
