"""One connection to a server: a unary call is bytes in, bytes out, or a ``SessionError``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl as _ssl
import time
from collections.abc import AsyncGenerator

from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from stigmer.addresses import checked
from stigmer.client.again import pause
from stigmer.client.calls import Calls, ChannelCalls, calls_to
from stigmer.client.errors import (
    ConnectionLost,
    DeadlineExceeded,
    ResourceExhausted,
    SessionError,
    Unavailable,
    Unreachable,
    from_grpc,
)
from stigmer.client.metadata import NOTHING, Metadata
from stigmer.client.patience import Patience
from stigmer.client.unanswered import NotProcessed, Refused, Unused

TIMEOUT = 30.0
IN_FLIGHT = 100


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
        self._address = checked(target) if isinstance(target, str) else ""
        self._channel = None if isinstance(target, str) else target
        self._calls: Calls | None = None
        self._timeout = timeout
        self._metadata = dict(metadata or {})
        self._ssl = ssl
        self._patience = Patience(timeout)
        self._turn = asyncio.Semaphore(IN_FLIGHT)
        self._closed = False

    def close(self) -> None:
        """Closes the connection, unless it was handed in. Calls in flight on it fail, and so does every call from now on."""
        self._closed = True
        self._patience.close()
        calls, self._calls = self._calls, None
        if calls is not None and self._channel is None:
            calls.close()

    async def stream(self, path: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """The messages of the answer of the rpc at ``path``, as they come, for as long as they do. Nothing is repeated.

        Raises:
            SessionError: the call failed.
        """
        try:
            async with contextlib.aclosing(self._open().stream(path, request)) as messages:
                async for message in messages:
                    yield message
        except GRPCError as error:
            raise from_grpc(error) from None
        except (StreamTerminatedError, OSError) as error:
            raise _broken(error) from error

    async def call(self, path: str, request: bytes, *, repeatable: bool, metadata: Metadata = NOTHING) -> bytes:
        """The answer of the rpc at ``path``.

        Args:
            path: full name of the rpc, such as ``/package.Service/method``.
            request: the encoded request message.
            repeatable: the call changes nothing: when the connection breaks it is made once more, on a new one. A call that
                the server has not begun with is made again whatever it does.
            metadata: sent with this call, beside that of all calls.

        Raises:
            SessionError: the call failed.
        """
        began = time.monotonic()
        deadline = None if self._timeout is None else began + self._timeout
        try:
            async with asyncio.timeout(None) as limit:
                self._patience.begin(limit)
                try:
                    async with self._turn:
                        return await self._stubbornly(path, request, deadline, metadata, repeatable=repeatable)
                finally:
                    self._patience.end(limit)
                    del limit  # it knows the task, the task its failure, and the failure this frame
        except TimeoutError:
            if self._calls is not None:
                self._calls.leave_silent(began)
            raise DeadlineExceeded(f"no answer within {self._timeout} s", status=Status.DEADLINE_EXCEEDED) from None

    async def _stubbornly(
        self, path: str, request: bytes, deadline: float | None, metadata: Metadata, *, repeatable: bool
    ) -> bytes:
        tries = 0
        while True:
            began, tries = time.monotonic(), tries + 1
            try:
                return await self._once(path, request, deadline, metadata)
            except SessionError as error:
                seconds = None if self._closed else pause(error, tries=tries, repeatable=repeatable)
                if seconds is None:
                    raise
                if error.reason and self._calls is not None:
                    self._calls.leave_older(began)  # the server is stopping
            await asyncio.sleep(seconds)

    async def _once(self, path: str, request: bytes, deadline: float | None, metadata: Metadata) -> bytes:
        try:
            messages = await self._open().messages(path, request, deadline, metadata)
        except GRPCError as error:
            raise from_grpc(error) from None
        except (StreamTerminatedError, OSError) as error:
            raise _broken(error) from error
        if not messages:
            raise ConnectionLost("the answer holds no message", status=Status.UNAVAILABLE)
        return messages[0]

    def _open(self) -> Calls:
        """Where calls go. It is made here, not in the constructor, because it belongs to the running loop."""
        if self._closed:
            raise Unreachable("the client is closed", status=Status.UNAVAILABLE)
        if self._calls is None:
            if self._channel is None:
                self._calls = calls_to(self._address, metadata=self._metadata, ssl=self._ssl)
            else:
                self._calls = ChannelCalls(self._channel, self._metadata)
        return self._calls


def _broken(error: Exception) -> Exception:
    """What a failure of the connection means to the caller."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return error  # the deadline, not the network
    if isinstance(error, OSError):
        return Unreachable(f"cannot connect: {_reason(error)}", status=Status.UNAVAILABLE)
    if isinstance(error, Refused):
        return ResourceExhausted(f"the server is full: {error}", status=Status.RESOURCE_EXHAUSTED)
    if isinstance(error, Unused):
        return Unreachable(f"cannot connect: {error}", status=Status.UNAVAILABLE)
    if isinstance(error, NotProcessed):
        return Unavailable(f"the server has not begun with the call: {error}", status=Status.UNAVAILABLE)
    return ConnectionLost(f"the connection broke: {error}", status=Status.UNAVAILABLE)


def _reason(error: OSError) -> str:
    if isinstance(error, _ssl.SSLError):
        return getattr(error, "verify_message", "") or error.reason or str(error)
    # asyncio words a refusal by socket address; the number says what it is, unless it is one of getaddrinfo's own
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
