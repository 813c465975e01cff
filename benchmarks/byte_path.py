"""Conversations with a server without sockets: bytes are handed to a connection, whose transport is only pretended.

A conversation is a byte of ``Manner`` and what a client sends: that is what corpora hold and fuzzers change.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Iterator
from typing import Any

from attacked import COUNTERS, make_server
from raw_http2 import DATA, MAGIC

FRAME_HEAD = 9
LARGEST_FRAME, LARGEST_EVER = 16384, 2**24 - 1
MAX_FRAME_SIZE = b"\0\5"
"""The setting by which a client asks for larger frames."""
KNOWN_KINDS = range(10)
_PATIENCE = 10.0
_TURNS = 3
_LATER = 3.0
"""Seconds by which the clock is put forward for a tick: longer than what it looks ahead for."""


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a client speaks.

    Attributes:
        bare: what it says is all; else the magic bytes come before.
        pieces: how its bytes are cut: not at all, by frames, by seven, or in growing pieces.
        deaf: it reads little of what is written.
        ticks: a second passes after each piece.
        leaves: at the end it closes its half; else the connection breaks.
        drained: at the end the server wants to go.
    """

    bare: bool = False
    pieces: int = 0
    deaf: bool = False
    ticks: bool = False
    leaves: bool = False
    drained: bool = False

    @classmethod
    def of(cls, code: int) -> Manner:
        """From a byte."""
        return cls(bool(code & 1), code >> 1 & 3, bool(code & 8), bool(code & 16), bool(code & 32), bool(code & 64))

    @property
    def code(self) -> int:
        """As a byte."""
        flags = self.bare | self.pieces << 1 | self.deaf << 3 | self.ticks << 4 | self.leaves << 5 | self.drained << 6
        return int(flags)

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The pieces in which ``data`` comes."""
        if self.pieces == 1:
            yield from frames(data)
            return
        position, size = 0, (len(data), 0, 7, 1)[self.pieces]
        while position < len(data):
            yield data[position : position + size]
            position += size
            size += self.pieces == 3


class Surprise(Exception):
    """The server did what it never should."""


def frames(data: bytes) -> Iterator[bytes]:
    """The frames in ``data``; what is no whole frame comes last."""
    while data:
        size = FRAME_HEAD + int.from_bytes(data[:3], "big")
        yield data[:size]
        data = data[size:]


class Pretended(asyncio.Transport):
    """A transport that takes what is written, and looks at the frames in it."""

    def __init__(self, protocol: Any, *, deaf: bool, largest: int) -> None:
        super().__init__({"peername": None})
        self._largest = largest
        self._protocol, self._deaf = protocol, deaf
        self._loop = asyncio.get_running_loop()
        self._unparsed = b""
        self.closing = False
        self.messages = 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Is asyncio's."""

    def pause_reading(self) -> None:
        """Is asyncio's: what comes is given to the protocol all the same."""

    def resume_reading(self) -> None:
        """Is asyncio's."""

    def can_write_eof(self) -> bool:
        """Is asyncio's: half a connection is none, as in TLS."""
        return False

    def get_write_buffer_size(self) -> int:
        """Is asyncio's: all is taken at once."""
        return 0

    def write(self, data: bytes) -> None:
        """Takes it, though the deaf then ask for no more."""
        self._unparsed += data
        while len(self._unparsed) >= FRAME_HEAD:
            size = int.from_bytes(self._unparsed[:3], "big")
            kind = self._unparsed[3]
            if not self._unparsed.startswith(b"HTTP/1.1") and (size > self._largest or kind not in KNOWN_KINDS):
                raise Surprise(f"a frame of kind {kind} and {size} bytes was written")
            if len(self._unparsed) < FRAME_HEAD + size:
                break
            self._unparsed = self._unparsed[FRAME_HEAD + size :]
            self.messages += kind == DATA
        if self._deaf:
            self._loop.call_soon(self._protocol.pause_writing)
            self._deaf = False

    def is_closing(self) -> bool:
        """Is asyncio's."""
        return self.closing

    def close(self) -> None:
        """Ends the connection in the next turn."""
        if not self.closing:
            self.closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """As ``close``."""
        self.close()


class Complaints(logging.Handler):
    """Collects what is logged of exceptions, by the server as well as by the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Is logging's."""
        if record.exc_info or record.levelno >= logging.ERROR:
            self.found.append(self.format(record))


class BytePath:
    """A server on one engine that conversations are held with, one after the other."""

    def __init__(self, engine: str) -> None:
        """Is to be called, and used, in a running loop."""
        self.server = make_server(engine, {"default_deadline_seconds": 0.5})
        self.complaints = Complaints()
        for name in ("stigmer.transport", "asyncio"):
            logging.getLogger(name).addHandler(self.complaints)

    def close(self) -> None:
        """Listens to no log any more."""
        for name in ("stigmer.transport", "asyncio"):
            logging.getLogger(name).removeHandler(self.complaints)

    async def converse(self, conversation: bytes) -> int:
        """Holds a conversation.

        Returns:
            How many DATA frames the server has written.

        Raises:
            Surprise: something was logged, or is left afterwards.
        """
        manner, said = Manner.of(conversation[0] if conversation else 0), conversation[1:]
        before = asyncio.all_tasks()
        connection = self.server._protocol_factory()  # noqa: SLF001 - how grpclib's servers make connections
        transport = Pretended(connection, deaf=manner.deaf, largest=LARGEST_EVER if MAX_FRAME_SIZE in said else LARGEST_FRAME)
        connection.connection_made(transport)
        for piece in manner.cut(said if manner.bare else MAGIC + said):
            if transport.closing:
                break
            connection.data_received(piece)
            await self._turn(connection, manner)
        await self._end(connection, transport, manner)
        await self._settle(before)
        return transport.messages

    async def _turn(self, connection: Any, manner: Manner) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if manner.ticks:
            connection.tick(time.monotonic() + _LATER)
            await asyncio.sleep(0)

    async def _end(self, connection: Any, transport: Pretended, manner: Manner) -> None:
        if manner.drained:
            connection.notice()
            await asyncio.sleep(0)
            connection.leave()
            await asyncio.sleep(0)
        if manner.leaves and not transport.closing:
            connection.eof_received()
        transport.abort()
        await asyncio.sleep(0)

    async def _settle(self, before: set[asyncio.Task[Any]]) -> None:
        """Waits until everything is gone, at first for turns of the loop and then for time: unpacking has threads."""
        end = time.monotonic() + _PATIENCE
        for turn in range(1_000_000):
            left = {name: value for name in COUNTERS if (value := getattr(self.server.statistics, name))}
            tasks = asyncio.all_tasks() - before
            if not (left or tasks or self.server.connections):
                break
            if time.monotonic() > end:
                raise Surprise(f"left: {left}, tasks: {tasks}, connections: {len(self.server.connections)}")
            await asyncio.sleep(0 if turn < 50 else 0.001)
        if self.complaints.found:
            found, self.complaints.found = self.complaints.found, []
            raise Surprise("\n".join(found))
