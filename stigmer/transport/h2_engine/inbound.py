"""The half of the h2 engine that reads. What libnghttp2 forbids by itself is forbidden here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from stigmer.transport.engine import (
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    End,
    Headers,
    Sink,
    goaway_frame,
)
from stigmer.transport.h2_engine.closed import ClosedStreams, Closing
from stigmer.transport.h2_engine.fields import are_trailers, is_request
from stigmer.transport.h2_engine.floods import Floods
from stigmer.transport.h2_engine.frames import (
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameCutter,
    Violation,
)
from stigmer.transport.h2_engine.outbox import Exchange, Outbox
from stigmer.transport.h2_engine.session import Session, StreamError
from stigmer.transport.limits import Limits

STREAM_CLOSED = 0x5
_CONTROL, _WINDOW_CONTROL = 1.0, 0.1
_REMEMBERED = 128
"""Closed streams of a connection."""
_WINDOW_BITS = 2**31 - 1

_log = logging.getLogger("stigmer.transport")


class Inbound:
    """Reads frames, keeps the table of open streams, and tells the sink."""

    __slots__ = (
        *("_closed", "_cutter", "_ended", "_floods", "_goaway_read", "_highest", "_last", "_leaving", "_limits", "_open"),
        *("_outbox", "_session", "_sink", "_untold"),
    )

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self._sink = sink
        self._limits = limits
        self._cutter = FrameCutter(limits)
        self._floods = Floods(limits)
        self._session = Session(limits)
        self._outbox = Outbox(self._session)
        self._open: dict[int, Exchange] = {}
        self._closed = ClosedStreams(_REMEMBERED)
        self._untold: list[tuple[int, int]] = []
        self._highest = self._last = 0
        self._goaway_read = self._leaving = self._ended = False

    def receive(self, data: bytes) -> None:
        """See ``Engine``."""
        if self._ended:
            return
        try:
            for frame in self._cutter.cut(data):
                self._read(frame)
        except Violation as violation:
            self._end(violation.code)
        except Exception:  # noqa: BLE001 - whatever h2 raises, it ends no more than this connection
            _log.exception("reading HTTP/2 has failed")
            self._end(INTERNAL_ERROR)

    def _read(self, frame: Frame) -> None:
        reader = self._readers.get(frame.kind)
        if reader is None:  # of a type that is not known: RFC 9113 lets it pass
            self._floods.glitch()
            return
        try:
            reader(self, frame)
        except StreamError as error:
            self._session.reset(frame.stream_id, error.code)
            self._close(frame.stream_id, Closing.BY_US, error.code)
            self._floods.glitch()
            self._floods.reply()

    def _read_headers(self, frame: Frame) -> None:
        stream_id = frame.stream_id
        exchange = self._open.get(stream_id)
        if exchange is not None:
            self._read_trailers(exchange, frame)
        elif stream_id % 2 and stream_id > self._highest:
            self._read_request(frame)
        else:
            self._session.skip(frame.body)
            self._floods.glitch()
            self._read_late(stream_id)

    def _read_request(self, frame: Frame) -> None:
        stream_id = self._highest = frame.stream_id
        if self._leaving:
            self._session.skip(frame.body)
            self._closed.add(stream_id, Closing.BY_US)
            self._floods.glitch()
            return
        # A stream whose reset was not taken is open to the client: else it could have resets queued without end.
        if len(self._open) + len(self._untold) >= self._limits.streams:
            self._session.skip(frame.body)
            raise StreamError(REFUSED_STREAM)
        self._last = stream_id
        headers = self._feed_headers(frame)
        if not is_request(headers):
            raise StreamError(PROTOCOL_ERROR)
        left = next((int(value) for name, value in headers if name == b"content-length"), None)
        if frame.ends and left:
            raise StreamError(PROTOCOL_ERROR)
        self._open[stream_id] = Exchange(stream_id, left, heard=frame.ends)
        self._sink.on_request(stream_id, headers, frame.ends)

    def _read_trailers(self, exchange: Exchange, frame: Frame) -> None:
        if exchange.heard:
            self._session.skip(frame.body)
            raise StreamError(STREAM_CLOSED)
        if not are_trailers(self._feed_headers(frame)) or exchange.left:
            raise StreamError(PROTOCOL_ERROR)
        exchange.heard = True
        self._sink.on_trailers(frame.stream_id)
        self._close_if_over(exchange)

    def _feed_headers(self, frame: Frame) -> Headers:
        event: Any = self._session.feed(frame)[0]
        if len(event.headers) > self._limits.header_fields:
            raise Violation(ENHANCE_YOUR_CALM)
        return tuple((name, value) for name, value in event.headers)

    def _read_data(self, frame: Frame) -> None:
        if frame.is_empty:
            self._floods.glitch()
        exchange = self._open.get(frame.stream_id)
        if exchange is None:
            self._session.credit_late(len(frame.body))
            self._read_late(frame.stream_id)
        elif exchange.heard:
            self._session.credit_late(len(frame.body))
            raise StreamError(STREAM_CLOSED)
        else:
            self._read_body(exchange, frame)

    def _read_body(self, exchange: Exchange, frame: Frame) -> None:
        size = len(frame.body)
        try:
            event: Any = self._session.feed(frame)[0]
        except StreamError:
            self._session.credit(frame.stream_id, size)
            raise
        data = event.data
        if len(data) < size:
            self._session.credit(frame.stream_id, size - len(data))
        if exchange.left is not None:
            exchange.left -= len(data)
        exchange.heard = frame.ends
        self._sink.on_data(frame.stream_id, data, frame.ends)
        self._close_if_over(exchange)

    def _read_late(self, stream_id: int) -> None:
        """A piece of a request has come whose stream is not open."""
        self._refuse_idle(stream_id)
        closing = self._closed.closing(stream_id)
        if closing is Closing.NEVER_OPENED:
            raise Violation(PROTOCOL_ERROR)
        if closing is Closing.ENDED:
            raise Violation(STREAM_CLOSED)
        if closing is Closing.BY_CLIENT:
            raise StreamError(STREAM_CLOSED)

    def _read_reset(self, frame: Frame) -> None:
        self._refuse_idle(frame.stream_id)
        self._floods.reset()
        if frame.stream_id in self._open:
            self._close(frame.stream_id, Closing.BY_CLIENT, int.from_bytes(frame.body, "big"))

    def _read_window_update(self, frame: Frame) -> None:
        self._sink.on_control(_WINDOW_CONTROL)
        increment = int.from_bytes(frame.body, "big") & _WINDOW_BITS
        if frame.stream_id:
            self._refuse_idle(frame.stream_id)
        if not increment:
            raise StreamError(PROTOCOL_ERROR) if frame.stream_id else Violation(PROTOCOL_ERROR)
        exchange = self._open.get(frame.stream_id)
        if frame.stream_id and exchange is None:
            return
        self._session.feed(frame._replace(body=increment.to_bytes(4, "big")))
        self._outbox.unpark(exchange)

    def _read_settings(self, frame: Frame) -> None:
        self._sink.on_control(_CONTROL)
        self._session.configure(frame)
        if not frame.acknowledges:
            self._outbox.unpark()
            self._floods.reply()

    def _read_ping(self, frame: Frame) -> None:
        self._sink.on_control(_CONTROL)
        if not frame.acknowledges:
            self._session.feed(frame)
            self._floods.reply()

    def _read_priority(self, _frame: Frame) -> None:
        self._sink.on_control(_CONTROL)
        self._floods.glitch()

    def _read_goaway(self, _frame: Frame) -> None:
        if self._goaway_read:
            self._floods.glitch()
        else:
            self._goaway_read = True
            self._sink.on_goaway()

    def _refuse_idle(self, stream_id: int) -> None:
        if stream_id % 2 == 0 or stream_id > self._highest:
            raise Violation(PROTOCOL_ERROR)

    def _close(self, stream_id: int, closing: Closing, code: int) -> None:
        self._session.forget(stream_id)
        self._closed.add(stream_id, closing)
        exchange = self._open.pop(stream_id, None)
        if exchange is not None:
            self._outbox.drop(exchange)
            self._sink.on_closed(stream_id, code)

    def _close_if_over(self, exchange: Exchange) -> None:
        if exchange.heard and exchange.said and self._open.get(exchange.stream_id) is exchange:
            self._close(exchange.stream_id, Closing.ENDED, 0)

    def _end(self, code: int) -> None:
        if self._ended:
            return
        self._ended = True
        self._session.write(goaway_frame(self._last, code))
        for exchange in self._open.values():
            self._outbox.drop(exchange)
        self._open.clear()
        self._untold.clear()
        # All but floods may come of what honest clients are: of another protocol, another version, or late.
        self._sink.on_end(End(code, by_peer=code != ENHANCE_YOUR_CALM))

    _readers: ClassVar[Mapping[int, Callable[[Inbound, Frame], None]]] = MappingProxyType(
        {
            DATA: _read_data,
            HEADERS: _read_headers,
            PRIORITY: _read_priority,
            RST_STREAM: _read_reset,
            SETTINGS: _read_settings,
            PING: _read_ping,
            GOAWAY: _read_goaway,
            WINDOW_UPDATE: _read_window_update,
        }
    )
