"""One connection to a server: a unary call is bytes in, bytes out, or a ``SessionError``."""

from __future__ import annotations

import asyncio
import os
import ssl as _ssl
import time
from collections.abc import Mapping

from grpclib.client import Channel
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from h2.exceptions import H2Error

from stigmer.addresses import checked, host_and_port, unix_path
from stigmer.client.again import pause
from stigmer.client.channel import NotProcessed, PartingChannel, Wire
from stigmer.client.errors import (
    ConnectionLost,
    DeadlineExceeded,
    ResourceExhausted,
    SessionError,
    Unavailable,
    Unreachable,
    from_grpc,
)
from stigmer.client.parting import Refused, Unused

TIMEOUT = 30.0
IN_FLIGHT = 100

Metadata = Mapping[str, str | bytes]


class Connection:
    """Calls a server over one HTTP/2 connection, which is made at the first call and made anew when it is lost.

    At most ``IN_FLIGHT`` calls are under way at once, the rest wait in line: that many streams a server takes as a rule.
    """

    def __init__(
        self,
        target: str | Channel,
        *,
        timeout: float | None = TIMEOUT,
        metadata: Metadata | None = None,
        ssl: _ssl.SSLContext | None = None,
    ) -> None:
        """Calls the server at ``target``, ``HOST:PORT`` or ``unix:PATH``, or uses a channel that somebody else opened.

        Args:
            target: the server's address, or a channel with grpclib's own codec, which stays open.
            timeout: seconds within which each call must be answered; None waits for ever.
            metadata: sent with every call; names in lower case, values of names that end in ``-bin`` are bytes.
            ssl: speak TLS like this; plain text without.

        Raises:
            ValueError: ``target`` is text, but no address.
        """
        self._address = checked(target) if isinstance(target, str) else None
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
            repeatable: the call changes nothing: when the connection breaks it is made once more, on a new one. A call that
                the server has not begun with is made again whatever it does.

        Raises:
            SessionError: the call failed.
        """
        began = time.monotonic()
        deadline = None if self._timeout is None else Deadline.from_timeout(self._timeout)
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                return await self._stubbornly(path, request, deadline, repeatable=repeatable)
        except TimeoutError:
            if isinstance(self._channel, PartingChannel):
                self._channel.leave_silent(began)
            raise DeadlineExceeded(f"no answer within {self._timeout} s", status=Status.DEADLINE_EXCEEDED) from None

    async def _stubbornly(self, path: str, request: bytes, deadline: Deadline | None, *, repeatable: bool) -> bytes:
        tries = 0
        while True:
            began, tries = time.monotonic(), tries + 1
            try:
                return await self._once(path, request, deadline)
            except SessionError as error:
                seconds = None if self._closed else pause(error, tries=tries, repeatable=repeatable)
                if seconds is None:
                    raise
                if error.reason and isinstance(self._channel, PartingChannel):
                    self._channel.leave_older(began)  # the server is stopping
            await asyncio.sleep(seconds)

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
            address = self._address or ""
            path = unix_path(address)
            host, port = host_and_port(address) if path is None else (None, None)
            self._channel = PartingChannel(host, port, path=path, ssl=self._ssl)
        return self._channel


def _broken(error: Exception, *, connected: bool) -> Exception:
    """What a failure of the connection means to the caller."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return error  # the deadline, not the network
    if isinstance(error, Refused):
        return ResourceExhausted(f"the server is full: {error}", status=Status.RESOURCE_EXHAUSTED)
    if isinstance(error, Unused):
        return Unreachable(f"cannot connect: {error}", status=Status.UNAVAILABLE)
    if isinstance(error, NotProcessed):
        return Unavailable(f"the server has not begun with the call: {error}", status=Status.UNAVAILABLE)
    if isinstance(error, OSError) and not connected:
        return Unreachable(f"cannot connect: {_reason(error)}", status=Status.UNAVAILABLE)
    return ConnectionLost(f"the connection broke: {error}", status=Status.UNAVAILABLE)


def _reason(error: OSError) -> str:
    if isinstance(error, _ssl.SSLError):
        return getattr(error, "verify_message", "") or error.reason or str(error)
    # asyncio words a refusal by socket address; the number says what it is, unless it is one of getaddrinfo's own
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
