"""The half of a connection that reads: what the engine tells becomes calls, and calls are started."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from grpclib.protocol import Peer

from stigmer.transport.admission import Address
from stigmer.transport.answer import REFUSING
from stigmer.transport.bucket import TokenBucket
from stigmer.transport.engine import ENHANCE_YOUR_CALM, NO_ERROR, REFUSED_STREAM, End, Headers
from stigmer.transport.head import Head
from stigmer.transport.lifetime import Lifetime
from stigmer.transport.output import Output
from stigmer.transport.refusal import Reason, Refusal, status_fields
from stigmer.transport.route import Route
from stigmer.transport.statistics import BROKEN, FLOOD
from stigmer.transport.stream import EXPIRED, SOON, STOPPING, Stream
from stigmer.transport.streaming_request import StreamingRequest
from stigmer.transport.unary_request import UnaryRequest

if TYPE_CHECKING:
    from stigmer.transport.server import Server

_NO_TIME = 1e-6
"""Seconds: a call with less is over before anybody has looked at it."""
_WORTH_A_PING = 16 * 1024
"""Bytes of traffic that make up for a control frame, as a call does."""
_OVERSIZED = 5
"""Control frames that a message over the limit counts as: a client may send hundreds at once, and some fifty a second."""
_BROKEN_RULE = 0.1
"""Floods that a connection which breaks the rules of HTTP/2 counts as: no library does so twenty times a second."""
_DROPS_ON_GOAWAY = b"grpc-python-grpclib"
"""A client that fails its calls in flight when it hears GOAWAY, whatever the number in it: it hears it last."""


class Calls(Output):
    """The calls of one connection. Between an event and what it changes nothing is awaited.

    Attributes:
        serving: the server.
        address: of the client.
        streams: that are open, by id.
        lifetime: when what happened.
    """

    address: Address
    lifetime: Lifetime

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.loop = server.loop
        self.serving = server.serving
        self.streams: dict[int, Stream] = {}
        limits = self.serving.limits
        self._controls = TokenBucket(limits.controls_burst, limits.controls_per_second)
        self._calls = self._taken_up = self._received_bytes = 0
        self._paid_for = 0.0
        self._head: Head | None = None
        self._ready: deque[Stream] = deque()
        self._start_is_due = False
        self._leaving = False
        self._drops_on_goaway = False
        self._peer: Peer | None = None

    @property
    def peer(self) -> Peer:
        """Who is on the other end."""
        if self._peer is None:
            self._peer = Peer(self._transport)
        return self._peer

    def kill(self, code: int, name: str) -> None:
        """Ends the connection for the limit ``name``."""
        raise NotImplementedError

    # What the engine tells

    def on_request(self, stream_id: int, headers: Headers, ended: bool) -> None:
        """See ``Sink``."""
        head = self._head
        if head is None or head.headers != headers:
            head = self._head = Head(headers, self.serving.routes, self.serving.limits)
        route = head.route
        if head.refusal is not None or route is None:
            self._refuse(stream_id, head.refusal or STOPPING, ended)
        elif self._leaving and self.serving.stopping:
            self._refuse(stream_id, STOPPING, ended)
        elif self.address.streams >= self.serving.limits.streams_per_address and self.address.key:
            self.serving.statistics.reached("streams_per_address", self.address.key)
            self.reset(stream_id, REFUSED_STREAM)
        else:
            self._take_up(stream_id, head, route, ended)

    def _take_up(self, stream_id: int, head: Head, route: Route, ended: bool) -> None:
        lifetime = self.lifetime
        if not self._taken_up:
            self._drops_on_goaway = head.fields.get(b"user-agent", b"").startswith(_DROPS_ON_GOAWAY)
        lifetime.called = lifetime.heard
        self._taken_up += 1
        stream = (StreamingRequest if route.client_streaming else UnaryRequest)(self, stream_id, head, route)
        stream.ended = ended
        self.streams[stream_id] = stream
        self.address.streams += 1
        left = head.left
        if left is not None:
            stream.expires = lifetime.heard + left
            if left < SOON:
                if left < _NO_TIME:
                    stream.refuse(EXPIRED)
                    return
                stream.watch(lifetime.heard)
        if ended or route.client_streaming:
            self._ready.append(stream)

    def _refuse(self, stream_id: int, refusal: Refusal, ended: bool) -> None:
        """Answers a call that no handler ever sees."""
        self.lifetime.called = self.lifetime.heard
        if refusal.reason is Reason.METADATA_TOO_LARGE:
            self.serving.statistics.reached("header_list_bytes", self.address.key)
        error = self.serving.error(refusal)
        fields = status_fields(error.status, error.message, error.details, self.serving.details)
        if self.engine.respond(stream_id, ((b":status", refusal.http), *REFUSING, *fields), end=True) and not ended:
            self.linger(stream_id)

    def on_data(self, stream_id: int, data: bytes, ended: bool) -> None:
        """See ``Sink``."""
        stream = self.streams.get(stream_id)
        if stream is None:
            self.engine.credit(stream_id, len(data))
        elif stream.on_data(data, ended):
            self._ready.append(stream)
        if not (data or ended):
            self.on_control(1)

    def on_trailers(self, stream_id: int) -> None:
        """See ``Sink``."""
        stream = self.streams.get(stream_id)
        if stream is not None and not stream.ended and stream.on_ended():
            self._ready.append(stream)

    def on_closed(self, stream_id: int, code: int) -> None:
        """See ``Sink``."""
        self._lingering.discard(stream_id)
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self.address.streams -= 1
            self.lifetime.called = self.lifetime.heard
            stream.close(complete=code == NO_ERROR and stream.answered)

    def on_control(self, weight: float) -> None:
        """See ``Sink``. grpc-go measures by PING while it has calls: who brings traffic may send more of them."""
        traffic = self._taken_up + (self._received_bytes + self.answered_bytes) / _WORTH_A_PING
        self._controls.give(traffic - self._paid_for)
        self._paid_for = traffic
        if not self._controls.take(weight, self.lifetime.heard) and not self._ending:
            self.address.offences.take()
            self.kill(ENHANCE_YOUR_CALM, "controls_burst")

    def on_oversized(self) -> None:
        """A message says that it is too large. To refuse it costs a stream and its reset, and the client next to nothing."""
        self.on_control(_OVERSIZED)

    def on_goaway(self) -> None:
        """See ``Sink``."""
        self._leaving = True

    def on_end(self, end: End) -> None:
        """See ``Sink``."""
        expected, self._ending = self._ending or self._leaving, True
        self.want_flush()
        if end.code == NO_ERROR or expected:
            return
        self.serving.statistics.reached(BROKEN if end.by_peer else FLOOD, self.address.key)
        self.address.offences.take(_BROKEN_RULE if end.by_peer else 1)

    # Calls

    def _start(self) -> None:
        """Starts calls that are complete: a few, then those of other connections have their turn."""
        self._start_is_due = False
        ready = self._ready
        left = self.serving.limits.starts_per_turn
        while ready and left:
            stream = ready.popleft()
            if not (stream.gone or stream.answered):
                left -= 1
                self._start_one(stream)
        if ready and not self.over:
            self._start_is_due = True
            self.loop.call_soon(self._start)

    def _start_one(self, stream: Stream) -> None:
        running, limits, address = self.serving.running, self.serving.limits, self.address
        if len(running) >= limits.calls:
            self._put_off(stream, "calls")
        elif address.calls >= limits.calls_per_address and address.key:
            self._put_off(stream, "calls_per_address")
        elif self._calls >= limits.calls_per_connection:
            self._put_off(stream, "calls_per_connection")
        else:
            address.calls += 1
            self._calls += 1
            running.add(stream)
            stream.start()

    def _put_off(self, stream: Stream, reached: str) -> None:
        """Refuses a call in the way that lets clients try it again elsewhere, or later."""
        self.serving.statistics.reached(reached, self.address.key)
        self.reset(stream.id, REFUSED_STREAM)

    def on_call_ended(self, stream: Stream) -> None:
        """The handler of a call that was started has returned, or will never begin."""
        self.serving.running.discard(stream)
        self.address.calls -= 1
        self._calls -= 1
        stream.running = False
