"""Odd bodies of calls that stream, one way or both."""

from __future__ import annotations

from probe import HELLO, Probe, because, body, call, head
from probe_messages import BOMB, GOOD, GZIP, LARGEST, LIMIT, SOON, TRAILERS, UNKNOWN, packed, pieces
from raw_http2 import message

STREAM, COLLECT, TWICE = (f"/bench.Echo/{name}" for name in ("Stream", "Collect", "Twice"))
"""Calls that answer each message with itself, all of them with one, and one with two."""
WORLD = message(b"world")

STREAMING = (
    Probe("streaming: one message", call(path=STREAM), ("grpc 0 hello",)),
    Probe("streaming: two messages", call(path=STREAM, data=HELLO + WORLD), ("grpc 0 hello world",)),
    Probe("streaming: two messages byte by byte", head(path=STREAM) + pieces(HELLO + WORLD, 1), ("grpc 0 hello world",)),
    Probe("streaming: no message, END_STREAM on HEADERS", head(path=STREAM, end=True), ("grpc 0",)),
    Probe("streaming: no message, empty DATA with END_STREAM", head(path=STREAM) + body(1, b""), ("grpc 0",)),
    Probe("streaming: message of zero bytes", call(path=STREAM, data=message()), ("grpc 0 ",)),
    Probe("streaming: bytes after the message", call(path=STREAM, data=HELLO + b"\0"), ("grpc 13 hello",)),
    Probe(
        "streaming: prefix longer than the body",
        call(path=STREAM, data=HELLO + message(b"hello", length=6)),
        ("grpc 13 hello",),
    ),
    Probe("streaming: flag 1, no encoding", call(path=STREAM, data=HELLO + packed(GOOD)), ("grpc 13 hello",)),
    Probe("streaming: flag 7", call(path=STREAM, data=HELLO + message(b"hello", flag=7)), ("grpc 13 hello",)),
    Probe("streaming: encoding unknown", call(1, UNKNOWN, path=STREAM), ("grpc 12",)),
    Probe("streaming: gzip and plain", call(1, GZIP, path=STREAM, data=packed(GOOD) + HELLO), ("grpc 0 hello hello",)),
    Probe("streaming: gzip cut off", call(1, GZIP, path=STREAM, data=packed(GOOD[:-9])), ("grpc 13",)),
    Probe("streaming: gzip bomb", call(1, GZIP, path=STREAM, data=packed(BOMB)), ("grpc 8",)),
    Probe(
        "streaming: over the limit, prefix only",
        head(path=STREAM) + body(1, HELLO + message(length=LIMIT + 1), end=False),
        ("grpc 8 hello",),
    ),
    Probe("streaming: 4 GiB, prefix only", head(path=STREAM) + body(1, message(length=LARGEST), end=False), ("grpc 8",)),
    *because(
        "a race in grpc-go: RST_STREAM may overtake the status",
        Probe("streaming: deadline passes", head(1, SOON, path=STREAM) + body(end=False), ("grpc 4 hello",)),
    ),
    *because(
        "HTTP/2 allows them; grpc-go gives up the connection, since it takes them for a second request",
        Probe("streaming: trailers of the client", head(path=STREAM) + body(end=False) + TRAILERS, ("grpc 0 hello",)),
    ),
)

HALF_STREAMING = (
    Probe("client streaming: two messages", call(path=COLLECT, data=HELLO + WORLD), ("grpc 0 helloworld",)),
    Probe("client streaming: no message", head(path=COLLECT, end=True), ("grpc 0 ",)),
    Probe("client streaming: bytes after the message", call(path=COLLECT, data=HELLO + b"\0\0"), ("grpc 13",)),
    Probe(
        "client streaming: over the limit",
        head(path=COLLECT) + body(1, HELLO + message(length=LIMIT + 1), end=False),
        ("grpc 8",),
    ),
    Probe("server streaming: one message", call(path=TWICE), ("grpc 0 hello hello",)),
    Probe("server streaming: no message", head(path=TWICE, end=True), ("grpc 13",)),
    Probe("server streaming: two messages", call(path=TWICE, data=HELLO + WORLD), ("grpc 13",)),
    Probe("server streaming: bytes after the message", call(path=TWICE, data=HELLO + b"\0"), ("grpc 13",)),
    Probe("server streaming: flag 7", call(path=TWICE, data=message(b"hello", flag=7)), ("grpc 13",)),
    Probe("server streaming: over the limit", head(path=TWICE) + body(1, message(length=LIMIT + 1), end=False), ("grpc 8",)),
)
