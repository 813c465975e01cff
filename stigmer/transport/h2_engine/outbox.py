"""The answers that wait for flow control, and for the socket."""

from __future__ import annotations

from typing import Protocol

from stigmer.transport.engine import Headers

_QUANTUM = 64 * 1024
"""What a stream may send before others have their turn."""


class Exchange:
    """A request and its answer.

    Attributes:
        stream_id: of both.
        heard: the client has sent all of the request.
        left: bytes of the request that are still to come by its content-length; None when it gave none.
        head: of the answer, if it waits.
        body: of the answer, as far as it waits.
        tail: the trailers, if they wait.
        opened: the head was given.
        sealed: nothing can be added to the answer.
        said: all of the answer is out.
    """

    __slots__ = ("body", "head", "heard", "left", "opened", "said", "sealed", "stream_id", "tail")

    def __init__(self, stream_id: int, left: int | None, *, heard: bool) -> None:
        self.stream_id = stream_id
        self.heard = heard
        self.left = left
        self.head: Headers | None = None
        self.body = bytearray()
        self.tail: Headers | None = None
        self.opened = self.sealed = self.said = False

    def cut(self, size: int) -> bytes:
        """The next ``size`` bytes of the answer."""
        with memoryview(self.body) as view, view[:size] as part:
            data = bytes(part)
        del self.body[:size]
        return data


class Wire(Protocol):
    """What writes frames."""

    def headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        """Writes a header block."""

    def data(self, stream_id: int, data: bytes) -> None:
        """Writes one DATA frame."""

    def room(self, stream_id: int) -> int:
        """The bytes that the next DATA frame may have."""


class Outbox:
    """Writes the answers of all streams in turn, each as far as the client lets it.

    Attributes:
        size: bytes of all bodies that wait.
    """

    __slots__ = ("_parked", "_ready", "_wire", "size")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ready: dict[int, Exchange] = {}
        self._parked: dict[int, Exchange] = {}
        self.size = 0

    def open(self, exchange: Exchange, head: Headers, *, end: bool) -> None:
        """Queues the head of an answer, which is all of it if ``end``."""
        exchange.head = head
        exchange.opened = True
        exchange.sealed = end
        self._ready[exchange.stream_id] = exchange

    def add(self, exchange: Exchange, data: bytes) -> None:
        """Queues bytes of the body."""
        exchange.body += data
        self.size += len(data)
        self._wake(exchange)

    def seal(self, exchange: Exchange, tail: Headers) -> None:
        """Queues the trailers."""
        exchange.tail = tail
        exchange.sealed = True
        self._wake(exchange)

    def drop(self, exchange: Exchange) -> None:
        """Forgets what waits."""
        self.size -= len(exchange.body)
        exchange.body.clear()
        self._ready.pop(exchange.stream_id, None)
        self._parked.pop(exchange.stream_id, None)

    def unpark(self, exchange: Exchange | None = None) -> None:
        """The client takes more: of this stream, or maybe of all."""
        if exchange is None:
            self._ready.update(self._parked)
            self._parked.clear()
        elif self._parked.pop(exchange.stream_id, None) is not None:
            self._ready[exchange.stream_id] = exchange

    def write(self, budget: int) -> list[Exchange]:
        """Writes all heads and trailers that can be, and about ``budget`` bytes of bodies.

        Heads and trailers are not held back: an answer without waiting bytes is out entirely.

        Returns:
            Those whose answer is out.
        """
        ready, done = self._ready, []
        waiting: dict[int, Exchange] = {}
        served: dict[int, Exchange] = {}
        while ready:
            exchange = ready.pop(next(iter(ready)))
            stream_id = exchange.stream_id
            written = self._write_one(exchange, budget)
            budget -= written
            if not exchange.body:
                done += [exchange] if exchange.sealed else []
            elif budget > 0:
                (ready if written else self._parked)[stream_id] = exchange
            else:  # those that had nothing this time come first the next
                (served if written else waiting)[stream_id] = exchange
        ready.update(waiting | served)
        return done

    def _write_one(self, exchange: Exchange, budget: int) -> int:
        stream_id, written = exchange.stream_id, 0
        if exchange.head is not None:
            head, exchange.head = exchange.head, None
            self._wire.headers(stream_id, head, end=exchange.sealed and exchange.tail is None)
        if exchange.body and budget > 0:
            written = min(len(exchange.body), self._wire.room(stream_id), _QUANTUM)
            if written > 0:
                self._wire.data(stream_id, exchange.cut(written))
                self.size -= written
        if not exchange.body and exchange.tail is not None:
            self._wire.headers(stream_id, exchange.tail, end=True)
        return max(written, 0)

    def _wake(self, exchange: Exchange) -> None:
        if exchange.stream_id not in self._parked:
            self._ready[exchange.stream_id] = exchange
