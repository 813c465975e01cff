"""Calls whose request is any number of messages: the client may send as fast as the handler reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grpclib.const import Status

from stigmer.transport.framing import PREFIX_SIZE, read_prefix, too_large
from stigmer.transport.head import Head
from stigmer.transport.refusal import Reason, Refusal
from stigmer.transport.route import Route
from stigmer.transport.stream import TOO_MUCH, Stream

if TYPE_CHECKING:
    from stigmer.transport.calls import Calls

_IN_A_ROW = 16
"""Messages that are there already which a handler gets before others have their turn."""
_GRAIN = 1024
"""So many bytes are used before the client hears of it; when all is used that is here it does so anyway."""
_TRUNCATED = Refusal(Status.INTERNAL, Reason.UNDECODABLE, "the request ends within a message")


class StreamingRequest(Stream):
    """A call with a stream of request messages. Bytes are credited when the handler has used them."""

    __slots__ = ("_buffer", "_grain", "_in_a_row", "_unread", "_waiter")

    def __init__(self, connection: Calls, id_: int, head: Head, route: Route) -> None:
        super().__init__(connection, id_, head, route)
        self._buffer = bytearray()
        limits = self.serving.limits
        # What all streams of a connection keep to themselves must not use up its window.
        self._grain = min(_GRAIN, limits.connection_window // (4 * limits.streams))
        self._unread = self._in_a_row = 0
        self._waiter: asyncio.Future[None] | None = None

    def on_data(self, data: bytes, ended: bool) -> bool:
        """See ``Stream``."""
        self._unread += len(data)
        if self.answered:
            self._credit()
        else:
            self._buffer += data
        if ended:
            self.ended = True
        self._wake()
        return False

    def on_ended(self) -> bool:
        """See ``Stream``."""
        self.ended = True
        self._wake()
        return False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _credit(self, kept: int = 0) -> None:
        """Lets the client send as much as was used, or need not be kept: all but the last ``kept`` bytes."""
        used = self._unread - kept
        if used > 0:
            self.connection.engine.credit(self.id, used)
            self._unread = kept
            self.connection.want_flush()

    async def recv_message(self) -> Any:
        """The next message; None when there are no more.

        Raises:
            GRPCError: INTERNAL for a broken message, RESOURCE_EXHAUSTED for one that is too large.
        """
        buffer = self._buffer
        while not self._is_whole():
            if self.ended or self.gone:
                if buffer or not self.ended:
                    raise self._error(_TRUNCATED)
                return None
            # Also within a message, which may be larger than the window.
            self._credit()
            self._waiter = self.connection.loop.create_future()
            self._in_a_row = 0
            await self._waiter
        flag, size = read_prefix(buffer)
        end = PREFIX_SIZE + size
        with memoryview(buffer) as view:
            body = bytes(view[PREFIX_SIZE:end])
        del buffer[:end]
        if self._unread - len(buffer) >= self._grain:
            self._credit(len(buffer))
        self._in_a_row += 1
        if not self._in_a_row % _IN_A_ROW:
            await asyncio.sleep(0)
        return await self._decoded(flag, body)

    def _is_whole(self) -> bool:
        """Whether the next message is here."""
        if len(self._buffer) < PREFIX_SIZE:
            return False
        _, size = read_prefix(self._buffer)
        limit = self.serving.limits.message_bytes
        if size > limit:
            self.connection.on_oversized()
            raise self._error(too_large(limit))
        if not self.hold(min(size, len(self._buffer))):
            raise self._error(TOO_MUCH)
        return bool(len(self._buffer) >= PREFIX_SIZE + size)

    def close(self, *, complete: bool) -> None:
        """See ``Stream``."""
        super().close(complete=complete)
        self._credit()
        self._wake()
