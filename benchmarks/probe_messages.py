"""Odd bodies: prefixes, flags, counts, compression, and streams that end in other ways than a call should."""

from __future__ import annotations

import gzip
import zlib

from probe import CANCELLED, ECHO, HELLO, LENIENT, Probe, because, body, call, head
from raw_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITIZED, frame, header_block, message

LIMIT = 4 * 2**20
"""Of a message: what grpc-go has unless it is told otherwise, and what the server under test is set to."""
GZIP, IDENTITY, UNKNOWN = ([("grpc-encoding", name)] for name in ("gzip", "identity", "zebra"))
GOOD = gzip.compress(b"hello")
BOMB = gzip.compress(b"\0" * (LIMIT + 1))
LARGEST = 2**32 - 1
TRAILERS = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block([("x-checksum", "1")]))
SOON = [("grpc-timeout", "100m")]


def packed(data: bytes) -> bytes:
    """A message that claims to be compressed."""
    return message(data, flag=1)


def pieces(data: bytes, size: int) -> bytes:
    """A body in many DATA frames."""
    return b"".join(body(1, data[at : at + size], end=at + size >= len(data)) for at in range(0, len(data), size))


def padded(data: bytes, amount: int) -> bytes:
    """A body in one padded DATA frame."""
    return frame(DATA, PADDED | END_STREAM, 1, bytes((amount,)) + data + b"\0" * amount)


def accepting(encodings: str) -> bytes:
    """A call whose answer is worth packing."""
    return call(1, [("grpc-accept-encoding", encodings)], data=message(b"x" * 5000))


def padded_head() -> bytes:
    """HEADERS of a call with padding and a priority."""
    return frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, b"\3\0\0\0\0\x0f" + head()[9:] + b"\0\0\0")


SOUND = (
    Probe("ordinary", call(), (ECHO,)),
    Probe("message of zero bytes", call(data=message()), ("grpc 0 ",)),
    Probe("END_STREAM in an empty DATA of its own", head() + body(end=False) + body(1, b""), (ECHO,)),
    Probe("empty DATA in between", head() + body(1, b"", end=False) * 3 + body(), (ECHO,)),
    Probe("message byte by byte", head() + pieces(HELLO, 1), (ECHO,)),
    Probe("prefix and message in two DATA", head() + pieces(HELLO, 5), (ECHO,)),
    Probe("10,000 bytes in pieces of 100", head() + pieces(message(b"x" * 10_000), 100), ("grpc 0 10000 bytes",)),
    Probe("padded DATA", head() + padded(HELLO, 200), (ECHO,)),
    Probe("DATA that is padded by nothing", head() + padded(HELLO, 0), (ECHO,)),
    Probe("padded HEADERS with a priority", padded_head() + body(), (ECHO,)),
    Probe("RST_STREAM after the request", call() + CANCELLED + call(3), (ECHO,), stream=3),
    Probe("RST_STREAM in the body", head() + CANCELLED + call(3), (ECHO,), stream=3),
)

COUNTS = (
    Probe("no message, END_STREAM on HEADERS", head(end=True), ("grpc 13",)),
    Probe("no message, empty DATA with END_STREAM", head() + body(1, b""), ("grpc 13",)),
    Probe("two messages", call(data=HELLO * 2), ("grpc 13",)),
    Probe("two messages in two DATA", head() + body(end=False) + body(), ("grpc 13",)),
    Probe("bytes after the message", call(data=HELLO + b"\0"), ("grpc 13",)),
    Probe("whole prefix after the message", call(data=HELLO + message(length=1)), ("grpc 13",)),
    Probe("body is one byte", call(data=b"\0"), ("grpc 13",)),
    Probe("body is half a prefix", call(data=b"\0\0\0"), ("grpc 13",)),
    Probe("prefix only, of 5 bytes", call(data=message(length=5)), ("grpc 13",)),
    Probe("prefix longer than the body", call(data=message(b"hello", length=6)), ("grpc 13",)),
    Probe("prefix shorter than the body", call(data=message(b"hello", length=4)), ("grpc 13",)),
    *because(
        "HTTP/2 allows them; grpc-go gives up the connection, since it takes them for a second request",
        Probe("trailers of the client", head() + body(end=False) + TRAILERS, (ECHO,)),
        Probe("trailers of the client, no message", head() + TRAILERS, ("grpc 13",)),
        Probe("trailers of the client in a message", head() + body(1, HELLO[:7], end=False) + TRAILERS, ("grpc 13",)),
    ),
    *because(
        "malformed, RFC 9113 section 8.1; grpc-go gives up the connection",
        Probe("HEADERS in between, the stream goes on", head() + head() + body(), ("rst 1", "goaway 1")),
    ),
    *because(
        "a race in grpc-go: RST_STREAM may overtake the status",
        Probe("deadline passes in the body", head(1, SOON) + body(1, HELLO[:7], end=False), ("grpc 4",)),
        Probe("deadline passes before the body", head(1, SOON), ("grpc 4",)),
    ),
)

