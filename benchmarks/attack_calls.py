"""Attacks by few frames: calls and connections that are kept, and cost the server while they last."""

from __future__ import annotations

import asyncio
import gzip
import itertools

from attack_floods import CANCEL, MOST_MORE, ONE, UNARY_BLOCK, call
from attacked import COLLECT, HANG, IGNORE, LARGE, POUR, SPILL, UNARY
from attacker import INITIAL_WINDOW, Target, Wire, flood, headers, hold, numbered, opening, together
from raw_http2 import DATA, MAGIC, RST_STREAM, WINDOW_UPDATE, frame, grpc_request, header_block, message
from uploader import Uploader

HUNDRED = range(1, 200, 2)
"""As many streams as a connection may have."""
MIB = 1024 * 1024
LARGE_BLOCK, POUR_BLOCK, SPILL_BLOCK, IGNORE_BLOCK, COLLECT_BLOCK = (
    header_block(grpc_request(path)) for path in (LARGE, POUR, SPILL, IGNORE, COLLECT)
)
GZIP_BLOCK, GZIP_COLLECT_BLOCK = (header_block(grpc_request(path, [("grpc-encoding", "gzip")])) for path in (UNARY, COLLECT))
SHORT_BLOCK = header_block(grpc_request(HANG, [("grpc-timeout", "20m")]))
LIMIT = 10 * MIB
"""The largest message that the server takes."""
BOMB, LAWFUL_BOMB = (message(gzip.compress(bytes(size)), flag=1) for size in (10 * LIMIT, LIMIT))
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The first bytes of a TLS handshake."""
PREFACE_SECONDS, SLACK_SECONDS = 5, 4
"""What the server gives connections to begin, and how much later it may notice."""


def calls(block: bytes) -> bytes:
    """A hundred unary calls."""
    return b"".join(call(stream, block) for stream in HUNDRED)


async def zero_window(target: Target) -> None:
    """A thousand large answers for a client that lets not one byte of them come."""
    await hold(target, opening({INITIAL_WINDOW: 0}) + calls(LARGE_BLOCK), wires=10)


async def zero_window_streams(target: Target) -> None:
    """Five hundred streams of large messages, of which not one byte may come."""
    await hold(target, opening({INITIAL_WINDOW: 0}) + calls(SPILL_BLOCK), wires=5)


async def deaf(target: Target) -> None:
    """Five hundred large answers for a client that opens all windows, and then does not read."""
    start = opening({INITIAL_WINDOW: 2**31 - 1}) + frame(WINDOW_UPDATE, 0, 0, MOST_MORE) + calls(LARGE_BLOCK)

    async def one() -> None:
        wire = await target.wire()
        if wire is not None:
            wire.deafen()
            await wire.send(start)

    await together(5, one)
    await target.rest(target.left)


async def slow_reader(target: Target) -> None:
    """Streams without end, read byte by byte."""
    bytewise = b"".join(frame(WINDOW_UPDATE, 0, stream, ONE) for stream in HUNDRED)
    start = opening({INITIAL_WINDOW: 1}) + calls(POUR_BLOCK)
    await hold(target, start, wires=5, then=itertools.repeat(bytewise), every=0.1)


async def slow_sender(target: Target) -> None:
    """A thousand requests that say they are large, and then come byte by byte."""
    begun = b"".join(headers(stream, UNARY_BLOCK) + frame(DATA, 0, stream, message(b"x", length=MIB)) for stream in HUNDRED)
    more = b"".join(frame(DATA, 0, stream, b"x") for stream in HUNDRED)
    await hold(target, opening() + begun, wires=10, then=itertools.repeat(more))


async def withheld_ends(target: Target) -> None:
    """Large requests that lack but their last byte."""
    body = message(b"x" * (LIMIT - 1), length=LIMIT)

    async def one() -> None:
        wire = await Uploader.to(target)
        if wire is not None:
            await wire.upload(1, UNARY_BLOCK, body)

    await together(20, one)
    await target.rest(target.left)


async def hanging(target: Target) -> None:
    """A thousand calls whose handlers never end."""
    await hold(target, opening() + b"".join(map(call, HUNDRED)), wires=10)


async def broken_at_once(target: Target) -> None:
    """A call without end begins in the same breath in which the client breaks the rules, whether it reads or not."""
    start = opening({INITIAL_WINDOW: 2**31 - 1}) + frame(WINDOW_UPDATE, 0, 0, MOST_MORE)
    filling = b"".join(call(stream, LARGE_BLOCK) for stream in (1, 3, 5))
    breaking = call(7, POUR_BLOCK) + frame(RST_STREAM, 0, 7, b"short")

    async def one(*, deaf: bool) -> None:
        wire = await target.wire()
        if wire is not None and deaf:
            wire.deafen()
            await wire.send(start + filling)
            await target.rest(0.2)
            await wire.send(breaking)
        elif wire is not None:
            await wire.send(start + breaking)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(one(deaf=number % 2 == 0))
    await target.rest(target.left)


async def unread_uploads(target: Target) -> None:
    """Client streams that never end, for handlers that do not read them."""

    async def one() -> None:
        wire = await Uploader.to(target)
        if wire is not None:
            for stream in HUNDRED:
                await wire.upload(stream, IGNORE_BLOCK, message(b"x" * MIB), patience=0.01)

    await together(10, one)
    await target.rest(target.left)


async def tiny_messages(target: Target) -> None:
    """Client streams of millions of messages of a byte, or of none."""

    async def one(body: bytes) -> None:
        while target.left:
            wire = await Uploader.to(target)
            if wire is None:
                return
            await wire.upload(1, COLLECT_BLOCK, b"")
            while target.left and await wire.more(1, body):
                pass
            target.drop(wire)
            await target.rest(0.01)

    async with asyncio.TaskGroup() as group:
        for body in [message() * 13104, message(b"x") * 10920] * 2:
            group.create_task(one(body))


async def oversized(target: Target) -> None:
    """Messages that say they are four gigabytes long."""
    prefix = message(bytes(1000), length=2**32 - 1)

    def begun(stream: int) -> bytes:
        return headers(stream, UNARY_BLOCK) + frame(DATA, 0, stream, prefix)

    await flood(target, opening(), numbered(begun, at_once=50))


async def gzip_bombs(target: Target) -> None:
    """Messages of a few kilobytes that unpack to more than is allowed, or to just as much."""

    async def one() -> None:
        while target.left:
            wire = await Uploader.to(target)
            if wire is None:
                return
            for stream in itertools.count(1, 2):
                block, body = (GZIP_BLOCK, BOMB) if stream % 4 == 1 else (GZIP_COLLECT_BLOCK, LAWFUL_BOMB)
                if not target.left or not await wire.upload(stream, block, body, end=True):
                    break
            target.drop(wire)
            await target.rest(0.01)

    await together(4, one)


async def gzip_members(target: Target) -> None:
    """A message of ten megabytes of which each twenty bytes are a compressed file with nothing in it."""
    body = message(gzip.compress(b"") * (LIMIT // 20), flag=1)

    async def one() -> None:
        wire = await Uploader.to(target)
        if wire is not None:
            await wire.upload(1, GZIP_BLOCK, body, end=True)

    await together(4, one)
    await target.rest(target.left)


async def broken_uploads(target: Target) -> None:
    """Large uploads that the client, a deadline or the limit ends midway; the connection must keep its window."""

    async def one(number: int) -> None:
        wire = await Uploader.to(target)
        stream = 1
        while wire is not None and await target.rest(0.03):
            body, block = message(bytes(40_000), length=MIB), [UNARY_BLOCK, SHORT_BLOCK][stream // 2 % 2]
            await wire.upload(stream, block, body if stream // 2 % 3 else message(bytes(40_000), length=2 * LIMIT))
            await wire.send(frame(RST_STREAM, 0, stream, CANCEL) if stream not in wire.ended and block is UNARY_BLOCK else b"")
            stream += 2
        if wire is None or not await wire.upload(stream, COLLECT_BLOCK, message(b"x" * MIB) * 2, end=True):
            target.complaints.append(f"uploader {number}: no window is left after {stream // 2} broken uploads")
        elif not await wire.answered(stream):
            target.complaints.append(f"uploader {number}: an upload after {stream // 2} broken ones is not answered")

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(one(number))


async def half_open(target: Target) -> None:
    """Two thousand connections that say nothing."""
    await _begin_and_wait(target, b"", 2000)


async def dribbled_preface(target: Target) -> None:
    """Connections whose first frame comes byte by byte."""
    start = [MAGIC[number : number + 1] for number in range(len(MAGIC))]
    held = await hold(target, start[0], wires=200, then=start[1:], every=0.4)
    _complain_of(target, held)


async def stalled_handshakes(target: Target) -> None:
    """TLS handshakes that stop after a few bytes."""
    await _begin_and_wait(target, CLIENT_HELLO, 200, tls=True)


async def _begin_and_wait(target: Target, start: bytes, wires: int, *, tls: bool = False) -> None:
    held = [wire for wire in [await target.wire(tls=tls) for _ in range(wires)] if wire is not None]
    for wire in held:
        await wire.send(start)
    await target.rest(PREFACE_SECONDS + SLACK_SECONDS)
    _complain_of(target, held)


def _complain_of(target: Target, held: list[Wire]) -> None:
    left = sum(not wire.lost.is_set() for wire in held)
    if left and target.seconds > PREFACE_SECONDS + SLACK_SECONDS:
        target.complaints.append(f"{left} of {len(held)} connections are still open that never began")


async def connects(target: Target) -> None:
    """Connections that are closed as soon as they are made, or have said hello."""

    async def one(start: bytes) -> None:
        while target.left:
            wire = await target.wire(spread=True)
            if wire is not None:
                await wire.send(start)
                target.drop(wire)

    async with asyncio.TaskGroup() as group:
        for start in [b"", opening()] * 2:
            group.create_task(one(start))


KEPT = (
    zero_window,
    zero_window_streams,
    deaf,
    slow_reader,
    slow_sender,
    withheld_ends,
    hanging,
    broken_at_once,
    unread_uploads,
    tiny_messages,
    oversized,
    gzip_bombs,
    gzip_members,
    broken_uploads,
    half_open,
    dribbled_preface,
    stalled_handshakes,
    connects,
)
