"""Calls whose request is one message: it is collected first, and the handler begins once it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib.const import Status

from stigmer.transport.framing import PACKED, PREFIX_SIZE, UNKNOWN_FLAG, read_prefix, too_large
from stigmer.transport.head import Head
from stigmer.transport.refusal import Reason, Refusal
from stigmer.transport.route import Route
from stigmer.transport.stream import TOO_MUCH, Stream

if TYPE_CHECKING:
    from stigmer.transport.calls import Calls


class UnaryRequest(Stream):
    """A call with one request message."""

    __slots__ = ("_buffer", "_needed")

    def __init__(self, connection: Calls, id_: int, head: Head, route: Route) -> None:
        super().__init__(connection, id_, head, route)
        self._buffer: bytes | bytearray | None = b""
        self._needed = -1

    def on_data(self, data: bytes, ended: bool) -> bool:
        """See ``Stream``."""
        self.ended = ended
        if data:
            # At once: what a message may hold back is bounded by its size, not by the window.
            self.connection.engine.credit(self.id, len(data))
            if self.answered:
                return False
            if ended and not self._buffer:
                self._buffer = data
            elif not self._collect(data):
                return False
        return ended and not self.answered

    def on_ended(self) -> bool:
        """See ``Stream``."""
        self.ended = True
        return not (self._task or self.running or self.answered)

    def _collect(self, data: bytes) -> bool:
        """Adds ``data``; False when the request is refused for it: for its prefix, before the rest is here."""
        buffer = self._buffer
        if isinstance(buffer, bytearray):
            buffer += data
        else:
            buffer = self._buffer = bytearray((buffer or b"") + data)
        if self._needed < 0 and len(buffer) >= PREFIX_SIZE:
            flag, size = read_prefix(buffer)
            self._needed = size + PREFIX_SIZE
            limit = self.serving.limits.message_bytes
            if size > limit:
                self.connection.on_oversized()
                return self._refused(too_large(limit))
            if flag > PACKED:
                return self._refused(UNKNOWN_FLAG)
        if not self.hold(len(buffer)):
            return self._refused(TOO_MUCH)
        if 0 <= self._needed < len(buffer):
            return self._refused(_SECOND)
        return True

    def _refused(self, refusal: Refusal) -> bool:
        self._buffer = None
        self.refuse(refusal)
        return False

    async def recv_message(self) -> Any:
        """The message; None when it was received before.

        Raises:
            GRPCError: INTERNAL when there is none, or a broken one; RESOURCE_EXHAUSTED when it unpacks to too much.
        """
        buffer = self._buffer
        if buffer is None:
            return None
        self._buffer = None
        flag, size = read_prefix(buffer) if len(buffer) >= PREFIX_SIZE else (0, -1)
        if size != len(buffer) - PREFIX_SIZE:
            raise self._error(self._what_is_wrong(size, len(buffer) - PREFIX_SIZE))
        with memoryview(buffer) as view:
            body = bytes(view[PREFIX_SIZE:])
        del buffer  # it may be long until the message is unpacked
        if self.route.passes and not (flag or self.serving.events):
            return body
        return await self._decoded(flag, body)

    def _what_is_wrong(self, announced: int, there: int) -> Refusal:
        """Of a request that is not exactly one message."""
        limit = self.serving.limits.message_bytes
        if announced > limit:
            return too_large(limit)
        return _SECOND if 0 <= announced < there else _INCOMPLETE


_INCOMPLETE = Refusal(Status.INTERNAL, Reason.UNDECODABLE, "the request holds no whole message")
_SECOND = Refusal(Status.INTERNAL, Reason.UNDECODABLE, "the request holds more than one message")
