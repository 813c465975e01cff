"""Calls to a gRPC server: bytes in, bytes out. On libnghttp2 where it can be imported, else through grpclib.

Plugins that call other gRPC servers use it too.
"""

from __future__ import annotations

import asyncio
import ssl as _ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from grpclib.client import Channel
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from h2.exceptions import H2Error

from stigmer.addresses import host_and_port, unix_path
from stigmer.client.channel import PartingChannel, Wire
from stigmer.client.exchange import COMPRESSED
from stigmer.client.metadata import NOTHING, Metadata
from stigmer.client.unanswered import NotProcessed, Refused, Unused

_WAITING = 16
"""So many messages of a stream wait for somebody who takes them, where grpclib's flow control knows only of bytes."""

try:
    from stigmer.client.lines import Lines
except ImportError:  # not every platform has ngh2
    Lines = None  # type: ignore[assignment, misc]

__all__ = ["Calls", "ChannelCalls", "GRPCError", "NotProcessed", "Refused", "StreamTerminatedError", "Unused", "calls_to"]


class Calls(Protocol):
    """Calls one server over connections that are made at the first call, and made anew when they are lost.

    On GOAWAY the calls that the server still answers go on, those that it will not fail with ``NotProcessed``, and new ones
    are made on a new connection. A call that the server refuses for want of room fails with ``Refused``, one that was never
    sent with ``Unused``. Nothing is sent to a server that has not spoken yet: if it closes, it has begun with nothing.
    """

    async def messages(self, path: str, request: bytes, deadline: float | None, metadata: Metadata = NOTHING) -> list[bytes]:
        """All messages of the answer. A call whose caller is cancelled is cancelled on the server too.

        Args:
            path: full name of the rpc, such as ``/package.Service/Method``.
            request: the encoded request message, the only one.
            deadline: that the server is told, on ``time.monotonic``. Who calls sees to it that it is kept here.
            metadata: sent with this call, beside that of all calls.

        Raises:
            GRPCError: the server answered with a status.
            OSError: there is no connection: nothing was sent.
            NotProcessed: the server has not begun with the call.
            StreamTerminatedError: the connection broke, or the server reset the stream.
        """

    def stream(self, path: str, request: bytes, metadata: Metadata = NOTHING) -> AsyncGenerator[bytes, None]:
        """The messages of the answer as they come; the server waits while nobody takes them. Closing it cancels the call.

        Raises:
            GRPCError: the server ended the call with a status.
            OSError: there is no connection: nothing was sent.
            NotProcessed: the server has not begun with the call.
            StreamTerminatedError: the connection broke, or the server reset the stream.
        """

    def close(self) -> None:
        """Closes the connections. Calls in flight fail."""

    def leave_silent(self, since: float) -> None:
        """Begins no call any more where nothing was heard since then, on ``time.monotonic``: perhaps nothing ever will be."""

    def leave_older(self, than: float) -> None:
        """Begins no call any more on a connection that was made before then, on ``time.monotonic``."""


def calls_to(address: str, *, metadata: Mapping[str, str | bytes] | None = None, ssl: _ssl.SSLContext | None = None) -> Calls:
    """Calls to the server at ``address``, ``HOST:PORT`` or ``unix:PATH``. It belongs to the running loop.

    Args:
        address: where it is.
        metadata: sent with every call; names in lower case, values of names that end in ``-bin`` are bytes.
        ssl: speak TLS like this; plain text without.
    """
    if Lines is not None:
        return Lines(address, metadata=metadata or {}, ssl=ssl)
    path = unix_path(address)
    host, port = host_and_port(address) if path is None else (None, None)
    make = partial(PartingChannel, host, port, path=path, ssl=ssl)
    return ChannelCalls(make(), metadata, make)


class ChannelCalls:
    """``Calls`` over a grpclib channel; one that is not a ``PartingChannel`` knows nothing of leaving."""

    def __init__(
        self,
        channel: Channel,
        metadata: Mapping[str, str | bytes] | None = None,
        another: Callable[[], Channel] | None = None,
    ) -> None:
        """``another`` makes a channel for a stream, so that whoever takes its messages slowly holds nobody up."""
        self._channel = channel
        self._metadata = metadata
        self._another = another

    async def messages(self, path: str, request: bytes, deadline: float | None, metadata: Metadata = NOTHING) -> list[bytes]:
        """See ``Calls``."""
        # In a task of its own: grpclib ends a call by cancelling the task it runs in and never takes that back, after which
        # a caller's `asyncio.timeout` or `TaskGroup` around the call would no longer know its own cancellation.
        return await asyncio.create_task(self._exchange(path, request, deadline, metadata))

    async def stream(self, path: str, request: bytes, metadata: Metadata = NOTHING) -> AsyncGenerator[bytes, None]:
        """See ``Calls``."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        calls = self if self._another is None else ChannelCalls(self._another(), self._metadata)
        pouring = asyncio.create_task(calls._exchange(path, request, None, metadata, waiting.put))  # noqa: SLF001 - of the same class
        try:
            while True:
                next_ = asyncio.create_task(waiting.get())
                await asyncio.wait([next_, pouring], return_when=asyncio.FIRST_COMPLETED)
                if not next_.done() and waiting.empty():
                    next_.cancel()
                    await pouring
                    return
                yield await next_
        finally:
            pouring.cancel()
            await asyncio.wait([pouring])
            if calls is not self:
                calls.close()

    async def _exchange(
        self,
        path: str,
        request: bytes,
        deadline: float | None,
        metadata: Metadata,
        put: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> list[bytes]:
        connected = False
        until = None if deadline is None else Deadline.from_timeout(max(0, deadline - time.monotonic()))
        try:
            async with self._channel.request(
                path, Cardinality.UNARY_STREAM, Wire, Wire, deadline=until, metadata={**(self._metadata or {}), **metadata}
            ) as stream:
                await stream.send_request()
                connected = True
                await stream.send_message(Wire(request), end=True)
                if put is None:
                    return [bytes(message) async for message in stream]
                async for message in stream:
                    await put(bytes(message))
                return []
        except (H2Error, OSError) as error:
            if isinstance(error, OSError) and (not connected or (isinstance(error, TimeoutError) and error.errno is None)):
                raise  # no connection, or the deadline
            raise StreamTerminatedError(str(error)) from error
        except NotImplementedError:
            raise GRPCError(Status.INTERNAL, COMPRESSED) from None

    def close(self) -> None:
        """See ``Calls``."""
        self._channel.close()

    def leave_silent(self, since: float) -> None:
        """See ``Calls``."""
        if isinstance(self._channel, PartingChannel):
            self._channel.leave_silent(since)

    def leave_older(self, than: float) -> None:
        """See ``Calls``."""
        if isinstance(self._channel, PartingChannel):
            self._channel.leave_older(than)
