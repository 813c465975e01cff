"""grpclib's ``Server``, on our own connections: limits on everything, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import logging
import ssl as _ssl
import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from grpclib.encoding.base import CodecBase, StatusDetailsCodecBase
from grpclib.server import Server as GrpclibServer

from stigmer.transport.admission import Admission
from stigmer.transport.connection import Connection
from stigmer.transport.door import Door
from stigmer.transport.engine import load
from stigmer.transport.limits import Limits
from stigmer.transport.memory import Memory
from stigmer.transport.refusal import Describe, plainly
from stigmer.transport.route import refuse_repetition, routes
from stigmer.transport.serving import Serving
from stigmer.transport.statistics import Statistics
from stigmer.transport.stream import CUT_OFF, STOPPING, Stream

if TYPE_CHECKING:
    from grpclib._typing import IServable

_log = logging.getLogger("stigmer.transport")

_TICK = 1.0
_NOTICE_SECONDS = 0.1
"""How long after the first GOAWAY calls that were on their way are still taken: a round trip, generously."""
_PARTING_SECONDS = 1.0
"""How long clients have to leave once they have all their answers, and handlers to end once they were cancelled."""
_POLL_SECONDS = 0.01
_BACKLOG = 1024


class Server(GrpclibServer):
    """Serves grpclib handlers.

    Attributes:
        serving: what all connections share.
        connections: that are open.
        doors: where clients shake hands.
        admission: who may connect.
        make_engine: makes the engine of a connection.
    """

    def __init__(
        self,
        handlers: Collection[IServable],
        *,
        codec: CodecBase | None = None,
        status_details_codec: StatusDetailsCodecBase | None = None,
        limits: Limits | None = None,
        engine: str | None = None,
        describe: Describe = plainly,
    ) -> None:
        """Makes a server that does not listen yet.

        Args:
            handlers: as for grpclib.
            codec: of the messages; grpclib's for google.protobuf when left out.
            status_details_codec: of the details of statuses.
            limits: on everything; sound ones when left out.
            engine: ``ngh2`` or ``h2``; the faster one that can be imported when left out.
            describe: makes the error of what the transport itself refuses, for instance with details.

        Raises:
            ValueError: two handlers answer the same path, or there is no such engine.
        """
        refuse_repetition(handlers)
        super().__init__(handlers, codec=codec, status_details_codec=status_details_codec)
        self.make_engine = load(engine)
        self.connections: set[Connection] = set()
        self.doors: set[Door] = set()
        running: set[Stream] = set()
        self.serving = Serving(
            routes(self._mapping, self._codec),
            self._codec,
            self._status_details_codec,
            limits or Limits(),
            Statistics(self.connections, running),
            describe,
            running,
        )
        self.admission = Admission(self.serving.limits, self.serving.statistics)
        self._memory = Memory()
        self._listeners: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None
        self._draining: asyncio.Task[bool] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the server runs on."""
        return self._loop

    @property
    def statistics(self) -> Statistics:
        """What is counted."""
        return self.serving.statistics

    @property
    def addresses(self) -> list[str]:
        """``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:PATH`` of each socket that is listened on, in the order of ``start``."""
        return [_address(each.getsockname()) for listener in self._listeners for each in listener.sockets]

    def _protocol_factory(self, ssl: _ssl.SSLContext | None = None) -> Connection | Door:  # type: ignore[override]
        self._note_listeners()
        return Connection(self) if ssl is None else Door(self, ssl)

    def _note_listeners(self) -> None:
        """Has events dispatched once somebody listens: who does so before the start misses none, later it takes a tick."""
        if any(self.__dispatch__._listeners.values()):  # noqa: SLF001 - a test guards the name
            self.serving.events = self.__dispatch__

    async def start(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        path: str | None = None,
        ssl: _ssl.SSLContext | None = None,
        backlog: int = _BACKLOG,
        **options: Any,
    ) -> None:
        """Listens. May be called again, to listen in several places.

        Args:
            host: address or name; None for all addresses.
            port: number; 0 takes a free one.
            path: of a unix socket, instead of host and port.
            ssl: speak TLS like this.
            backlog: connections that may wait to be accepted.
            options: others of ``loop.create_server``, or for a path of ``loop.create_unix_server``, such as ``sock``.

        Raises:
            OSError: the address cannot be listened on.
            RuntimeError: the server was closed.
            ValueError: there is a path beside a host or a port.
        """
        if self.serving.stopping:
            raise RuntimeError("the server was closed")
        if path is not None and (host is not None or port is not None):
            raise ValueError("a path goes with neither host nor port")
        factory = partial(self._protocol_factory, ssl)
        if path is None:
            listener = await self._loop.create_server(factory, host, port, backlog=backlog, **options)
        else:
            listener = await self._loop.create_unix_server(factory, path, backlog=backlog, **options)
        self._server = listener
        self._listeners.append(listener)
        if self._ticking is None:
            self._server_closed_fut = self._loop.create_future()
            self._tick()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(_TICK, self._tick)
        self._note_listeners()
        now = time.monotonic()
        for connection in list(self.connections):
            try:
                connection.tick(now)
            except Exception:  # noqa: BLE001 - the others are looked after all the same
                _log.exception("a connection could not be looked after")
        self.admission.prune()
        self._memory.tick(busy=self.statistics.request_bytes > 0 or self.statistics.answer_bytes > 0)

    async def drain(self, grace: float) -> bool:
        """Stops listening, tells clients to go, and waits for their unary calls; then ends what is left.

        Calls that were on their way when the client was told are served. A second GOAWAY then says which were the last.
        Streaming calls, which may live for ever, are cut off with UNAVAILABLE once no unary call is left.

        Args:
            grace: seconds that unary calls have.

        Returns:
            Whether all unary calls finished in time. Who drains a server that drains hears what comes of it.
        """
        if not self._listeners:
            return True
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(grace))
        return await asyncio.shield(self._draining)

    async def _drain(self, grace: float) -> bool:
        deadline = time.monotonic() + grace
        self._stop_listening()
        for connection in list(self.connections):
            connection.notice()
        if any(connection.streams for connection in self.connections):
            await asyncio.sleep(min(_NOTICE_SECONDS, grace))
        for connection in list(self.connections):
            connection.leave()
        await self._until(self._no_unary_call, deadline)
        finished = self._no_unary_call()
        self._cut_off_all()
        await self._until(self._nobody, time.monotonic() + _PARTING_SECONDS)
        self.close()
        await self._part()
        return finished

    def _cut_off_all(self) -> None:
        for connection in list(self.connections):
            for stream in list(connection.streams.values()):
                stream.cut_off(CUT_OFF if stream.running else STOPPING)

    def _stop_listening(self) -> None:
        self.serving.stopping = True
        for listener in self._listeners:
            listener.close()
        for door in list(self.doors):
            door.close()

    async def _until(self, condition: Any, deadline: float) -> None:
        """Polls: the moment when the last of thousands of calls ends is not worth an event for each of them."""
        while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_POLL_SECONDS)

    def _no_unary_call(self) -> bool:
        return not any(stream.route.unary for connection in self.connections for stream in connection.streams.values())

    def _nobody(self) -> bool:
        return not (self.connections or self.doors or self.statistics.calls)

    def close(self) -> None:
        """Stops listening and ends all connections; handlers that run are cancelled.

        Raises:
            RuntimeError: the server was not started.
        """
        if not self._listeners:
            raise RuntimeError("Server is not started")
        self._stop_listening()
        if self._server_closed_fut is not None and not self._server_closed_fut.done():
            self._server_closed_fut.set_result(None)
        self._cut_off_all()
        for connection in list(self.connections):
            connection.close()
        for stream in list(self.serving.running):
            stream.stop()
        if self._ticking is not None:
            self._ticking.cancel()

    async def wait_closed(self) -> None:
        """Waits until the server was closed, and all handlers have returned.

        Raises:
            RuntimeError: the server was not started.
        """
        if self._server_closed_fut is None:
            raise RuntimeError("Server is not started")
        await self._server_closed_fut
        for listener in self._listeners:
            await listener.wait_closed()
        await self._part()
        await self._until(self._nobody, float("inf"))

    async def _part(self) -> None:
        """Gives clients a moment to take their last bytes; who does not read at all would be waited for without end."""
        await self._until(self._nobody, time.monotonic() + _PARTING_SECONDS)
        for connection in list(self.connections):
            connection.abort()


def _address(name: Any) -> str:
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"unix:{name.decode() if isinstance(name, bytes) else name}"
