"""One connection to OpenFGA: bytes out, bytes in, and ``Unavailable`` for everything else."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from h2.exceptions import H2Error

from stigmer import Unavailable
from stigmer.client.channel import NotProcessed, PartingChannel, Wire

T = TypeVar("T")
_SERVICE = "/openfga.v1.OpenFGAService/"


class NoAnswer(Unavailable):
    """OpenFGA did not answer, or not with what was asked for. Nobody is let in."""

    reason = "AUTHORIZATION_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("who may do what cannot be told now; try again")


class Refused(NoAnswer):
    """OpenFGA answered with a status: it did nothing."""


class _Lost(Exception):
    """The connection broke, or never was."""


class Connection:
    """Made at the first call, and made anew when it breaks or when nothing comes back on it any more."""

    def __init__(self, host: str, port: int, *, tls: bool, token: str, in_flight: int) -> None:
        self._address = host, port
        self._ssl = ssl.create_default_context() if tls else None
        self._metadata: Mapping[str, str] = {"authorization": f"Bearer {token}"} if token else {}
        self._in_flight = in_flight
        self._turn = asyncio.Semaphore(in_flight)
        self._channel: PartingChannel | None = None
        self._heard = 0.0

    def close(self) -> None:
        """Closes the connection; calls in flight fail, later ones make a new one."""
        channel, self._channel = self._channel, None
        self._turn = asyncio.Semaphore(self._in_flight)
        if channel is not None:
            channel.close()

    async def call(self, rpc: str, request: bytes, seconds: float, *, repeatable: bool) -> bytes:
        """The answer to a unary call.

        Args:
            rpc: its name.
            request: the encoded request.
            seconds: how long it may take, waiting for its turn included.
            repeatable: it may be made once more when the connection breaks, not only when OpenFGA has not begun with it.

        Raises:
            Refused: OpenFGA answered with a status.
            NoAnswer: there was no answer in time.
        """
        return await self._in_time(self._unary(rpc, request, seconds, again=repeatable), seconds)

    async def stream(self, rpc: str, request: bytes, seconds: float) -> list[bytes]:
        """All messages that a server-streaming call answers.

        OpenFGA is not told of the deadline: it would end the stream there as if that were all.

        Raises:
            NoAnswer: the stream did not come to its end in time.
        """
        return await self._in_time(self._messages(rpc, request), seconds)

    async def _in_time(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        # In a task of its own: grpclib ends a call by cancelling the task it runs in and never takes that back.
        began = time.monotonic()
        task = asyncio.create_task(work)
        try:
            async with asyncio.timeout(seconds):
                return await task
        except (TimeoutError, _Lost) as error:
            if isinstance(error, TimeoutError) and self._heard < began:
                self._drop()
            raise NoAnswer from error

    def _drop(self) -> None:
        """Gives the connection up: nothing came back on it for a whole call's time, so perhaps nothing ever will."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def _unary(self, rpc: str, request: bytes, seconds: float, *, again: bool) -> bytes:
        async with self._turn:
            try:
                return await self._exchange(rpc, request, seconds)
            except _Lost as lost:
                if not (again or isinstance(lost.__cause__, NotProcessed)):
                    raise
            return await self._exchange(rpc, request, seconds)

    async def _exchange(self, rpc: str, request: bytes, seconds: float) -> bytes:
        found = [m async for m in self._received(rpc, request, Cardinality.UNARY_UNARY, Deadline.from_timeout(seconds))]
        if len(found) != 1:
            raise NoAnswer
        return found[0]

    async def _messages(self, rpc: str, request: bytes) -> list[bytes]:
        async with self._turn:
            return [m async for m in self._received(rpc, request, Cardinality.UNARY_STREAM, None)]

    async def _received(
        self, rpc: str, request: bytes, cardinality: Cardinality, deadline: Deadline | None
    ) -> AsyncIterator[bytes]:
        try:
            async with self._open().request(
                _SERVICE + rpc, cardinality, Wire, Wire, deadline=deadline, metadata=self._metadata
            ) as stream:
                await stream.send_message(Wire(request), end=True)
                while (message := await stream.recv_message()) is not None:
                    self._heard = time.monotonic()
                    yield message
                    if cardinality is Cardinality.UNARY_UNARY:
                        break
        except GRPCError as error:
            self._heard = time.monotonic()
            raise Refused from error
        except TimeoutError:
            raise
        except (StreamTerminatedError, H2Error, OSError) as error:
            raise _Lost from error

    def _open(self) -> PartingChannel:
        if self._channel is None:
            self._channel = PartingChannel(*self._address, ssl=self._ssl)
        return self._channel
