"""Load of every kind at once: calls that succeed, fail, are large, stream in all directions, or are cancelled.

What comes back is held against what should: each call has the status that its kind has, or was cancelled by us.
"""

from __future__ import annotations

import asyncio
import collections
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import hpack
from attack_floods import CANCEL, MOST_MORE, call
from attacked import CHAT, COLLECT, FAIL, HANG, LARGE, POUR, UNARY
from attacker import INITIAL_WINDOW, Target, Wire, headers, opening
from raw_http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    frame,
    grpc_request,
    header_block,
    message,
)

IN_FLIGHT, BATCH = 80, 20
CALLS_A_CONNECTION = 20_000
CANCELLED = -1
OK, NOT_FOUND = 0, 5
PATIENCE = 30.0


class Kind(NamedTuple):
    """How a call of a kind is made, how often, and with what status it ends."""

    make: Callable[[int], bytes]
    share: int
    status: int


def _unary(path: str, body: bytes = b"") -> Callable[[int], bytes]:
    block = header_block(grpc_request(path, [("user-agent", "soak/1"), ("grpc-timeout", "20S")]))
    return lambda stream: call(stream, block, body)


def _streamed(path: str, bodies: list[bytes]) -> Callable[[int], bytes]:
    block, body = header_block(grpc_request(path)), b"".join(map(message, bodies))
    return lambda stream: headers(stream, block) + frame(DATA, END_STREAM, stream, body)


def _cancelled(stream: int) -> bytes:
    return call(stream) + frame(RST_STREAM, 0, stream, CANCEL)


KINDS = {
    "unary": Kind(_unary(UNARY, b"hello" * 20), 900, OK),
    "failing": Kind(_unary(FAIL), 50, NOT_FOUND),
    "large": Kind(_unary(LARGE), 1, OK),
    "collect": Kind(_streamed(COLLECT, [b"a" * 100] * 10), 20, OK),
    "chat": Kind(_streamed(CHAT, [b"b" * 100] * 5), 20, OK),
    "pour": Kind(_unary(POUR, b"3"), 3, OK),
    "cancelled": Kind(_cancelled, 4, CANCELLED),
    "hanging": Kind(_unary(HANG), 2, CANCELLED),
}
"""Of a thousand calls. Those that hang are reset with the next batch."""


class Loader(Wire):
    """A connection with many calls in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.flying: dict[int, str] = {}
        self.done: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.news = asyncio.Event()
        self._decoder = hpack.Decoder()
        self._unparsed = b""
        self._written = 0

    def data_received(self, data: bytes) -> None:
        """Is asyncio's."""
        data, position = self._unparsed + data, 0
        while len(data) - position >= 9:
            end = position + 9 + int.from_bytes(data[position : position + 3], "big")
            if len(data) < end:
                break
            stream = int.from_bytes(data[position + 5 : position + 9], "big")
            self._take(data[position + 3], data[position + 4], stream, data[position + 9 : end])
            position = end
        self._unparsed = data[position:]
        self.news.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Is asyncio's."""
        super().connection_lost(error)
        self.news.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS:
            fields = self._decoder.decode(payload)
            if flags & END_STREAM:
                self._end(stream, int(dict(fields).get("grpc-status", -2)))
        elif kind in {SETTINGS, PING} and not flags & ACK:
            self._transport.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY or (kind == RST_STREAM and stream in self.flying):
            self.wrong.append(f"frame {kind} for stream {stream}, {self.flying.get(stream)}: {payload!r}")

    def _end(self, stream: int, status: int) -> None:
        name = self.flying.pop(stream, None)
        if name is None:  # cancelled, and answered at the same time
            return
        self.done[name] += 1
        if status != KINDS[name].status:
            self.wrong.append(f"a {name} call ended with {status}")

    def begin(self, names: list[str], first: int) -> bytes:
        """The bytes of calls of these kinds; those that hang since the last time are given up."""
        hanging = [stream for stream, name in self.flying.items() if name == "hanging"]
        parts = [frame(RST_STREAM, 0, stream, CANCEL) for stream in hanging]
        for stream in hanging:
            self._cancel(stream)
        for stream, name in zip(range(first, first + 2 * len(names), 2), names, strict=True):
            parts.append(KINDS[name].make(stream))
            self.flying[stream] = name
            if name == "cancelled":
                self._cancel(stream)
        return b"".join(parts)

    def _cancel(self, stream: int) -> None:
        self.done[self.flying.pop(stream)] += 1


async def _connection(target: Target, calls: int, chance: random.Random) -> Loader:
    """One connection's worth of calls."""
    wire = await target.wire(Loader)
    await wire.send(opening({INITIAL_WINDOW: 2**31 - 1}) + frame(0x8, 0, 0, MOST_MORE))
    names, shares = list(KINDS), [kind.share for kind in KINDS.values()]
    for first in range(1, 2 * calls, 2 * BATCH):
        await wire.send(wire.begin(chance.choices(names, shares, k=BATCH), first))
        await _until(wire, IN_FLIGHT)
        if wire.wrong or wire.lost.is_set():
            break
    wire.begin([], 0)
    await _until(wire, 0)
    target.drop(wire)
    return wire


async def _until(wire: Loader, left: int) -> None:
    """Waits until no more calls than that are in flight."""
    end = time.monotonic() + PATIENCE
    while len(wire.flying) > left and not wire.lost.is_set():
        if time.monotonic() > end:
            wire.wrong.append(f"not answered: {wire.flying}")
            return
        wire.news.clear()
        try:
            await asyncio.wait_for(wire.news.wait(), PATIENCE)
        except TimeoutError:
            continue


async def _load(target: Target, calls: int, connections: int, seed: int) -> tuple[dict[str, int], list[str]]:
    done: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    left = iter(range(0, calls, CALLS_A_CONNECTION))

    async def one(chance: random.Random) -> None:
        for start in left:
            wire = await _connection(target, min(CALLS_A_CONNECTION, calls - start), chance)
            done.update(wire.done)
            wrong.extend(wire.wrong or (["the connection was lost"] if wire.flying else []))

    await asyncio.gather(*(one(random.Random(seed + number)) for number in range(connections)))
    return dict(done), wrong


def load(target: Target, calls: int, connections: int, seed: int) -> tuple[dict[str, int], list[str]]:
    """Makes so many calls on so many connections at a time: those of each kind that were made, and what went wrong."""
    return asyncio.run(_load(target, calls, connections, seed))
