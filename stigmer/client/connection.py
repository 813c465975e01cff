"""One connection to a server: a unary call is bytes in, bytes out, or a ``SessionError``."""

from __future__ import annotations

import asyncio
import os
import ssl as _ssl
from collections.abc import Mapping
from typing import Self

from grpclib.client import Channel
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from h2.exceptions import H2Error

from stigmer.client.channel import NotProcessed, PartingChannel
from stigmer.client.errors import ConnectionLost, DeadlineExceeded, Unreachable, from_grpc
from stigmer.settings import host_and_port

TIMEOUT = 30.0
IN_FLIGHT = 100

Metadata = Mapping[str, str | bytes]


class Wire(bytes):
    """A message that is encoded already, in the form that grpclib's codec takes and gives."""

    __slots__ = ()

    def SerializeToString(self) -> bytes:  # noqa: N802 - grpclib asks for this name
        """The message itself."""
        return self

    @classmethod
    def FromString(cls, data: bytes) -> Self:  # noqa: N802 - grpclib asks for this name
        """The message in ``data``."""
        return cls(data)


class Connection:
    """Calls a server over one HTTP/2 connection, which is made at the first call and made anew when it is lost.

    At most ``IN_FLIGHT`` calls are under way at once, the rest wait in line: a fresh connection does not know yet how many
    streams the server takes and would have the rest refused.
    """

    def __init__(
        self,
        target: str | Channel,
        *,
        timeout: float | None = TIMEOUT,
        metadata: Metadata | None = None,
        ssl: _ssl.SSLContext | None = None,
    ) -> None:
        """Calls the server at ``target``, ``HOST:PORT``, or uses a channel that somebody else opened and closes.

        Args:
            target: the server's address, or a channel with grpclib's own codec.
            timeout: seconds within which each call must be answered; None waits for ever.
            metadata: sent with every call; names in lower case, values of names that end in ``-bin`` are bytes.
            ssl: speak TLS like this; plain text without.

        Raises:
            ValueError: ``target`` is text, but not ``HOST:PORT``.
        """
        self._address = host_and_port(target) if isinstance(target, str) else None
        self._channel = None if isinstance(target, str) else target
        self._timeout = timeout
        self._metadata = dict(metadata or {})
        self._ssl = ssl
        self._turn = asyncio.Semaphore(IN_FLIGHT)
        self._closed = False

    def close(self) -> None:
        """Closes the connection, unless it was handed in. Calls in flight on it fail, and so does every call from now on."""
        self._closed = True
        if self._address is not None and self._channel is not None:
            self._channel.close()
            self._channel = None

    async def call(self, path: str, request: bytes, *, repeatable: bool) -> bytes:
        """The answer of the rpc at ``path``.

        Args:
            path: full name of the rpc, such as ``/package.Service/method``.
            request: the encoded request message.
            repeatable: the call changes nothing: when the connection breaks it is made once more, on a new one, as is any
                call of which the server says that it has not begun with it.

        Raises:
            SessionError: the call failed.
        """
        deadline = None if self._timeout is None else Deadline.from_timeout(self._timeout)
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                try:
                    return await self._once(path, request, deadline)
                except ConnectionLost as lost:
                    if self._closed or not (repeatable or isinstance(lost.__cause__, NotProcessed)):
                        raise
                    return await self._once(path, request, deadline)
        except TimeoutError:
            raise DeadlineExceeded(f"no answer within {self._timeout} s", status=Status.DEADLINE_EXCEEDED) from None

    async def _once(self, path: str, request: bytes, deadline: Deadline | None) -> bytes:
        # In a task of its own: grpclib ends a call by cancelling the task it runs in and never takes that back, after which
        # a caller's `asyncio.timeout` or `TaskGroup` around the call would no longer know its own cancellation.
        return await asyncio.create_task(self._exchange(path, request, deadline))

    async def _exchange(self, path: str, request: bytes, deadline: Deadline | None) -> bytes:
        connected = False
        channel = self._open()
        try:
            async with channel.request(
                path, Cardinality.UNARY_UNARY, Wire, Wire, deadline=deadline, metadata=self._metadata
            ) as stream:
                await stream.send_request()
                connected = True
                await stream.send_message(Wire(request), end=True)
                response: bytes | None = await stream.recv_message()
        except GRPCError as error:
            raise from_grpc(error) from None
        except (StreamTerminatedError, H2Error, OSError) as error:
            raise _broken(error, connected=connected) from error
        if response is None:
            raise ConnectionLost("the answer holds no message", status=Status.UNAVAILABLE)
        return response

    def _open(self) -> Channel:
        """The channel. It is made here, not in the constructor, because it belongs to the running loop."""
        if self._closed:
            raise Unreachable("the client is closed", status=Status.UNAVAILABLE)
        if self._channel is None:
            host, port = self._address or ("", 0)
            self._channel = PartingChannel(host, port, ssl=self._ssl)
        return self._channel


def _broken(error: Exception, *, connected: bool) -> Exception:
    """What a failure of the connection means to the caller."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return error  # the deadline, not the network
    if isinstance(error, OSError) and not connected:
        # asyncio words a refusal by socket address; the number says what it is, unless it is one of getaddrinfo's own
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        return Unreachable(f"cannot connect: {reason}", status=Status.UNAVAILABLE)
    return ConnectionLost(f"the connection broke: {error}", status=Status.UNAVAILABLE)
