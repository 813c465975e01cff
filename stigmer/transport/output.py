"""The half of a connection that writes: once for all that was done in a turn of the loop, and not faster than is read."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from stigmer.transport.engine import NO_ERROR, Engine

_HIGH_WATER = 256 * 1024
"""Bytes that the socket's buffer may hold before nothing more is taken from the engine."""
_CHUNK = 128 * 1024
_PARTING_SECONDS = 5.0
"""How long the last bytes of a connection may take."""
_LISTENING_SECONDS = 1.0
"""How long a client has to hang up once it has them. To close before with a byte of it unread would reset the connection, and
with it what the client has not read yet."""


class Output(asyncio.Protocol):
    """Takes from the engine and writes to the socket.

    Attributes:
        loop: that runs the connection.
        engine: speaks HTTP/2.
        over: nothing more is read; what is written goes out yet.
        answered_bytes: of messages that the engine was given, ever.
    """

    loop: asyncio.AbstractEventLoop
    engine: Engine

    def __init__(self) -> None:
        self.over = True
        self.answered_bytes = 0
        self._transport: Any = None
        self._flush_is_due = False
        self._paused = False
        self._ending = False
        self._over_since = 0.0
        self._lingering: set[int] = set()
        self._flushed: asyncio.Future[None] | None = None

    def _open(self, transport: Any) -> None:
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._transport = transport
        self.over = False

    def pause_writing(self) -> None:
        """The client reads too slowly: what is to come waits in the engine, where it is counted."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        self.flush()

    def want_flush(self) -> None:
        """Writes what there is, at the end of this turn of the loop."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self.flush)

    @property
    def is_ending(self) -> bool:
        """Whether the engine takes nothing more."""
        return self._ending

    async def flushed(self) -> None:
        """Waits until something was written, or cannot be any more."""
        if self._flushed is None:
            self._flushed = self.loop.create_future()
        await asyncio.shield(self._flushed)

    def linger(self, stream_id: int) -> None:
        """Tells the client to stop sending what is answered already, once the answer is out: a reset would overtake it."""
        self._lingering.add(stream_id)

    def reset(self, stream_id: int, code: int) -> None:
        """Gives a stream up."""
        self.engine.reset(stream_id, code)
        self.want_flush()

    def flush(self) -> None:
        """Writes what there is, unless the client is behind."""
        self._flush_is_due = False
        if self._paused and self._ending:
            self._end()
        if self.over or self._paused:
            return
        self._write()
        if self._lingering and not self._paused:
            self._stop_senders()
        self._wake()
        if self._ending:
            self._end()

    def _write(self) -> None:
        engine, transport = self.engine, self._transport
        while True:
            # All at once where it is little, which saves a copy; else no more than the socket takes.
            bulky = engine.queued_in_all() > _CHUNK
            output = engine.take(_CHUNK) if bulky else engine.take()
            if output:
                transport.write(output)
            if not (bulky and output) or self._paused:
                return

    def _stop_senders(self) -> None:
        for stream_id in [each for each in self._lingering if not self.engine.queued(each)]:
            self._lingering.discard(stream_id)
            self.engine.reset(stream_id, NO_ERROR)
        self._write()

    def _waiting_bytes(self) -> int:
        """Of messages that the engine was given: those that the client has not taken, as far as one can see from here."""
        buffered: int = self._transport.get_write_buffer_size()
        return self.engine.queued_in_all() + buffered

    def _wake(self) -> None:
        flushed, self._flushed = self._flushed, None
        if flushed is not None:
            flushed.set_result(None)

    def _end(self) -> None:
        """Writes the last bytes and closes; at once when the client does not read."""
        if self.over:
            return
        output = self.engine.take(_CHUNK) + self.engine.parting()
        self.over = True
        self._over_since = time.monotonic()
        if self._paused:
            self._transport.abort()
        else:
            if output:
                self._transport.write(output)
            self._hang_up_first()
        self._wake()

    def _hang_up_first(self) -> None:
        try:
            if self._transport.can_write_eof():
                self._transport.write_eof()
                return
        except OSError:  # the client was first
            pass
        self._transport.close()

    def abort(self) -> None:
        """Ends the connection without another byte."""
        self._transport.abort()

    def abort_if_stuck(self, now: float) -> None:
        """Gives up on a client that does not read the last bytes, or does not hang up."""
        patience = _PARTING_SECONDS if self._transport.get_write_buffer_size() else _LISTENING_SECONDS
        if now - self._over_since > patience:
            self._transport.abort()
