"""One connection to OpenFGA: bytes out, bytes in, and ``Unavailable`` for everything else."""

from __future__ import annotations

import asyncio
import ssl
import time

from stigmer import Unavailable
from stigmer.client.calls import Calls, GRPCError, NotProcessed, StreamTerminatedError, calls_to

_SERVICE = "/openfga.v1.OpenFGAService/"


class NoAnswer(Unavailable):
    """OpenFGA did not answer, or not with what was asked for. Nobody is let in."""

    reason = "AUTHORIZATION_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("who may do what cannot be told now; try again")


class Refused(NoAnswer):
    """OpenFGA answered with a status: it did nothing."""


class Connection:
    """Made at the first call, and made anew when it breaks or when nothing comes back on it any more."""

    def __init__(self, address: str, *, tls: bool, token: str, in_flight: int) -> None:
        self._address = address
        self._ssl = _tls() if tls else None
        self._metadata = {"authorization": f"Bearer {token}"} if token else {}
        self._in_flight = in_flight
        self._turn = asyncio.Semaphore(in_flight)
        self._calls: Calls | None = None

    def close(self) -> None:
        """Closes the connection; calls in flight fail, later ones make a new one."""
        calls, self._calls = self._calls, None
        self._turn = asyncio.Semaphore(self._in_flight)
        if calls is not None:
            calls.close()

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
        began = time.monotonic()
        deadline = began + seconds
        try:
            async with asyncio.timeout(seconds), self._turn:
                try:
                    messages = await self._messages(rpc, request, deadline)
                except (StreamTerminatedError, OSError) as error:
                    if isinstance(error, TimeoutError) or not (repeatable or isinstance(error, NotProcessed)):
                        raise
                    messages = await self._messages(rpc, request, deadline)
        except (TimeoutError, StreamTerminatedError, OSError) as error:
            raise self._failed(error, began) from error
        if len(messages) != 1:
            raise NoAnswer
        return messages[0]

    async def stream(self, rpc: str, request: bytes, seconds: float) -> list[bytes]:
        """All messages that a server-streaming call answers.

        OpenFGA is not told of the deadline: it would end the stream there as if that were all.

        Raises:
            NoAnswer: the stream did not come to its end in time.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds), self._turn:
                return await self._messages(rpc, request, None)
        except (TimeoutError, StreamTerminatedError, OSError) as error:
            raise self._failed(error, began) from error

    def _failed(self, error: Exception, began: float) -> NoAnswer:
        """After a whole call's time without a byte on a connection perhaps nothing ever will come: it is left."""
        if isinstance(error, TimeoutError) and self._calls is not None:
            self._calls.leave_silent(began)
        return NoAnswer()

    async def _messages(self, rpc: str, request: bytes, deadline: float | None) -> list[bytes]:
        if self._calls is None:
            self._calls = calls_to(self._address, metadata=self._metadata, ssl=self._ssl)
        try:
            return await self._calls.messages(_SERVICE + rpc, request, deadline)
        except GRPCError as error:
            raise Refused from error


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    return context
