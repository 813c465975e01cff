"""grpclib's server, with an end that lets calls in flight finish."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import weakref
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.exceptions import GRPCError
from grpclib.protocol import H2Protocol
from grpclib.server import Server as GrpclibServer
from grpclib.server import Stream

from stigmer.transport.framing import BytesCodec

if TYPE_CHECKING:
    from grpclib._typing import IServable

_WINDOW = 4 * 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What a peer can make the server do at most.

    Attributes:
        max_message_bytes: largest message in and out.
    """

    max_message_bytes: int = 10 * 1024 * 1024


class Server(GrpclibServer):
    """Serves grpclib handlers whose unary functions take and give bytes, or google.protobuf messages."""

    def __init__(self, handlers: Collection[IServable]) -> None:
        super().__init__(
            handlers,
            codec=BytesCodec(),
            status_details_codec=ProtoStatusDetailsCodec(),
            config=Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW),
        )
        self._draining = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._connections: weakref.WeakSet[H2Protocol] = weakref.WeakSet()
        self._mapping = {path: self._counted(handler) for path, handler in self._mapping.items()}

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
        self.close()
        if unfinished:
            await asyncio.wait(unfinished)
        for protocol in list(self._connections):
            protocol.connection.close()
        await self.wait_closed()
        return not unfinished

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._connections.add(protocol)
        return protocol

    def _counted(self, handler: Handler) -> Handler:
        """``handler`` so that ``drain`` knows of its calls; streams may live for ever and are not waited for."""
        if handler.cardinality is not Cardinality.UNARY_UNARY:
            return handler
        call: Callable[[Stream[Any, Any]], Awaitable[None]] = handler.func

        async def counted(stream: Stream[Any, Any]) -> None:
            if self._draining:
                raise GRPCError(Status.UNAVAILABLE, "the server is stopping")
            # The task, not this function, is what sends the trailers in the end.
            task = asyncio.current_task()
            if task is not None:
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            await call(stream)

        return handler._replace(func=counted)
