"""One connection on libnghttp2. Each call on it learns what the server says about it."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from grpclib.exceptions import StreamTerminatedError
from ngh2 import Connection, ConnectionClosingError, ErrorCode, NGH2Error, Role, Setting
from ngh2 import events as of

from stigmer.client.exchange import Exchange, Headers
from stigmer.client.last_words import unread
from stigmer.client.pace import FREELY, PACED
from stigmer.client.streaming import Streaming
from stigmer.client.unanswered import NotProcessed, Refused, Unused

X = TypeVar("X", bound=Exchange)

_WINDOW = 4 * 1024 * 1024
_MANY = 2**31 - 1
"""Streams at once on a connection whose server sets no limit."""
_AT_ONCE = 256 * 1024
"""Bytes that are taken out of libnghttp2 at once."""
_PREFIX = struct.Struct(">BI").pack
_CANCEL, _REFUSED = int(ErrorCode.CANCEL), int(ErrorCode.REFUSED_STREAM)
_GONE = (NGH2Error, ValueError)
"""What ngh2 raises when it is asked about a stream or a session that is gone."""
_GIVEN_UP = "the connection was given up before the call was sent"


class Line(asyncio.Protocol):
    """A connection that may be told to go away.

    Attributes:
        open: calls may begin on it.
        greeted: done when the server has said that it speaks HTTP/2, with None, or when it will not any more, with the reason.
        made: when it was, on ``time.monotonic``.
        heard: when the last bytes came, on ``time.monotonic``.
    """

    def __init__(self, lines: set[Line], *, paced: bool = False) -> None:
        """``paced``: the server may send as much as is taken, for a single call."""
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._session = Connection(Role.CLIENT, PACED if paced else FREELY)
        self._exchanges: dict[int, Exchange] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken, self._most = 0, _MANY
        self._newest = self._sent = 0
        self._scheduled = self._paused = self._over = False
        self.open = True
        self.greeted: asyncio.Future[Exception | None] = self._loop.create_future()
        self.made = self.heard = time.monotonic()

    async def messages(self, headers: Headers, request: bytes) -> list[bytes]:
        """All messages with which the server answers a request of one message, whose stream is reset if nobody waits any more.

        Raises:
            GRPCError: the server answered with a status.
            NotProcessed: it has not begun with the call.
            StreamTerminatedError: it reset the stream, or the connection broke.
        """
        if self._taken < self._most and not self._waiting and self.open:
            self._taken += 1
        else:
            await self._turn()
        exchange = self._begin(headers, request, Exchange)
        try:
            return await exchange.done
        except asyncio.CancelledError:
            if not exchange.done.cancelled():
                exchange.done.exception()  # it failed at the same moment, and nobody looks at that now
            raise
        finally:
            if exchange.stream in self._exchanges:
                self._reset(exchange.stream)
            del exchange  # a failure's traceback leads here, and from here would lead to the failure

    def stream(self, headers: Headers, request: bytes) -> Streaming:
        """The call with which the server answers a request of one message; the only one of a paced line."""
        self._taken += 1
        return self._begin(headers, request, lambda stream, done: Streaming(stream, done, partial(self._credit, stream)))

    def _credit(self, stream: int, amount: int) -> None:
        try:
            self._session.acknowledge_received_data(amount, stream)
        except _GONE:
            return
        self._flush_soon()

    async def _turn(self) -> None:
        """Waits for a free stream."""
        if not self.open:
            raise Unused(_GIVEN_UP)
        turn = self._loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self._release()
            raise
        finally:
            del turn

    def _begin(self, headers: Headers, request: bytes, make: Callable[[int, asyncio.Future[list[bytes]]], X]) -> X:
        if not self.open:
            self._release()
            raise Unused(_GIVEN_UP)
        try:
            stream = self._session.send_request(headers)
            self._session.send_data(stream, _PREFIX(0, len(request)) + request, end_stream=True)
        except _GONE as error:
            self._release()
            self.leave()
            raise Unused(f"the connection has no stream left: {error}") from None
        self._newest = stream
        exchange = make(stream, self._loop.create_future())
        self._exchanges[stream] = exchange
        self._flush_soon()
        return exchange

    def _reset(self, stream: int) -> None:
        try:
            self._session.reset_stream(stream, _CANCEL)
        except _GONE:
            return
        self._flush_soon()

    def _release(self) -> None:
        """A stream is free: the next call in line gets it."""
        self._taken -= 1
        self._hand_out()
        self._close_when_idle()

    def _hand_out(self) -> None:
        while self._waiting and self._taken < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

    def leave(self) -> None:
        """Begins no call here any more; those that were begun may finish."""
        self.open = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(Unused(_GIVEN_UP))
        self._close_when_idle()

    def close(self) -> None:
        """Hangs up. Calls in flight fail."""
        self._over = True
        self.leave()
        self._fail_all("the client was closed")
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    @property
    def closing(self) -> bool:
        """The connection is gone, or about to be."""
        return bool(self._transport.is_closing())

    def _close_when_idle(self) -> None:
        if not self.open and not self._exchanges:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        """Says what this side can take. That is all, until the server has spoken."""
        self._transport = transport
        self._lines.add(self)
        self._session.initiate_connection({Setting.ENABLE_PUSH: 0, Setting.INITIAL_WINDOW_SIZE: _WINDOW})
        self._session.set_local_window_size(_WINDOW)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, wanted or not."""
        self._lines.discard(self)
        if isinstance(exc, ConnectionError) and (left := unread(self._transport)):
            self.data_received(left)
        self.leave()
        if not self.greeted.done():
            gone = exc if isinstance(exc, ssl.SSLError) else Unused(f"the server closed the connection at once: {exc or 'EOF'}")
            self.greeted.set_result(gone)
        self._fail_all(f"Connection lost: {exc or 'EOF'}")

    def _fail_all(self, text: str) -> None:
        exchanges, self._exchanges = self._exchanges, {}
        for stream, exchange in exchanges.items():
            exchange.fail(StreamTerminatedError(text) if stream <= self._sent else Unused(_GIVEN_UP))

    def pause_writing(self) -> None:
        """The socket is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Reads, and hangs up when that was the last thing to wait for."""
        self.heard = time.monotonic()
        if self._over:
            return
        try:
            self._session.receive_data(data)
            self._tell(self._session.events())
            if not self._over and self._session.want_write:
                self._flush_soon()
        except NGH2Error as error:
            self._break(f"no HTTP/2: {error}")

    def _flush_soon(self) -> None:
        """Writes at the end of this turn of the loop, what comes in the same turn together."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        more = True
        while more and not self._paused and not self._transport.is_closing():
            try:
                output = self._session.data_to_send(_AT_ONCE)
                events = self._session.events()
            except (NGH2Error, MemoryError) as error:
                self._break(str(error))
                return
            more = len(output) >= _AT_ONCE
            self._sent = self._newest
            if output:
                self._transport.write(output)
            if events:
                self._tell(events)

    def _break(self, text: str) -> None:
        self._over = True
        self._fail_all(text)
        self.leave()

    def _tell(self, events: list[Any]) -> None:
        exchanges = self._exchanges
        for event in events:
            kind = type(event)
            if kind is of.StreamClosed:
                self._closed(event)
            elif kind is of.DataReceived:
                exchanges[event.stream_id].on_data(event.data, ended=event.end_stream)
            elif kind is of.ResponseReceived:
                exchanges[event.stream_id].on_head(event.headers, ended=event.end_stream)
            elif kind is of.TrailersReceived:
                exchanges[event.stream_id].end(event.headers)
            elif kind is of.StreamReset:
                exchanges[event.stream_id].reset = event.error_code
            else:
                self._tell_of_connection(kind, event)

    def _tell_of_connection(self, kind: type[Any], event: Any) -> None:
        if kind is of.SettingsReceived:
            self._most = event.settings.get(Setting.MAX_CONCURRENT_STREAMS, self._most)
            self._hand_out()
            if not self.greeted.done():
                self.greeted.set_result(None)
        elif kind is of.GoAwayReceived:
            self.leave()
        elif kind is of.ConnectionClosed:
            self._over = True
            self.leave()
            if event.error_code:
                self._transport.close()

    def _closed(self, event: Any) -> None:
        exchange = self._exchanges.pop(event.stream_id, None)
        if exchange is None:
            return
        if not exchange.done.done():
            exchange.fail(self._reason(exchange, event))
        self._release()

    def _reason(self, exchange: Exchange, event: Any) -> Exception:
        """Why a stream closed that was not answered."""
        if isinstance(event.local_error, ConnectionClosingError):
            return Unused(_GIVEN_UP)
        if exchange.reset == _REFUSED:
            return Refused("it had no room for the call")
        if exchange.reset is None and event.error_code == _REFUSED and not self.open:
            return NotProcessed("the server is going away")
        return StreamTerminatedError(f"the stream was reset: {event.local_error or event.error_code}")
