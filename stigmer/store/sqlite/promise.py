"""The result of work in a connection's thread, for the one caller that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Promise(asyncio.Future[T]):
    """A future that can be cancelled until the work begins, and not after."""

    begun = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Withdraws the work, unless it has begun: then the waiting task is cancelled once the result is there."""
        return False if self.begun else super().cancel(msg)


async def outcome(promise: Promise[T]) -> T:
    """Waits for the result, however often the waiting task is cancelled once the work has begun.

    A cancellation that came meanwhile is not lost: the caller gets the result and is cancelled at its next ``await``.
    """
    try:
        return await promise
    except asyncio.CancelledError as cancelled:
        if promise.cancelled() or not promise.done():
            raise
        _cancel_again(cancelled)
        return promise.result()


def _cancel_again(cancelled: asyncio.CancelledError) -> None:
    """Puts the cancellation back where it came from. The count stays the same: ``asyncio.timeout`` looks at it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
        task.cancel(*cancelled.args)


def settle(results: Iterable[tuple[Promise[Any], Any]]) -> None:
    """Hands results and exceptions to whoever still waits. Runs in the event loop."""
    for promise, result in results:
        if promise.done():
            continue
        if isinstance(result, BaseException):
            promise.set_exception(result)
        else:
            promise.set_result(result)
