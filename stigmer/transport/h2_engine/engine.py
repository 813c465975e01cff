"""The half that writes, and the engine itself: answers in, bytes out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from stigmer.transport.engine import INTERNAL_ERROR, LAST_STREAM, NO_ERROR, Headers, Sink, goaway_frame
from stigmer.transport.h2_engine.closed import Closing
from stigmer.transport.h2_engine.inbound import Inbound
from stigmer.transport.h2_engine.outbox import Exchange
from stigmer.transport.limits import Limits

_TURN = 1024
"""Bytes that are read at once: of the smallest frames as many as half a millisecond has room for."""
_LARGEST_BLOCK = 64 * 1024
"""Of headers or trailers that we send."""

_log = logging.getLogger("stigmer.transport")


class H2Engine(Inbound):
    """Speaks HTTP/2 through ``h2``. This half writes; no answer is encoded before ``take``, so none waits outside of it."""

    __slots__ = ("_taking",)

    def __init__(self, sink: Sink, limits: Limits) -> None:
        super().__init__(sink, limits)
        self._taking = False

    @property
    def turn(self) -> int:
        """See ``Engine``: a few small frames, or what a large one lacks, which costs no more in one piece than in sixteen."""
        return max(_TURN, self._cutter.missing)

    def take(self, amount: int | None = None) -> bytes:
        """See ``Engine``."""
        if self._taking:  # by the sink, while it is told: its bytes would get ahead of those that are being taken
            return b""
        self._taking = True
        output = b""
        try:
            done = self._outbox.write(sys.maxsize if amount is None else amount)
            output = self._session.take()
            self._floods.written()
            self._tell(done)
        except Exception:  # noqa: BLE001 - whatever h2 raises, it ends no more than this connection
            _log.exception("writing HTTP/2 has failed")
            self._end(INTERNAL_ERROR)
            output += self._session.take()
        finally:
            self._taking = False
        return output

    def _tell(self, done: list[Exchange]) -> None:
        """Tells the sink of streams that are gone now that their last frame is."""
        for exchange in done:
            exchange.said = True
            self._close_if_over(exchange)
        resets, self._untold = self._untold, []
        for stream_id, code in resets:
            if not self._ended:
                self._sink.on_closed(stream_id, code)

    def parting(self) -> bytes:
        """Nothing: ``take`` gives the GOAWAY."""
        return b""

    def respond(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]], *, end: bool = False) -> bool:
        """See ``Engine``."""
        exchange = self._open.get(stream_id)
        if exchange is None or exchange.opened:
            return False
        head = self._fitting(stream_id, headers)
        if head is None:
            return False
        self._outbox.open(exchange, head, end=end)
        return True

    def send(self, stream_id: int, data: bytes) -> bool:
        """See ``Engine``."""
        exchange = self._answered(stream_id)
        if exchange is None:
            return False
        self._outbox.add(exchange, data)
        return True

    def trailers(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """See ``Engine``."""
        exchange = self._answered(stream_id)
        tail = None if exchange is None else self._fitting(stream_id, headers)
        if exchange is None or tail is None:
            return False
        self._outbox.seal(exchange, tail)
        return True

    def _answered(self, stream_id: int) -> Exchange | None:
        """The exchange, if its answer was opened and is not complete."""
        exchange = self._open.get(stream_id)
        return None if exchange is None or not exchange.opened or exchange.sealed else exchange

    def _fitting(self, stream_id: int, headers: Iterable[tuple[bytes, bytes]]) -> Headers | None:
        """The headers, or None when they are too large for any client: then the stream is reset."""
        block = tuple(headers)
        if sum(len(name) + len(value) for name, value in block) <= _LARGEST_BLOCK:
            return block
        self.reset(stream_id, INTERNAL_ERROR)
        return None

    def reset(self, stream_id: int, code: int) -> None:
        """See ``Engine``."""
        exchange = self._open.pop(stream_id, None)
        if exchange is not None:
            self._outbox.drop(exchange)
            self._session.reset(stream_id, code)
            self._closed.add(stream_id, Closing.BY_US)
            self._untold.append((stream_id, code))

    def credit(self, stream_id: int, amount: int) -> None:
        """See ``Engine``."""
        if amount > 0 and stream_id % 2 and stream_id <= self._last and not self._ended:
            self._session.credit(stream_id, amount)

    def queued(self, stream_id: int) -> int:
        """See ``Engine``."""
        exchange = self._open.get(stream_id)
        return 0 if exchange is None else len(exchange.body)

    def queued_in_all(self) -> int:
        """See ``Engine``."""
        return self._outbox.size

    def heal(self) -> int:
        """Nothing is lost: what a reset cuts off is credited at once."""
        return 0

    def ping(self) -> None:
        """See ``Engine``."""
        if not self._ended:
            self._session.ping()

    def notice(self) -> None:
        """See ``Engine``."""
        if not (self._leaving or self._ended):
            self._session.write(goaway_frame(LAST_STREAM, NO_ERROR))

    def goaway(self, code: int = NO_ERROR) -> None:
        """See ``Engine``."""
        if not self._ended:
            self._leaving = True
            self._session.write(goaway_frame(self._last, code))
