"""A connection: from the moment a client is let in until all that it had is given back."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

from stigmer.transport.calls import Calls
from stigmer.transport.engine import ENHANCE_YOUR_CALM, NO_ENGINE, NO_ERROR
from stigmer.transport.greeting import Greeting, greeting_of
from stigmer.transport.heavy import MUCH
from stigmer.transport.lifetime import AGE, IDLE, KEEPALIVE, PREFACE, STALL, Lifetime
from stigmer.transport.statistics import NOT_HTTP2, WINDOW

if TYPE_CHECKING:
    from stigmer.transport.server import Server

_LAST_WORD_SECONDS = 0.5
_TURN_SECONDS = 0.0005
"""What has come on one connection is read for so long before others have their turn."""


class Connection(Calls):
    """One connection of a server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._admitted = False
        self._greeting = b""
        self._backlog = bytearray()
        self._said_goaway = False
        self._last_word: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Lets the client in, or not."""
        if not self.lets_in(transport.get_extra_info("peername")):
            transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self.serving.statistics.reached(NOT_HTTP2, self.address.key)
            transport.abort()
            return
        limits = self.serving.limits
        self.lifetime = Lifetime(limits, time.monotonic())
        self.engine = self._server.make_engine(self, limits)
        self._server.connections.add(self)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open(transport)

    def lets_in(self, peername: object) -> bool:
        """Whether the client may connect; it is counted once, however often this is asked."""
        if not self._admitted:
            self.address, reached = self._server.admission.enter(peername)
            if reached is not None:
                self.serving.statistics.reached(reached, self.address.key)
            self._admitted = reached is None
        return self._admitted and not self.serving.stopping

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 - why does not matter
        """Gives back all that the connection had."""
        self.over = True
        self._drop()
        self._wake()
        # Else the connection and its engine would keep each other alive until the garbage collector finds them.
        self.engine = NO_ENGINE
        self._peer = None
        self._server.connections.discard(self)
        if self._admitted:
            self._admitted = False
            self._server.admission.leave(self.address)

    def data_received(self, data: bytes) -> None:
        """Reads, starts the calls that are complete, and answers what needs no handler."""
        if self.over or self._ending:
            return
        self._received_bytes += len(data)
        heavy, size = self.serving.heavy, len(data)
        if size <= self.engine.turn and not self._backlog and (size < MUCH or heavy.take(self.loop)):
            self._feed(data)
            return
        waiting = bool(self._backlog)
        self._backlog += data
        if waiting:
            return
        if size < MUCH or heavy.take(self.loop):
            self.read_on()
        else:
            self._transport.pause_reading()
            heavy.wait(self, self.loop)

    def _feed(self, data: bytes) -> None:
        lifetime = self.lifetime
        lifetime.heard = time.monotonic()
        if not lifetime.greeted:
            data = self._greeted(data)
        self.engine.receive(data)
        if self._ready and not self._start_is_due:
            self._start()
        self.want_flush()

    def read_on(self) -> None:
        """Reads a part of much that has come at once; others have their turn before the next.

        How long bytes take is not for their number to say: a few of them can move the windows of a hundred streams.
        """
        until = time.perf_counter() + _TURN_SECONDS
        while self._backlog and not (self.over or self._ending):
            part = bytes(self._backlog[: self.engine.turn])
            del self._backlog[: self.engine.turn]
            self._feed(part)
            if time.perf_counter() > until:
                break
        if self.over or self._ending:
            self._backlog.clear()
        elif self._backlog:
            self._transport.pause_reading()
            self.serving.heavy.wait(self, self.loop)
        else:
            self._transport.resume_reading()

    def _greeted(self, data: bytes) -> bytes:
        """The bytes for the engine, once they are known to be HTTP/2; others are answered in their own words."""
        self._greeting += data
        kind = greeting_of(self._greeting)
        if kind is Greeting.HTTP2:
            self.lifetime.greeted = True
            greeting, self._greeting = self._greeting, b""
            return greeting
        if kind is not Greeting.PARTIAL:
            self.serving.statistics.reached(NOT_HTTP2, self.address.key)
            self._transport.write(kind.value)
            self.engine = NO_ENGINE  # its SETTINGS mean nothing to such a client
            self._end()
        return b""

    def _drop(self) -> None:
        """Lets go of all calls."""
        streams, self.streams = self.streams, {}
        if streams:
            self.address.streams -= len(streams)
        for stream in streams.values():
            stream.close(complete=False)
        self._ready.clear()

    def _end(self) -> None:
        super()._end()
        self._drop()

    def flush(self) -> None:
        """See ``Output``; a client that leaves has no more calls, or it would be waited for."""
        super().flush()
        if self._leaving and not (self.streams or self.over or self._paused):
            if self._drops_on_goaway and not self._said_goaway:
                self._say_goaway_later()
            else:
                self._hang_up()

    def _say_goaway_later(self) -> None:
        """Leaves a client time to take its last answer in: read together with GOAWAY, it would be dropped as well."""
        if self._last_word is None:
            self._last_word = self.loop.call_later(_LAST_WORD_SECONDS, self._part)

    def _part(self) -> None:
        self._last_word = None
        if not (self.streams or self.over):
            self._hang_up()

    def _hang_up(self) -> None:
        self._say_goaway()
        self._end()

    def kill(self, code: int, name: str) -> None:
        """Ends the connection for the limit ``name``: GOAWAY, and nothing more."""
        if self.over:
            return
        self.serving.statistics.reached(name, self.address.key)
        self.engine.goaway(code)
        self._ending = True
        self.want_flush()
        if self._paused:
            self._end()

    def notice(self) -> None:
        """Tells the client that it should go; calls that it still opens are served."""
        if not self._drops_on_goaway:
            self.engine.notice()
            self.want_flush()

    def leave(self) -> None:
        """Tells the client to go; the connection closes when its calls are over."""
        if self.over or self._leaving:
            return
        self._leaving = True
        if not self._drops_on_goaway:
            self._say_goaway()
        self.want_flush()

    def _say_goaway(self) -> None:
        if not self._said_goaway:
            self._said_goaway = True
            self.engine.goaway()

    def close(self) -> None:
        """Ends the connection now, with what can be written at once."""
        if not self.over:
            self._hang_up()
        self._transport.close()

    def tick(self, now: float) -> None:
        """Looks after the times of the connection and its calls; about once a second."""
        if self.over:
            self.abort_if_stuck(now)
            return
        for stream in list(self.streams.values()):
            stream.watch(now)
        if self.engine.heal():
            self.serving.statistics.reached(WINDOW, self.address.key)
            self.want_flush()
        waiting = self._waiting_bytes()
        reached = self.lifetime.verdict(
            now,
            streams=len(self.streams),
            waiting=waiting,
            taken=self.answered_bytes - waiting,
            leaving=self._leaving,
        )
        if reached == KEEPALIVE:
            self.engine.ping()
            self.want_flush()
        elif reached in {IDLE, AGE}:
            self.serving.statistics.reached(reached, self.address.key)
            self.leave()
        elif reached is not None:
            self.kill(ENHANCE_YOUR_CALM if reached in {PREFACE, STALL} else NO_ERROR, reached)
