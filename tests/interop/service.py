"""The server's side of gRPC's interoperability tests, as grpclib handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from grpclib.const import Handler, Status

from .messages import MESSAGES, METHODS

INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
"""Metadata that comes back: before the answers, and after them."""


class InteropService:
    """``grpc.testing.TestService``, which does what its requests ask for.

    Attributes:
        cancelled: how many calls were cancelled while their handlers ran, by their clients or by their deadlines.
    """

    def __init__(self, server_id="stigmer"):
        self.cancelled = 0
        self._server_id = server_id

    def __mapping__(self):
        handlers = {
            "EmptyCall": self._empty,
            "UnaryCall": self._unary,
            "StreamingOutputCall": self._streaming_output,
            "StreamingInputCall": self._streaming_input,
            "FullDuplexCall": self._full_duplex,
            "HalfDuplexCall": self._half_duplex,
        }
        return {METHODS[name].path: self._handler(METHODS[name], func) for name, func in handlers.items()}

    def _handler(self, method, func):
        async def counted(stream):
            try:
                await func(stream)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise

        return Handler(counted, method.cardinality, method.request, method.answer)

    async def _empty(self, stream):
        await stream.recv_message()
        await stream.send_message(MESSAGES["Empty"]())

    async def _unary(self, stream):
        request = await stream.recv_message()
        await _begin(stream)
        if not request.response_status.code:
            answer = {"payload": _zeros(request.response_size), "server_id": self._server_id * request.fill_server_id}
            await stream.send_message(MESSAGES["SimpleResponse"](**answer))
        await _end(stream, request)

    async def _streaming_output(self, stream):
        request = await stream.recv_message()
        await _begin(stream)
        await _answer(stream, [request])
        await _end(stream, request)

    async def _streaming_input(self, stream):
        await _begin(stream)
        total = sum([len(request.payload.body) async for request in stream])
        await stream.send_message(MESSAGES["StreamingInputCallResponse"](aggregated_payload_size=total))
        await _end(stream)

    async def _full_duplex(self, stream):
        await _begin(stream)
        async for request in stream:
            if request.response_status.code:
                return await _end(stream, request)
            await _answer(stream, [request])
        return await _end(stream)

    async def _half_duplex(self, stream):
        await _begin(stream)
        await _answer(stream, [request async for request in stream])
        await _end(stream)


def _zeros(size: int) -> dict[str, bytes]:
    return {"body": bytes(size)}


async def _answer(stream, requests: Iterable) -> None:
    for wanted in (wanted for request in requests for wanted in request.response_parameters):
        if wanted.interval_us:
            await asyncio.sleep(wanted.interval_us / 1e6)  # what the client has asked for
        await stream.send_message(MESSAGES["StreamingOutputCallResponse"](payload=_zeros(wanted.size)))


def _echoed(stream, key: str) -> list[tuple[str, str | bytes]]:
    return [(key, value) for value in stream.metadata.getall(key, ())]


async def _begin(stream) -> None:
    """Sends the initial metadata that the client wants back; without any they go with the first answer."""
    if echoed := _echoed(stream, INITIAL):
        await stream.send_initial_metadata(metadata=echoed)


async def _end(stream, request=None) -> None:
    """Ends the call with the trailing metadata and the status that the client has asked for."""
    wanted = request.response_status if request else MESSAGES["EchoStatus"]()
    await stream.send_trailing_metadata(
        status=Status(wanted.code), status_message=wanted.message or None, metadata=_echoed(stream, TRAILING)
    )
