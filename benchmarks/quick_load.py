"""Load that costs little: prepared frames out, frame heads in. One core of it keeps a server busy that takes 10 us a call.

Nothing is decoded. A call counts as answered well when a message came before the end of its stream; any other raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import uvloop
from load import Rate
from raw_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAGIC,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    message,
    settings_payload,
)

CONNECTIONS = 4
_INITIAL_WINDOW, _LARGEST = 4, 2**31 - 1
_REFILL = 2**28


def _window(size: int) -> bytes:
    """Lets the server send so much more on the connection."""
    return frame(WINDOW_UPDATE, 0, 0, size.to_bytes(4, "big"))


def _text(value: str) -> bytes:
    """A string of HPACK, as it is."""
    return bytes((len(value),)) + value.encode()


def _fields(path: str) -> bytes:
    """The headers of a call, none of which the server need remember."""
    method, scheme = b"\x83", b"\x86"
    named = {"te": "trailers", "content-type": "application/grpc", "user-agent": "quick-load"}
    literals = b"".join(b"\x00" + _text(name) + _text(value) for name, value in named.items())
    return method + scheme + b"\x04" + _text(path) + b"\x01" + _text("localhost") + literals


class _Caller(asyncio.Protocol):
    """One connection that always has so many calls in flight."""

    def __init__(self, path: str, requests: Iterator[bytes], in_flight: int) -> None:
        self._fields = _fields(path)
        self._requests = requests
        self._in_flight = in_flight
        self._next = 1
        self._began: dict[int, float] = {}
        self._answered: set[int] = set()
        self._rest = b""
        self._room = _REFILL
        self.enough = False
        self.failure: str | None = None
        self.durations: list[float] = []

    def connection_made(self, transport: Any) -> None:
        """Says hello, and makes the first calls."""
        self._transport = transport
        hello = MAGIC + frame(SETTINGS, 0, 0, settings_payload({_INITIAL_WINDOW: _LARGEST})) + _window(_REFILL)
        transport.write(hello + self._calls(self._in_flight))

    def _calls(self, count: int) -> bytes:
        now, frames = time.perf_counter(), []
        for _ in range(count):
            request = next(self._requests)
            stream, self._next = self._next, self._next + 2
            self._began[stream] = now
            frames.append(frame(HEADERS, END_HEADERS, stream, self._fields) + frame(DATA, END_STREAM, stream, message(request)))
        return b"".join(frames)

    def data_received(self, data: bytes) -> None:
        """Counts answers, and makes as many new calls."""
        data = self._rest + data
        at, ended, more = 0, 0, b""
        while len(data) - at >= 9:
            size = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at < 9 + size:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            at += 9 + size
            if kind == DATA:
                self._answered.add(stream)
                self._room -= size
            elif kind == HEADERS and flags & END_STREAM:
                ended += self._end(stream)
            elif kind == SETTINGS and not flags & ACK:
                more += frame(SETTINGS, ACK, 0)
            elif kind in {RST_STREAM, GOAWAY}:
                self.failure = f"a frame of kind {kind} came"
        self._rest = data[at:]
        if self._room < _REFILL // 2:
            more += _window(_REFILL - self._room)
            self._room = _REFILL
        if ended or more:
            self._transport.write(more + self._calls(0 if self.enough else ended))

    @property
    def is_done(self) -> bool:
        """Whether no call is in flight."""
        return not self._began or self.failure is not None

    def _end(self, stream: int) -> int:
        self.durations.append(time.perf_counter() - self._began.pop(stream))
        if stream not in self._answered:
            self.failure = "a call was answered without a message"
        self._answered.discard(stream)
        return 1


async def _measured(address: str, path: str, requests: Iterator[bytes], in_flight: int, seconds: float) -> Rate:
    host, port = address.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    connections = min(CONNECTIONS, in_flight)
    made = [
        await loop.create_connection(lambda: _Caller(path, requests, in_flight // connections), host, int(port))
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds / 4)
    for _, caller in made:
        caller.durations.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - began
    durations = sorted(each for _, caller in made for each in caller.durations)
    for _, caller in made:
        caller.enough = True
    while not all(caller.is_done for _, caller in made):  # noqa: ASYNC110 - once, at the end
        await asyncio.sleep(0.01)
    for transport, _ in made:
        transport.abort()
    failures = [caller.failure for _, caller in made if caller.failure]
    if failures:
        raise RuntimeError(failures[0])
    return Rate(len(durations) / elapsed, durations[len(durations) // 2] * 1e6)


def measure(address: str, path: str, requests: Iterator[bytes], *, in_flight: int, seconds: float) -> Rate:
    """Keeps ``in_flight`` calls under way for ``seconds``, after a quarter of that to warm up.

    Raises:
        RuntimeError: a call was not answered with a message.
    """
    return uvloop.run(_measured(address, path, requests, in_flight, seconds))