FLAGS = (
    Probe("flag 0, encoding identity", call(1, IDENTITY), (ECHO,)),
    Probe("flag 0, encoding gzip", call(1, GZIP), (ECHO,)),
    Probe("flag 0, encoding unknown", call(1, UNKNOWN), ("grpc 12",)),
    Probe("flag 1, no encoding", call(data=packed(b"hello")), ("grpc 13",)),
    Probe("flag 1, encoding identity", call(1, IDENTITY, data=packed(b"hello")), ("grpc 13",)),
    Probe("flag 1, encoding unknown", call(1, UNKNOWN, data=packed(b"hello")), ("grpc 12",)),
    Probe("encoding of no name", call(1, [("grpc-encoding", "")]), (ECHO,)),
    Probe("encoding twice", call(1, [*GZIP, *GZIP], data=packed(GOOD)), (ECHO,)),
    Probe("encoding in capitals", call(1, [("grpc-encoding", "GZIP")], data=packed(GOOD)), ("grpc 12",)),
    *(Probe(f"flag {flag}", call(data=message(b"hello", flag=flag)), ("grpc 13",)) for flag in (2, 7, 128, 255)),
    *because(
        "both are true; grpc-go looks at the length first",
        Probe("flag 255, length of 4 GiB", call(data=message(flag=255, length=LARGEST)), ("grpc 8", "grpc 13")),
    ),
)

COMPRESSED = (
    Probe("gzip", call(1, GZIP, data=packed(GOOD)), (ECHO,)),
    Probe("gzip of nothing", call(1, GZIP, data=packed(gzip.compress(b""))), ("grpc 0 ",)),
    Probe("gzip in two members", call(1, GZIP, data=packed(GOOD + gzip.compress(b"!"))), ("grpc 0 hello!",)),
    *(
        Probe(f"gzip {name}", call(1, GZIP, data=packed(data)), ("grpc 13",))
        for name, data in {
            "with bytes after it": GOOD + b"rest",
            "cut off": GOOD[:-9],
            "without its checksum": GOOD[:-8],
            "with a wrong checksum": GOOD[:-8] + bytes(4) + GOOD[-4:],
            "with a wrong size": GOOD[:-4] + bytes(4),
            "that is none": b"hello",
            "of zero bytes": b"",
            "that is only a header": GOOD[:10],
            "that is zlib": zlib.compress(b"hello"),
        }.items()
    ),
    *(
        Probe(f"answer of 5,000 bytes to who accepts {names!r}", accepting(names), ("grpc 0 5000 bytes",))
        for names in ("gzip", "identity,deflate,gzip", "identity", "gzip;q=0", "GZIP", "")
    ),
    Probe("gzip bomb", call(1, GZIP, data=packed(BOMB)), ("grpc 8",)),
)

TOO_LARGE = (
    Probe("message over the limit, prefix only", head() + body(1, message(length=LIMIT + 1), end=False), ("grpc 8",)),
    Probe("message over the limit, prefix and end", call(data=message(length=LIMIT + 1)), ("grpc 8",)),
    Probe("message of 4 GiB, prefix only", head() + body(1, message(length=LARGEST), end=False), ("grpc 8",)),
    Probe("content-length right", call(1, [("content-length", "10")]), (ECHO,)),
    *because(
        LENIENT,
        *(
            Probe(
                f"content-length {', '.join(values)}",
                call(1, [("content-length", value) for value in values]),
                ("rst 1", "goaway 1", ECHO),
            )
            for values in (["11"], ["9"], ["ten"], ["-1"], ["10", "11"])
        ),
    ),
)
