"""Odd frames: of the wrong length, of unknown kinds, cut in odd ways, with broken HPACK."""

from __future__ import annotations

from probe import CLOSES, ECHO, HELLO, PATH, Probe, because, body, call, gone, head
from raw_http2 import (
    ACK,
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
)

BLOCK = header_block(grpc_request(PATH))
ALL = END_HEADERS | END_STREAM
MOST = 16 * 1024


def split(*parts: bytes) -> bytes:
    """HEADERS with the first part, CONTINUATIONs with the others."""
    last = len(parts) - 1
    return b"".join(
        frame(CONTINUATION if number else HEADERS, END_HEADERS if number == last else 0, 1, part)
        for number, part in enumerate(parts)
    )


LENGTHS = because(
    CLOSES,
    *(
        gone(f"{name} of {len(payload):,} bytes", frame(kind, 0, stream, payload), 6)
        for name, kind, stream, payload in (
            *(("PING", PING, 0, bytes(size)) for size in (0, 7, 9)),
            *(("SETTINGS", SETTINGS, 0, bytes(size)) for size in (5, 7, MOST + 2)),
            *(("WINDOW_UPDATE", WINDOW_UPDATE, 0, b"\1" * size) for size in (3, 5)),
            *(("RST_STREAM", RST_STREAM, 1, bytes(size)) for size in (3, 5)),
            ("GOAWAY", GOAWAY, 0, bytes(7)),
            ("unknown frame", 0x77, 0, bytes(MOST + 1)),
        )
    ),
    gone("HEADERS of 16,385 bytes", frame(HEADERS, ALL, 1, BLOCK.ljust(MOST + 1, b"\0")), 6),
    gone("DATA of 16,385 bytes", head() + frame(DATA, END_STREAM, 1, bytes(MOST + 1)), 6),
    gone("DATA of 16 MiB, said but not sent", head() + frame(DATA, 0, 1, b"\0", length=2**24 - 1), 6),
    gone("DATA with more padding than bytes", head() + frame(DATA, PADDED, 1, b"\x05abc"), 1),
    gone("DATA that is padded and empty", head() + frame(DATA, PADDED, 1), 6, 1),
    gone("HEADERS with half a priority", frame(HEADERS, ALL | PRIORITIZED, 1, bytes(3)), 6, 1),
    Probe("PRIORITY of 4 bytes", frame(PRIORITY, 0, 1, bytes(4)) + call(3), ("goaway 6", ECHO), stream=3),
)

KINDS = (
    Probe("unknown frame on the connection", frame(0x77, 0xFF, 0, b"anything") + call(), (ECHO,)),
    Probe("unknown frame on the stream", head() + frame(0x77, 0xFF, 1, b"anything") + body(), (ECHO,)),
    Probe("unknown frame on an idle stream", frame(0x77, 0, 7, b"anything") + call(), (ECHO,)),
    Probe("ALTSVC", frame(0xA, 0, 1, b"\0\0h2=:1") + call(), (ECHO,)),
    Probe("ORIGIN", frame(0xC, 0, 0, b"\0\x08https://") + call(), (ECHO,)),
    Probe("PRIORITY_UPDATE", frame(0x10, 0, 0, b"\0\0\0\1u=1") + call(), (ECHO,)),
    Probe("unknown flags", frame(PING, 0xFE, 0, bytes(8)) + head() + frame(DATA, 0xF6 | END_STREAM, 1, HELLO), (ECHO,)),
    Probe("PING", frame(PING, 0, 0, b"\1" * 8) + call(), (ECHO,)),
    Probe("PING answer that nobody asked for", frame(PING, ACK, 0, b"\1" * 8) + call(), (ECHO,)),
    Probe("100 empty DATA", head() + body(1, b"", end=False) * 100 + body(), (ECHO,)),
    *because(CLOSES, gone("PING on a stream", frame(PING, 0, 1, bytes(8)), 1)),
)

BLOCKS = (
    Probe("HEADERS and CONTINUATION", split(BLOCK[:10], BLOCK[10:]) + body(), (ECHO,)),
    Probe("HEADERS and four CONTINUATIONs", split(BLOCK[:9], BLOCK[9:20], b"", BLOCK[20:21], BLOCK[21:]) + body(), (ECHO,)),
    Probe("HPACK: table sizes at the beginning", split(b"\x20\x3f\xe1\x1f" + BLOCK) + body(), (ECHO,)),
    *because(
        CLOSES,
        gone("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, BLOCK), 1),
        gone("CONTINUATION after END_HEADERS", head() + frame(CONTINUATION, END_HEADERS, 1, BLOCK), 1),
        gone("CONTINUATION of another stream", frame(HEADERS, 0, 1, BLOCK) + frame(CONTINUATION, END_HEADERS, 3), 1),
        gone("DATA before END_HEADERS", frame(HEADERS, 0, 1, BLOCK) + body(), 1),
        gone("PING before END_HEADERS", frame(HEADERS, 0, 1, BLOCK) + frame(PING, 0, 0, bytes(8)), 1),
        *(
            gone(f"HPACK: {name}", frame(HEADERS, ALL, 1, block), 9)
            for name, block in {
                "index 0": b"\x80",
                "index out of the table": BLOCK + b"\xff\x7f",
                "cut off": BLOCK + b"\x00\x05ab",
                "number without an end": BLOCK + b"\xff" * 20,
                "table larger than allowed": b"\x3f\xe1\xff\xff\x07" + BLOCK,
                "broken Huffman code": BLOCK + b"\x00\x81\xff\x81\xff",
            }.items()
        ),
    ),
    *because(
        "grpc-go waits",
        gone("HEADERS with more padding than bytes", frame(HEADERS, ALL | PADDED, 1, b"\xff" + BLOCK), 1),
        gone("HEADERS and 1,000 CONTINUATIONs", split(BLOCK, *[b""] * 1000), 11),
        gone("HPACK: table size at the end", frame(HEADERS, ALL, 1, BLOCK + b"\x20"), 9),
    ),
)
