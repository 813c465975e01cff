"""Nothing is sent to a server that has not spoken yet: if it closes, it has begun with nothing."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable
from typing import Protocol, TypeVar

_SECONDS = 20.0
"""For one attempt to connect, TLS and the server's first frame included. Other calls wait for it, whatever time they have."""


class Greeted(Protocol):
    """A connection that can tell whether the server has spoken.

    Attributes:
        greeted: done when the server has said that it speaks HTTP/2, with None, or when it will not any more, with the reason.
    """

    greeted: asyncio.Future[Exception | None]

    def close(self) -> None:
        """Hangs up."""


C = TypeVar("C", bound=Greeted)


async def greeted(connecting: Awaitable[C]) -> C:
    """The connection that ``connecting`` gives, once the server has spoken on it.

    Raises:
        OSError: that took too long, or there is no connection.
        Unused: the server closed it instead.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await connecting
            await _spoken(connection)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
    return connection


async def _spoken(connection: Greeted) -> None:
    try:
        failure = await connection.greeted
    except asyncio.CancelledError:
        connection.close()
        raise
    if failure is not None:
        raise failure
