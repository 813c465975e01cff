"""The engine on libnghttp2, by way of ngh2: the fast one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from ngh2 import Configuration, Connection, DenialOfServiceError, NGH2Error, Priority, Role, Setting
from ngh2 import events as of

from stigmer.transport.engine import (
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    End,
    Sink,
    goaway_frame,
)
from stigmer.transport.limits import Limits

_DATA, _REQUEST, _CLOSED = of.DataReceived, of.RequestReceived, of.StreamClosed
_GONE = (NGH2Error, ValueError)
"""What ngh2 raises when it is asked about a stream or a session that is gone."""
_GOAWAY_OF_GO = b"\x07\0\0\0\0\0\x7f\xff\xff\xff"
"""In the frame with which each client of grpc-go leaves. libnghttp2 takes its last stream id for a PROTOCOL_ERROR."""
_TAIL = 64
"""Bytes of what came last in which that frame is looked for."""
_OF_FLOODS = frozenset({INTERNAL_ERROR, ENHANCE_YOUR_CALM})
"""Codes with which libnghttp2 ends a connection for too many resets and for frames that mean nothing."""
_LARGE = 16 * 1024
_IN_TURNS = Priority(urgency=3, incremental=True)
"""For large answers: libnghttp2 would send one to its end before the next."""
_CONTROL_WEIGHTS = {of.PingReceived: 1.0, of.SettingsReceived: 1.0, of.PriorityUpdateReceived: 1.0, of.WindowUpdated: 0.1}


def _configuration(limits: Limits) -> Configuration:
    return Configuration(
        auto_window_update=False,
        max_settings=limits.settings_entries,
        max_continuations=limits.continuations,
        stream_reset_rate_limit=(limits.resets_burst, limits.resets_per_second),
        glitch_rate_limit=(limits.glitches_burst, limits.glitches_per_second),
        max_inbound_header_list_size=2 * limits.header_list_bytes,
        max_inbound_header_count=limits.header_fields,
    )


class Ngh2Engine:
    """Speaks HTTP/2 through ``ngh2.Connection``, which raises where this one does nothing."""

    turn = 256 * 1024  # as much as loops read at once: to cut frames makes a reset lose more of the window
    __slots__ = (
        "_highest",
        "_leaving",
        "_over",
        "_parting",
        "_session",
        "_sink",
        "_tail",
        "_unread",
        "_window",
        "_window_target",
    )

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self._sink = sink
        self._session = session = Connection(Role.SERVER, _configuration(limits))
        self._window = self._window_target = limits.connection_window
        self._unread = 0
        self._highest = 0
        self._leaving = self._over = False
        self._parting = self._tail = b""
        session.initiate_connection(
            {
                Setting.MAX_CONCURRENT_STREAMS: limits.streams,
                Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
                Setting.MAX_HEADER_LIST_SIZE: limits.header_list_bytes,
                Setting.NO_RFC7540_PRIORITIES: 1,
            }
        )
        session.set_local_window_size(self._window)

    def receive(self, data: bytes) -> None:
        """See ``Engine``."""
        session = self._session
        if self._over:
            return
        try:
            session.receive_data(data)
        except NGH2Error as error:
            self._fail(ENHANCE_YOUR_CALM if isinstance(error, DenialOfServiceError) else PROTOCOL_ERROR)
            return
        self._tail = data[-_TAIL:]
        self._tell(session.events())

    def take(self, amount: int | None = None) -> bytes:
        """See ``Engine``."""
        session = self._session
        if self._parting:
            return b""
        try:
            output = session.data_to_send(amount)
        except (NGH2Error, MemoryError):
            self._fail(INTERNAL_ERROR)
            return b""
        events = session.events()
        if events:
            self._tell(events)
        return output

    def _tell(self, events: list[Any]) -> None:
        sink = self._sink
        for event in events:
            kind = type(event)
            if kind is _DATA:
                data = event.data
                self._unread += len(data)
                sink.on_data(event.stream_id, data, event.end_stream)
            elif kind is _REQUEST:
                self._highest = event.stream_id
                sink.on_request(event.stream_id, event.headers, event.end_stream)
            elif kind is _CLOSED:
                sink.on_closed(event.stream_id, event.error_code)
            elif kind is of.ConnectionClosed:
                self._ended(event.error_code)
            else:
                self._tell_rare(kind, event)

    def _tell_rare(self, kind: type[Any], event: Any) -> None:
        if kind in _CONTROL_WEIGHTS:
            self._sink.on_control(_CONTROL_WEIGHTS[kind])
        elif kind is of.TrailersReceived:
            self._sink.on_trailers(event.stream_id)
        elif kind is of.GoAwayReceived:
            self._goaway_received()

    def _goaway_received(self) -> None:
        self._leaving = True
        self._sink.on_goaway()

    def _ended(self, code: int) -> None:
        self._over = True
        if self._leaving or (code == PROTOCOL_ERROR and _GOAWAY_OF_GO in self._tail):
            # Whatever number the peer gave for a reason.
            self._sink.on_end(End(NO_ERROR, by_peer=True))
        else:
            self._sink.on_end(End(code, by_peer=code not in _OF_FLOODS))

    def _fail(self, code: int) -> None:
        # The session is gone, and with it the GOAWAY that would say so: it is made by hand.
        self._parting = goaway_frame(self._highest, code)
        if not self._over:
            self._over = True
            self._sink.on_end(End(code, by_peer=code != ENHANCE_YOUR_CALM))

    def parting(self) -> bytes:
        """See ``Engine``."""
        return self._parting

    def respond(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]], *, end: bool = False) -> bool:
        """See ``Engine``."""
        try:
            self._session.send_response(stream_id, headers, end_stream=end)
        except _GONE:
            return False
        return True

    def send(self, stream_id: int, data: bytes) -> bool:
        """See ``Engine``."""
        session = self._session
        try:
            session.send_data(stream_id, data)
            if len(data) > _LARGE:
                session.set_stream_priority(stream_id, _IN_TURNS, ignore_client_signal=True)
        except _GONE:
            return False
        return True

    def trailers(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """See ``Engine``."""
        try:
            self._session.send_trailers(stream_id, headers)
        except _GONE:
            return False
        return True

    def reset(self, stream_id: int, code: int) -> None:
        """See ``Engine``."""
        with contextlib.suppress(*_GONE):
            self._session.reset_stream(stream_id, code)

    def credit(self, stream_id: int, amount: int) -> None:
        """See ``Engine``."""
        self._unread -= amount
        try:  # noqa: SIM105 - for each message of each call; suppress() takes as long as the call itself
            self._session.acknowledge_received_data(amount, stream_id)
        except _GONE:
            pass

    def queued(self, stream_id: int) -> int:
        """See ``Engine``."""
        return self._session.queued_body_size(stream_id) if stream_id else 0

    def queued_in_all(self) -> int:
        """See ``Engine``."""
        return self._session.queued_body_size()

    def heal(self) -> int:
        """See ``Engine``: ngh2 never credits the part of a DATA frame that a reset cut off."""
        try:
            lost = self._window_target - self._session.local_window_size - self._unread
            if lost <= self._window_target // 2:
                return 0
            self._window += lost
            self._session.set_local_window_size(self._window)
        except _GONE:
            return 0
        return lost

    def ping(self) -> None:
        """See ``Engine``."""
        with contextlib.suppress(*_GONE):
            self._session.ping()

    def notice(self) -> None:
        """See ``Engine``."""
        with contextlib.suppress(*_GONE):
            self._session.send_shutdown_notice()

    def goaway(self, code: int = NO_ERROR) -> None:
        """See ``Engine``."""
        with contextlib.suppress(*_GONE):
            self._session.send_goaway(code)
