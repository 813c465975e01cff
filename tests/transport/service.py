"""The service that the transport's tests call: a method of each kind, in whose place a test may put its own."""

from __future__ import annotations

import asyncio
import time

from grpclib.const import Cardinality, Handler

UNARY, COLLECT, POUR, CHAT = (f"/test.Service/{name}" for name in ("Unary", "Collect", "Pour", "Chat"))
KINDS = {
    UNARY: Cardinality.UNARY_UNARY,
    COLLECT: Cardinality.STREAM_UNARY,
    POUR: Cardinality.UNARY_STREAM,
    CHAT: Cardinality.STREAM_STREAM,
}
PATHS = tuple(KINDS)
PATIENCE = 10.0
"""Seconds that something may take before a test gives up."""


async def until(so):
    """Waits until that is so."""
    end = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < end, "this never came"
        await asyncio.sleep(0.002)


class Service:
    """Echoes, counts, pours and chats; ``waiting`` is a handler that does none of it before ``go_on``.

    Attributes:
        unary, collect, pour, chat: the handlers, to be exchanged.
        called: a handler that waits has begun.
        go_on: it may end.
        begun: the messages of handlers that waited.
        cancelled: how many of those were cancelled.
    """

    def __init__(self):
        self.unary, self.collect, self.pour, self.chat = echo, count, pour, chat
        self.called, self.go_on = asyncio.Event(), asyncio.Event()
        self.begun, self.cancelled = [], 0

    def __mapping__(self):
        return {path: Handler(self._now(path), kind, bytes, bytes) for path, kind in KINDS.items()}

    def _now(self, path):
        """What the handler of that path is when it is called."""
        name = path.rpartition("/")[2].lower()

        async def call(stream):
            await getattr(self, name)(stream)

        return call

    async def waiting(self, stream):
        """Answers with what came, once it may."""
        received = await stream.recv_message()
        self.begun.append(received)
        self.called.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await stream.send_message(received or b"")

    async def stubborn(self, stream):
        """Takes no notice of being cancelled."""
        self.called.set()
        while not self.go_on.is_set():
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        await stream.send_message(b"after all")


async def echo(stream):
    """The same back."""
    await stream.send_message(await stream.recv_message())


async def count(stream):
    """How many bytes came."""
    size = 0
    async for message in stream:
        size += len(message)
    await stream.send_message(b"%d" % size)


async def pour(stream):
    """``TIMES SIZE``: so many messages of that size."""
    times, size = map(int, (await stream.recv_message()).split())
    for _ in range(times):
        await stream.send_message(bytes(size))


async def chat(stream):
    """Each message back."""
    while (message := await stream.recv_message()) is not None:
        await stream.send_message(message)


def answering(message):
    """A handler that answers with that."""

    async def answer(stream):
        await stream.recv_message()
        await stream.send_message(message)

    return answer
