"""The half of a call that goes to the client: metadata, messages, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError
from grpclib.metadata import encode_metadata
from grpclib.server import Stream as GrpclibStream
from multidict import MultiDict

from stigmer.transport.framing import GZIP, PACKED, PREFIX_SIZE, packed, prefix, too_large
from stigmer.transport.head import Head
from stigmer.transport.refusal import Fields, Reason, Refusal, status_fields
from stigmer.transport.route import Route

if TYPE_CHECKING:
    from stigmer.transport.calls import Calls

LARGE = 16 * 1024
"""Answers up to here are not worth counting, nor a second copy on their way out."""
_WORTH_PACKING = 1024
_WORTH_A_LOOK = 512
"""Bytes of a streaming answer after which it is looked how much of it waits."""
_HEAD = ((b":status", b"200"), (b"content-type", b"application/grpc+proto"))
REFUSING = (_HEAD[1], (b"grpc-accept-encoding", b"identity,gzip"))
"""What follows the HTTP status of a call that was refused by its headers: for one, because of its encoding."""
_ACCEPTING = (_HEAD[0], *REFUSING)
_PACKING = (*_ACCEPTING, (b"grpc-encoding", GZIP))
OK = ((b"grpc-status", b"0"),)


class Answering(GrpclibStream[Any, Any]):
    """A call, as far as its answer goes.

    Attributes:
        connection: that it came on.
        serving: the server.
        id: the number of the HTTP/2 stream.
        head: its headers.
        route: the rpc.
        ended: the client has sent all.
        gone: the HTTP/2 stream is closed, or its connection is.
        answered: the status is sent, or there will be none: nothing more can be said.
    """

    __slots__ = (
        *("connection", "serving", "id", "head", "route", "ended", "gone", "answered"),
        *("_opened", "_sent", "_cancelled", "_owed", "_unseen", "_message"),
    )

    def __init__(self, connection: Calls, id_: int, head: Head, route: Route) -> None:
        # Not grpclib's own __init__: it makes objects for each call that most calls never ask for.
        self.connection = connection
        self.serving = connection.serving
        self.id = id_
        self.head = head
        self.route = route
        self.ended = self.gone = self.answered = False
        self._opened = self._sent = self._cancelled = False
        self._owed = self._unseen = 0
        self._message: tuple[int, bytes] | None = None

    def _error(self, refusal: Refusal) -> GRPCError:
        """The error for a refusal, which is counted if it is for a size."""
        if refusal.reason is Reason.MESSAGE_TOO_LARGE:
            self.serving.statistics.reached("message_bytes", self.connection.address.key)
        return self.serving.error(refusal)

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        """See grpclib."""
        if self._opened:
            raise ProtocolError("Initial metadata was already sent")
        if self.serving.events is not None:
            (metadata,) = await self.serving.events.send_initial_metadata(MultiDict(metadata or ()))
        self._open(_encoded(metadata))
        self.connection.want_flush()

    def _open(self, more: Fields | tuple[()] = ()) -> None:
        self._opened = True
        if not (self.gone or self.answered):
            head = _HEAD if self.head.encoding is None else _PACKING if self.head.takes_gzip else _ACCEPTING
            self.connection.engine.respond(self.id, (*head, *more) if more else head)

    async def send_message(self, message: Any) -> None:
        """See grpclib. In a streaming answer this waits while the client is behind.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED, when the message is over the limit, or too much waits for slow readers.
        """
        serving = self.serving
        if serving.events is not None:
            if not self._opened:
                await self.send_initial_metadata()
            (message,) = await serving.events.send_message(message)
        if self._sent and not self.route.server_streaming:
            raise ProtocolError("Message was already sent")
        data = serving.codec.encode(message, self.route.reply_type)
        if len(data) > serving.limits.message_bytes:
            raise self._error(too_large(serving.limits.message_bytes))
        flag = 0
        if self.head.encoding is not None and len(data) > _WORTH_PACKING and self.head.takes_gzip:
            flag, data = PACKED, await packed(data, serving.turns)
        self._sent = True
        if self.gone or self.answered:
            return
        if len(data) > LARGE:
            self._owe(len(data))
        if self.route.server_streaming:
            await self._pour(flag, data)
        else:
            self._message = flag, data  # goes out with the status that follows it

    async def _pour(self, flag: int, data: bytes) -> None:
        """Queues one of many messages, and waits while there is much."""
        if not self._opened:
            self._open()
        self._send(flag, data)
        self.connection.want_flush()
        self._unseen += len(data) + PREFIX_SIZE
        if self._unseen > _WORTH_A_LOOK:
            self._unseen = 0
            await self._room()

    def _send(self, flag: int, data: bytes) -> None:
        self.connection.answered_bytes += len(data)
        send = self.connection.engine.send
        if len(data) > LARGE:
            send(self.id, prefix(flag, len(data)))
            send(self.id, data)
        else:
            send(self.id, prefix(flag, len(data)) + data)

    def _owe(self, size: int) -> None:
        if self._is_too_much(size):
            self.serving.statistics.reached("answer_bytes", self.connection.address.key)
            text = "too many answers wait for slow readers"
            raise self._error(Refusal(Status.RESOURCE_EXHAUSTED, Reason.TOO_MANY_BYTES, text))
        self._account(size)

    def _is_too_much(self, more: int) -> bool:
        statistics, address, limit = self.serving.statistics, self.connection.address, self.serving.limits.answer_bytes
        return address.is_over(limit, address.answer_bytes + more, statistics.answer_bytes + more)

    def _account(self, more: int) -> None:
        self.serving.statistics.answer_bytes += more
        self.connection.address.answer_bytes += more
        self._owed += more

    async def _room(self) -> None:
        """Waits until what is unsent of this stream is little enough: less, when there is much of other streams."""
        while self._is_behind():
            await self.connection.flushed()

    def _is_behind(self) -> bool:
        if self.connection.is_ending and not self.gone:
            return True  # until the connection has given its streams up; nothing is queued any more
        waiting = 0 if self.gone else self.connection.engine.queued(self.id)
        self._account(waiting - self._owed)
        return waiting > self.serving.limits.buffered_bytes or (waiting > 0 and self._is_too_much(0))

    async def send_trailing_metadata(
        self,
        *,
        status: Status = Status.OK,
        status_message: str | None = None,
        status_details: Any = None,
        metadata: Any = None,
    ) -> None:
        """See grpclib."""
        if self.answered:
            raise ProtocolError("Trailing metadata was already sent")
        if status is Status.OK and not (self._sent or self.route.server_streaming):
            raise ProtocolError("Unary response with OK status requires a single message to be sent")
        if self.serving.events is not None:
            (metadata,) = await self.serving.events.send_trailing_metadata(
                MultiDict(metadata or ()), status=status, status_message=status_message, status_details=status_details
            )
        fields = status_fields(status, status_message, status_details, self.serving.details)
        self._finish(fields, _encoded(metadata), succeeded=status is Status.OK)

    def _finish(self, fields: Any, more: Fields | tuple[()] = (), *, succeeded: bool = False) -> None:
        """Sends the status, and the message of a unary call before it if all went well. The only place that does."""
        if self.gone:
            self.answered = True
            return
        if succeeded and self._message is not None:
            if not self._opened:
                self._open()
            self._send(*self._message)
        self.answered = True
        if more:
            fields = (*fields, *more)
        if self._opened:
            self.connection.engine.trailers(self.id, fields)
        else:
            head = _HEAD if self.head.encoding is None else _ACCEPTING
            self.connection.engine.respond(self.id, (*head, *fields), end=True)
        if not self.ended:
            self.connection.linger(self.id)
        self.connection.want_flush()


def _encoded(metadata: Any) -> Fields:
    """Metadata of a handler's own.

    Raises:
        ValueError: a name or a value may not be sent.
        TypeError: a value is not of the type that its name asks for.
    """
    if not metadata:
        return []
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in encode_metadata(metadata)]
