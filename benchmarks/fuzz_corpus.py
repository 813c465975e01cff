"""The conversations that fuzzing begins with: what honest clients say, in all the ways there are, and a few odd ones.

    python benchmarks/fuzz_corpus.py FOLDER

writes each into a file of its own; tests/transport/corpus is made so.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import hpack
from attacked import CHAT, COLLECT, FAIL, HANG, IGNORE, LARGE, POUR, UNARY
from byte_path import Manner
from raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITIZED,
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

Fields = list[tuple[str, str]]

HELLO = frame(SETTINGS, 0, 0)
ACKED = frame(SETTINGS, 1, 0)
NO_WINDOW, WIDE = ({4: 0}, {4: 2**31 - 1})
MORE = (100_000).to_bytes(4, "big")
PACKED = message(gzip.compress(b"hello " * 100, mtime=0), flag=1)
BOMB = message(gzip.compress(bytes(300_000), mtime=0), flag=1)
GZIP: Fields = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip,identity")]
METADATA: Fields = [
    ("key", "value"),
    ("key", "again"),
    ("data-bin", "AAEC/w"),
    ("data-bin", "AA==,AQ=="),
    ("user-agent", "fuzz/1"),
]


def hello(settings: dict[int, int]) -> bytes:
    """SETTINGS that say something."""
    return frame(SETTINGS, 0, 0, settings_payload(settings))


def opened(path: str, more: Fields = (), *, stream: int = 1, end: bool = False, **options) -> bytes:
    """The HEADERS of a call."""
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, stream, header_block(grpc_request(path, more, **options)))


def data(body: bytes, *, stream: int = 1, end: bool = True) -> bytes:
    """DATA of a call, by default all of it."""
    return frame(DATA, END_STREAM if end else 0, stream, body)


def call(path: str, body: bytes = b"hello", more: Fields = (), *, stream: int = 1) -> bytes:
    """A whole unary call."""
    return opened(path, more, stream=stream) + data(message(body), stream=stream)


def update(stream: int, amount: bytes = MORE) -> bytes:
    """More window."""
    return frame(WINDOW_UPDATE, 0, stream, amount)


def compressed_calls() -> bytes:
    """Calls as most clients send them: Huffman codes, and a table of headers that both sides keep."""
    encoder, calls = hpack.Encoder(), b""
    for stream in (1, 3, 5):
        block = encoder.encode(grpc_request(UNARY, [*METADATA, ("number", str(stream))]))
        calls += frame(HEADERS, END_HEADERS, stream, block) + data(message(b"x"), stream=stream)
    encoder.header_table_size = 64
    block = encoder.encode(grpc_request(UNARY))
    return calls + frame(HEADERS, END_HEADERS, 7, block) + data(message(b"y"), stream=7)


def continued() -> bytes:
    """Headers in three frames."""
    block = header_block(grpc_request(UNARY, METADATA))
    rest = frame(CONTINUATION, 0, 1, block[30:60]) + frame(CONTINUATION, END_HEADERS, 1, block[60:])
    return frame(HEADERS, 0, 1, block[:30]) + rest + data(message(b"x"))


def padded() -> bytes:
    """Padding wherever there may be, and a priority."""
    block = header_block(grpc_request(UNARY))
    head = frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, b"\x07\0\0\0\0\x10" + block + bytes(7))
    return head + frame(DATA, PADDED, 1, b"\x03" + message(b"abc") + bytes(3)) + frame(DATA, PADDED | END_STREAM, 1, b"\0")


def streams_of(path: str, count: int = 20) -> bytes:
    """Calls that are begun before any is ended."""
    heads = b"".join(opened(path, stream=2 * number + 1) for number in range(count))
    return heads + b"".join(data(message(b"x"), stream=2 * number + 1) for number in range(count))


SAID: dict[str, bytes] = {
    "nothing": b"",
    "hello": HELLO,
    "unary": HELLO + call(UNARY),
    "unary-acked": HELLO + ACKED + call(UNARY) + call(UNARY, stream=3),
    "unary-in-pieces": HELLO + opened(UNARY) + data(b"\0\0", end=False) + data(b"\0\0\x03a", end=False) + data(b"bc"),
    "unary-empty-message": HELLO + call(UNARY, b""),
    "unary-no-message": HELLO + opened(UNARY, end=True),
    "unary-empty-end": HELLO + opened(UNARY) + data(message(b"x"), end=False) + data(b""),
    "unary-trailers": HELLO + opened(UNARY) + data(message(b"x"), end=False) + frame(HEADERS, 5, 1, header_block([("x", "y")])),
    "unary-two-messages": HELLO + opened(UNARY) + data(message(b"x") * 2),
    "unary-cut-message": HELLO + opened(UNARY) + data(message(b"abc", length=10)),
    "unary-oversized": HELLO + opened(UNARY) + data(message(b"abc", length=2**31), end=False),
    "unary-failing": HELLO + call(FAIL),
    "unary-metadata": HELLO + call(UNARY, more=METADATA),
    "unary-gzip": HELLO + opened(UNARY, GZIP) + data(PACKED),
    "unary-bomb": HELLO + opened(UNARY, GZIP) + data(BOMB),
    "unary-bad-flag": HELLO + opened(UNARY) + data(message(b"abc", flag=7)),
    "unary-large-answer": hello(WIDE) + update(0) + call(LARGE) + update(0),
    "unary-large-answer-no-window": hello(NO_WINDOW) + call(LARGE) + update(1) + update(0),
    "unary-deadline": HELLO + call(HANG, more=[("grpc-timeout", "20m")]),
    "unary-no-time": HELLO + call(UNARY, more=[("grpc-timeout", "0n")]),
    "unary-bad-timeout": HELLO + call(UNARY, more=[("grpc-timeout", "soon")]),
    "unary-reset": HELLO + call(HANG) + frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
    "unary-compressed-headers": HELLO + compressed_calls(),
    "unary-continuations": HELLO + continued(),
    "unary-padded": HELLO + padded(),
    "unary-many": HELLO + streams_of(UNARY),
    "hanging-many": HELLO + streams_of(HANG, 5),
    "collect": HELLO + opened(COLLECT) + data(message(b"a") + message(b"b"), end=False) + data(message()),
    "collect-cut": HELLO + opened(COLLECT) + data(message(b"abc", length=70_000)),
    "collect-gzip": HELLO + opened(COLLECT, GZIP) + data(PACKED * 2 + message(b"plain")),
    "ignored": HELLO + opened(IGNORE) + data(bytes(2000), end=False),
    "pour-three": hello(WIDE) + update(0) + call(POUR, b"3"),
    "pour-endless": HELLO + call(POUR, b"") + update(1) + update(0) + frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
    "chat": HELLO + opened(CHAT) + data(message(b"one"), end=False) + data(message(b"two"), end=False) + data(b""),
    "chat-no-window": hello(NO_WINDOW) + opened(CHAT) + data(message(b"one") * 3, end=False) + hello(WIDE),
    "unknown-method": HELLO + call("/bench.Echo/None") + call("/nowhere", stream=3),
    "not-grpc": HELLO
    + opened(UNARY, replace={"content-type": "text/plain"})
    + opened("/", stream=3, replace={":method": "GET"}),
    "malformed": HELLO + opened(UNARY, replace={":path": None}) + opened(UNARY, [("Upper", "x")], stream=3),
    "large-headers": HELLO + call(UNARY, more=[(f"filler-{number}", "x" * 200) for number in range(70)]),
    "control": HELLO
    + frame(PING, 0, 0, b"12345678")
    + frame(PRIORITY, 0, 9, b"\0\0\0\x01\x10")
    + ACKED
    + frame(0xEE, 7, 3, b"?"),
    "windows": hello({1: 0, 2: 0, 3: 10, 4: 100, 5: 20_000, 6: 9000}) + call(UNARY, bytes(500)) + hello({4: 60_000, 1: 4096}),
    "goaway": HELLO + call(HANG) + frame(GOAWAY, 0, 0, bytes(8) + b"bye") + call(UNARY, stream=3),
}
BARE: dict[str, bytes] = {
    "http1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(32),
    "half-magic": b"PRI * HTTP/2.0\r\n",
}
MANNERS = (
    Manner(),
    Manner(pieces=1),
    Manner(pieces=2, leaves=True),
    Manner(pieces=3, ticks=True),
    Manner(pieces=1, drained=True),
)


def corpus() -> dict[str, bytes]:
    """The conversations by name, their manners in turn."""
    named = {name: bytes([MANNERS[number % len(MANNERS)].code]) + said for number, (name, said) in enumerate(SAID.items())}
    named |= {name: bytes([Manner(bare=True).code]) + said for name, said in BARE.items()}
    deaf = bytes([Manner(pieces=1, deaf=True, ticks=True).code])
    return named | {"deaf": deaf + SAID["unary-large-answer"]}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, conversation in corpus().items():
        (folder / name).write_bytes(conversation)
