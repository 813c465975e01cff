"""A client that uploads as much as flow control lets it, and notices how its calls end."""

from __future__ import annotations

import asyncio
import collections
import functools
import struct
from collections.abc import Callable

from attacker import INITIAL_WINDOW, Target, Wire, headers, opening
from raw_http2 import ACK, DATA, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame

FRAME_BYTES = 16384
_DEFAULT_WINDOW = 65535


class Uploader(Wire):
    """A connection that keeps to the windows which the server gives it.

    Attributes:
        ended: streams that the server has answered to the end.
        reset: streams that the server has reset.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self._unparsed = b""
        self._initial = _DEFAULT_WINDOW
        self._windows: dict[int, int] = collections.defaultdict(int)
        self._windows[0] = _DEFAULT_WINDOW
        self._news = asyncio.Event()

    @classmethod
    async def to(cls, target: Target) -> Uploader | None:
        """A connection, its preface sent; None: it was refused."""
        wire = await target.wire(cls)
        if wire is not None:
            await wire.send(opening())
        return wire

    def data_received(self, data: bytes) -> None:
        """Is asyncio's."""
        super().data_received(data)
        self._unparsed += data
        while len(self._unparsed) >= 9 and len(self._unparsed) >= (end := 9 + int.from_bytes(self._unparsed[:3], "big")):
            whole, self._unparsed = self._unparsed[:end], self._unparsed[end:]
            self._take(whole[3], whole[4], int.from_bytes(whole[5:9], "big"), whole[9:])
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Is asyncio's."""
        super().connection_lost(error)
        self._news.set()

    async def upload(self, stream: int, block: bytes, body: bytes, *, end: bool = False, patience: float = 5.0) -> bool:
        """Opens a stream and sends a body; False: there was no room for it in time, or the stream or the connection ended."""
        self._windows[stream] = 0
        await self.send(headers(stream, block))
        return await self.more(stream, body, end=end, patience=patience)

    async def more(self, stream: int, body: bytes, *, end: bool = False, patience: float = 5.0) -> bool:
        """Sends more on a stream that is open."""
        for start in range(0, len(body), FRAME_BYTES):
            piece = body[start : start + FRAME_BYTES]
            if not await self._until(functools.partial(self._has_room, stream, len(piece)), patience):
                return False
            if self._is_over(stream):
                return False
            self._windows[stream] -= len(piece)
            self._windows[0] -= len(piece)
            await self.send(frame(DATA, END_STREAM if end and start + FRAME_BYTES >= len(body) else 0, stream, piece))
        return not self.lost.is_set()

    async def answered(self, stream: int, patience: float = 5.0) -> bool:
        """Whether the server ends the stream, in time and without resetting it."""
        return await self._until(lambda: stream in self.ended, patience) and stream not in self.reset

    async def _until(self, so: Callable[[], bool], patience: float) -> bool:
        try:
            async with asyncio.timeout(patience):
                while not so():
                    if self.lost.is_set():
                        return False
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _has_room(self, stream: int, size: int) -> bool:
        return self._is_over(stream) or min(self._windows[0], self._initial + self._windows[stream]) >= size

    def _is_over(self, stream: int) -> bool:
        return stream in self.ended or stream in self.reset

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            self._initial = dict(struct.iter_unpack(">HI", payload)).get(INITIAL_WINDOW, self._initial)
            self._transport.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            self.reset.add(stream)
        elif kind in {HEADERS, DATA} and flags & END_STREAM:
            self.ended.add(stream)
