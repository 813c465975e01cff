"""Odd moments: frames on the wrong stream or at the wrong time, windows that overflow, SETTINGS that may not be."""

from __future__ import annotations

from probe import CANCELLED, CLOSES, ECHO, PATH, Probe, because, body, call, gone, head
from raw_http2 import (
    ACK,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    grpc_request,
    header_block,
    settings_payload,
)

HIGHEST = 2**31 - 1
SILENT = "grpc-go does not look"
TOLERANT = "RFC 9113 section 5.1 makes it an error of the connection; libnghttp2 reads over it"
DEPENDENT = frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\0\0\0\1\x0f" + header_block(grpc_request(PATH)))
BLOCK = header_block(grpc_request(PATH))
DEPENDENT = frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\0\0\0\1\x0f" + BLOCK)


def settings(*entries: tuple[int, int]) -> bytes:
    """SETTINGS with those entries."""
    return frame(SETTINGS, 0, 0, settings_payload(entries))


def opened(stream: int, by: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big"))


def goaway(last: int = 0, code: int = 0, text: bytes = b"") -> bytes:
    """GOAWAY of the client."""
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + text)


STREAMS = (
    Probe("HEADERS with the reserved bit", call(1 | 1 << 31), (ECHO,)),
    Probe("highest stream", call(HIGHEST), (ECHO,), stream=HIGHEST, keeps=False),
    Probe("DATA on a stream that was reset", head() + CANCELLED + body() + call(3), (ECHO,), stream=3),
    Probe("RST_STREAM on a stream that is over", CANCELLED + call(3), (ECHO,), stream=3, first=call()),
    Probe("RST_STREAM twice", head() + CANCELLED * 2 + call(3), (ECHO,), stream=3),
    Probe("RST_STREAM with an unknown code", head() + frame(RST_STREAM, 0, 1, b"\xff" * 4) + call(3), (ECHO,), stream=3),
    Probe("WINDOW_UPDATE on a stream that is over", opened(1, 1) + call(3), (ECHO,), stream=3, first=call()),
    Probe("PRIORITY before the call", frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f") + call(), (ECHO,)),
    Probe("PRIORITY of a stream that depends on itself", frame(PRIORITY, 0, 3, b"\0\0\0\3\x0f") + call(), (ECHO,)),
    *because(
        CLOSES,
        gone("HEADERS on stream 0", call(0), 1),
        gone("HEADERS on an even stream", call(2), 1),
        gone("DATA on stream 0", body(0), 1),
        gone("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, b"\0\0\0\x08"), 1),
        gone("GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), 1),
        gone("WINDOW_UPDATE of 0 on the connection", opened(0, 0), 1),
    ),
    *because(
        SILENT,
        gone("DATA on an idle stream", body(), 1),
        gone("RST_STREAM on an idle stream", CANCELLED, 1),
        gone("WINDOW_UPDATE on an idle stream", opened(1, 1), 1),
        gone("WINDOW_UPDATE beyond 2³¹-1 on the connection", opened(0, HIGHEST), 3),
        gone("PUSH_PROMISE from a client", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + BLOCK), 1),
        Probe("WINDOW_UPDATE beyond 2³¹-1 on a stream", head() + opened(1, HIGHEST), ("rst 3", "goaway 3")),
    ),
    *because(
        "priorities are deprecated by RFC 9113: to read over them will do",
        Probe("HEADERS that depend on themselves", DEPENDENT + body(), (ECHO, "goaway 1", "rst 1")),
        Probe("PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0\0\0\1\x0f") + call(), (ECHO, "goaway 1")),
    ),
    *because(
        TOLERANT,
        Probe("DATA on a stream that is over", body() + call(3), ("goaway 5", ECHO), stream=3, first=call()),
        Probe("HEADERS on a lower stream", call(3) + call(7), ("goaway 1", "goaway 5", ECHO), stream=7, first=call() + call(5)),
        Probe("HEADERS on a stream that is over", call() + call(3), ("goaway 1", "goaway 5", ECHO), stream=3, first=call()),
    ),
    *because(
        "RST_STREAM and GOAWAY are both right; the answer may be out before",
        Probe("DATA after END_STREAM", call() + body(), ("rst 5", "goaway 5", "goaway 1", ECHO)),
        Probe("WINDOW_UPDATE of 0 on a stream", head() + opened(1, 0), ("rst 1", "goaway 1")),
    ),
)

ENDING = (ECHO, "goaway 1")

GOODBYES = (
    Probe("GOAWAY, then a call", goaway() + call(), (ECHO,), keeps=False),
    Probe("GOAWAY in a call", head() + goaway(text=b"bye") + body(), (ECHO,), keeps=False),
    Probe("GOAWAY with an unknown code", goaway(code=2**32 - 1) + call(), (ECHO,), keeps=False),
    *because(
        "a last stream that is none of the server's: libnghttp2 ends a connection that is about to end",
        Probe("GOAWAY twice, the last stream higher", head() + goaway() + goaway(HIGHEST) + body(), ENDING, keeps=False),
        Probe("GOAWAY with the last stream that grpc-go says", head() + goaway(HIGHEST) + body(), ENDING, keeps=False),
    ),
)

SETTINGS_FRAMES = (
    Probe("SETTINGS of nothing", settings() + call(), (ECHO,)),
    Probe("SETTINGS unknown", settings((0x77, 1), (0xFFFF, 2**32 - 1), (0, 0)) + call(), (ECHO,)),
    Probe("SETTINGS five times", settings((3, 10)) * 5 + call(), (ECHO,)),
    Probe("SETTINGS with 32 entries", settings(*[(0x77, 1)] * 32) + call(), (ECHO,)),
    Probe(
        "SETTINGS answer that nobody asked for",
        frame(SETTINGS, ACK, 0) * 3 + call(),
        (ECHO, "goaway 1"),
        "the RFC does not say; libnghttp2 counts them",
    ),
    Probe("SETTINGS: no HPACK table", settings((1, 0)) + call(), (ECHO,)),
    Probe("SETTINGS: HPACK table of 4 GiB", settings((1, 2**32 - 1)) + call(), (ECHO,)),
    Probe("SETTINGS: no streams", settings((3, 0)) + call(), (ECHO,)),
    Probe("SETTINGS: no window, then one", settings((4, 0)) + call() + settings((4, 65535)), (ECHO,)),
    Probe("SETTINGS: no window, then WINDOW_UPDATE", settings((4, 0)) + head() + opened(1, 99) + body(), (ECHO,), keeps=False),
    Probe("SETTINGS: window of 1 byte, then more", settings((4, 1)) + call() + settings((4, 65535)), (ECHO,)),
    Probe("SETTINGS: frames of 16,777,215", settings((5, 2**24 - 1)) + call(), (ECHO,)),
    *because(
        CLOSES,
        gone("SETTINGS answer with entries", frame(SETTINGS, ACK, 0, settings_payload({3: 1})), 6),
        gone("SETTINGS on a stream", frame(SETTINGS, 0, 1), 1),
        gone("SETTINGS: window of 2³¹", settings((4, 2**31)), 3, 1),
    ),
    *because(
        SILENT,
        gone("SETTINGS: push 2", settings((2, 2)), 1),
        gone("SETTINGS: window beyond 2³¹-1", head() + opened(1, HIGHEST - 2**16) + settings((4, HIGHEST)), 3),
        *(gone(f"SETTINGS: frames of {size:,}", settings((5, size)), 1) for size in (0, 2**14 - 1, 2**24, 2**32 - 1)),
    ),
    *because(
        "our limit; grpc-go has none",
        Probe("SETTINGS with 1,000 entries", settings(*[(0x77, 1)] * 1000) + call(), ("goaway 11",)),
    ),
    *because(
        "advisory; grpc-go resets what it cannot answer",
        Probe("SETTINGS: headers of 0 bytes", settings((6, 0)) + call(), (ECHO, "rst 2"), keeps=False),
    ),
    *because(
        "an error of the connection for RFC 8441, which nobody here speaks",
        Probe("SETTINGS: extended CONNECT 2", settings((8, 2)) + call(), (ECHO, "goaway 1")),
    ),
)
