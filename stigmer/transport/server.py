"""grpclib's server, with an end that lets calls in flight finish."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import weakref
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.exceptions import GRPCError
from grpclib.metadata import decode_timeout
from grpclib.protocol import H2Protocol
from grpclib.server import Server as GrpclibServer
from grpclib.server import Stream
from hyperframe.frame import GoAwayFrame

from stigmer.transport.framing import BytesCodec, bounded

if TYPE_CHECKING:
    from grpclib._typing import IServable

_WINDOW = 4 * 1024 * 1024
_GOODBYE = GoAwayFrame(stream_id=0, last_stream_id=2**31 - 1, error_code=0).serialize()
_SHORTEST_SECONDS = 0.001
_PARTING_SECONDS = 1.0
"""How long clients have to leave once they were told to and have all their answers."""


Headers = list[tuple[str, str]]


def _stopping() -> GRPCError:
    return GRPCError(Status.UNAVAILABLE, "the server is stopping")


class Server(GrpclibServer):
    """Serves grpclib handlers.

    Args:
        handlers: of the API; their functions read with ``receive_unary`` and send bytes. Their calls are let finish.
        companions: of health, reflection and the like, which speak google.protobuf messages; they are served to the end.
        limit: largest message that companions are sent, in bytes.
        stopping: makes what calls are answered that the server no longer begins, or cuts off, when it stops.
    """

    def __init__(
        self,
        handlers: Collection[IServable],
        companions: Collection[IServable] = (),
        *,
        limit: int = 4 * 1024 * 1024,
        stopping: Callable[[], GRPCError] = _stopping,
    ) -> None:
        codec = BytesCodec()
        super().__init__(
            [*handlers, *companions],
            codec=codec,
            status_details_codec=ProtoStatusDetailsCodec(),
            config=Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW),
        )
        self._draining = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._connections: weakref.WeakKeyDictionary[H2Protocol, asyncio.Future[None]] = weakref.WeakKeyDictionary()
        self._stopping = stopping
        aside = {path for companion in companions for path in companion.__mapping__()}
        self._mapping = {
            path: bounded(handler, codec, limit) if path in aside else self._counted(handler)
            for path, handler in self._mapping.items()
        }

    @property
    def address(self) -> str:
        """HOST:PORT that the server listens on; with port 0, the port that it was given."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        sockets: Sequence[socket.socket] = getattr(self._server, "sockets", ())
        host, port = sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def drain(self, grace: float) -> bool:
        """Stops listening, lets unary calls in flight finish for at most ``grace`` seconds, then cancels what is left.

        New calls on connections that are open are refused with UNAVAILABLE, which clients take as a reason to go elsewhere.

        Returns:
            Whether all calls finished in time.
        """
        if self._server is None:
            return True
        self._draining = True
        self._server.close()
        unfinished: set[asyncio.Task[Any]] = set()
        if self._calls:
            _, unfinished = await asyncio.wait(set(self._calls), timeout=grace)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=_PARTING_SECONDS)
        await self._part()
        self.close()
        for protocol in list(self._connections):
            if hasattr(protocol, "connection"):  # not yet, if it was accepted a moment ago
                protocol.connection.close()
        with contextlib.suppress(TimeoutError):  # a call that swallows its cancellation must not hold up the end
            await asyncio.wait_for(self.wait_closed(), _PARTING_SECONDS)
        return not unfinished

    async def _part(self) -> None:
        """Tells clients to go, and reads on until they have.

        To close with a request unread would reset the connection, and with it answers that are still on their way. Not told
        before: some clients, grpclib's among them, drop their calls in flight when they hear it.
        """
        leaving = []
        for protocol, gone in list(self._connections.items()):
            # h2 itself would take no frame after this one. A connection that is about to be lost has no transport any more.
            transport = getattr(getattr(protocol, "connection", None), "_transport", None)
            if transport is not None and not gone.done():
                transport.write(_GOODBYE)
                leaving.append(gone)
        if leaving:
            await asyncio.wait(leaving, timeout=_PARTING_SECONDS)

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lost, accept = protocol.connection_lost, protocol.handler.accept

        def connection_lost(exc: BaseException | None) -> None:
            lost(exc)
            gone.set_result(None)

        def accept_in_time(stream: Any, headers: Headers, release_stream: Callable[[], Any]) -> None:
            accept(stream, _in_time(headers), release_stream)

        protocol.connection_lost = connection_lost  # type: ignore[method-assign]
        protocol.handler.accept = accept_in_time  # type: ignore[method-assign]
        self._connections[protocol] = gone
        return protocol

    def _counted(self, handler: Handler) -> Handler:
        """``handler`` so that ``drain`` knows of its calls; streams may live for ever and are not waited for."""
        if handler.cardinality is not Cardinality.UNARY_UNARY:
            return handler
        call: Callable[[Stream[Any, Any]], Awaitable[None]] = handler.func

        async def counted(stream: Stream[Any, Any]) -> None:
            if self._draining:
                raise self._stopping()
            # The task, not this function, is what sends the trailers in the end.
            task = asyncio.current_task()
            if task is not None:
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            try:
                await call(stream)
            except asyncio.CancelledError:
                if self._draining:
                    raise self._stopping() from None
                raise

        return handler._replace(func=counted)


def _in_time(headers: Headers) -> Headers:
    """``headers`` with a millisecond for a call whose time is all but over.

    A call that has none left when it is taken up grpclib answers UNKNOWN, with a traceback in the log; one whose time ends
    later, DEADLINE_EXCEEDED.
    """
    return [(name, "1m" if name == "grpc-timeout" and _is_over(value) else value) for name, value in headers]


def _is_over(timeout: str) -> bool:
    try:
        return decode_timeout(timeout) < _SHORTEST_SECONDS
    except ValueError:  # which grpclib answers
        return False
