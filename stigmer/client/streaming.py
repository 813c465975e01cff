"""A call that is answered with any number of messages, each as it comes and as fast as somebody takes them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from stigmer.client.exchange import COMPRESSED, Exchange, Headers, check

_PREFIX = struct.Struct(">BI")


class Streaming(Exchange):
    """One such call. What is here and was not taken is never more than the window of the stream."""

    __slots__ = ("_buffer", "_credit", "_error", "_unread", "_waiter")

    def __init__(self, stream: int, done: asyncio.Future[list[bytes]], credit: Callable[[int], None]) -> None:
        """``credit`` lets the server send as many bytes more."""
        super().__init__(stream, done)
        self._buffer = bytearray()
        self._credit = credit
        self._unread = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> bytes | None:
        """The next message; None after the last one.

        Raises:
            GRPCError: the server ended the call with a status.
            StreamTerminatedError: the connection broke, or the server reset the stream.
        """
        while (message := self._taken()) is None:
            if self.done.done():
                if self._error is not None:
                    raise self._error
                if self._buffer:
                    raise GRPCError(Status.INTERNAL, "the answer ends within a message")
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return message

    def _taken(self) -> bytes | None:
        """The next message, if it is here. Also while it is not the server may go on: it may be larger than the window."""
        unread, self._unread = self._unread, 0
        if unread:
            self._credit(unread)
        if len(self._buffer) < _PREFIX.size:
            return None
        flag, size = _PREFIX.unpack_from(self._buffer)
        if flag:
            raise GRPCError(Status.INTERNAL, COMPRESSED)
        end = _PREFIX.size + size
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[_PREFIX.size : end])
        del self._buffer[:end]
        return message

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """See ``Exchange``."""
        self._buffer += data
        self._unread += len(data)
        if ended:
            self.end(())
        self._wake()

    def end(self, trailers: Headers) -> None:
        """See ``Exchange``."""
        if self.done.done():
            return
        try:
            check(dict(trailers))
        except GRPCError as error:
            self._error = error.with_traceback(None)
        self.done.set_result([])
        self._wake()

    def fail(self, error: Exception) -> None:
        """See ``Exchange``."""
        if not self.done.done():
            self._error = error
            self.done.set_result([])
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
