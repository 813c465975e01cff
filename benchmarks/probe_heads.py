"""Odd headers: pseudo-headers, methods, forbidden names and values, and far too many of them."""

from __future__ import annotations

from probe import ECHO, LENIENT, PATH, REFUSED, Probe, because, body, call, head, raw_head
from raw_http2 import CONTINUATION, END_HEADERS, HEADERS, frame, grpc_request, header_block

TOO_MUCH = ("goaway 11",)
MALFORMED = "RFC 9113 section 8.1.1: an error of the stream, or of the connection"
CONNECT = [(":method", "CONNECT"), (":authority", "localhost:1")]
KIB = 1024
MOST = 16 * KIB
"""Bytes in a frame."""


def instead(name: str, value: str | None) -> bytes:
    """A call with another value for a header, or without it."""
    return call(1, (), {name: value})


def more(*fields: tuple[str | bytes, str | bytes]) -> bytes:
    """A call with more headers."""
    return call(1, fields)


def moved(*names: str) -> bytes:
    """A call whose pseudo-headers of those names come after the regular ones."""
    fields = grpc_request(PATH)
    return raw_head(1, [field for field in fields if field[0] not in names] + [f for f in fields if f[0] in names]) + body()


def twice(name: str) -> bytes:
    """A call with a pseudo-header twice."""
    fields = grpc_request(PATH)
    return raw_head(1, [field for field in fields if field[0] == name] + fields) + body()


def many(*fields: tuple[str, str]) -> bytes:
    """A call with more headers than a frame may hold: CONTINUATIONs follow."""
    block = header_block(grpc_request(PATH, fields))
    parts = [block[at : at + MOST] for at in range(0, len(block), MOST)]
    last = len(parts) - 1
    frames = (
        frame(CONTINUATION if number else HEADERS, END_HEADERS if number == last else 0, 1, part)
        for number, part in enumerate(parts)
    )
    return b"".join(frames) + body()


def bomb() -> bytes:
    """Headers that are small on the wire and 4 MB once they are read: one long entry, named a thousand times."""
    entry = b"\x40\x06x-bomb\x7f\xa1\x1e" + b"a" * 4000
    return frame(HEADERS, END_HEADERS, 1, header_block(grpc_request(PATH)) + entry + b"\xbe" * 1000) + body()


PSEUDO = (
    *(Probe(f"{name} twice", twice(name), REFUSED, MALFORMED) for name in (":method", ":scheme", ":path", ":authority")),
    *(Probe(f"{name} after regular headers", moved(name), REFUSED, MALFORMED) for name in (":method", ":path", ":authority")),
    *because(
        LENIENT,
        Probe("without :method", instead(":method", None), ("http 405 grpc 13", *REFUSED)),
        Probe("without :scheme", instead(":scheme", None), (ECHO, *REFUSED)),
        Probe("without :path", instead(":path", None), ("grpc 12", *REFUSED)),
        Probe(":method of no name", instead(":method", ""), ("http 405 grpc 13", *REFUSED)),
        Probe(":scheme of no name", instead(":scheme", ""), (ECHO, *REFUSED)),
        Probe(":path of no name", instead(":path", ""), ("grpc 12", *REFUSED)),
        Probe(
            ":protocol without CONNECT",
            raw_head(1, [(":protocol", "websocket"), *grpc_request(PATH)]) + body(),
            (ECHO, *REFUSED),
        ),
        Probe("no headers at all", raw_head(1, []) + body(), ("http 415 grpc 3", *REFUSED)),
        Probe("CONNECT", raw_head(1, CONNECT), ("http 415 grpc 3", "http 405 grpc 13", *REFUSED)),
        Probe("CONNECT with a path", instead(":method", "CONNECT"), ("http 405 grpc 13", *REFUSED)),
    ),
    *because(
        MALFORMED,
        Probe("unknown pseudo-header", raw_head(1, [(":odd", "1"), *grpc_request(PATH)]) + body(), REFUSED),
        Probe(":status in a request", raw_head(1, [(":status", "200"), *grpc_request(PATH)]) + body(), REFUSED),
    ),
)

AUTHORITIES = (
    Probe("host instead of :authority", call(1, [("host", "localhost")], {":authority": None}), (ECHO,)),
    Probe("host beside :authority", more(("host", "localhost")), (ECHO,)),
    Probe(":scheme https without TLS", instead(":scheme", "https"), (ECHO,)),
    Probe(":scheme ftp", instead(":scheme", "ftp"), (ECHO,)),
    *because(
        "nothing here depends on a host; grpc-go is strict, for the sake of proxies",
        Probe("neither :authority nor host", instead(":authority", None), ("http 400 grpc 13", ECHO, *REFUSED)),
        Probe("host twice", more(("host", "a"), ("host", "b")), ("http 400 grpc 13", ECHO, *REFUSED)),
    ),
    *because(
        "RFC 9113 section 8.3.1 lets a server refuse it; grpc-go takes :authority",
        Probe("host another than :authority", more(("host", "elsewhere")), (ECHO, *REFUSED)),
        Probe(":authority of no name", instead(":authority", ""), (ECHO, *REFUSED)),
        Probe(":authority with a user", instead(":authority", "me@localhost"), (ECHO, *REFUSED)),
    ),
)

METHODS = (
    *(
        Probe(f":method {name}", instead(":method", name), ("http 405 grpc 13",))
        for name in ("GET", "PUT", "OPTIONS", "HEAD", "post")
    ),
    Probe("GET without a body", head(1, (), {":method": "GET"}, end=True), ("http 405 grpc 13",)),
    *because(
        "HTTP/2 says that nothing follows, so that there is no message",
        Probe("DATA after END_STREAM on HEADERS", head(end=True) + body(), ("grpc 13", "rst 5", "goaway 5", "goaway 1")),
    ),
    Probe(":method with a space", instead(":method", "PO ST"), ("http 405 grpc 13", *REFUSED), LENIENT),
)

NAMES = (
    *(
        Probe(f"name {name!r}", more((name, "1")), REFUSED, MALFORMED)
        for name in ("X-Upper", "x name", "x\nname", "x:name", "", ":", "é", "x\0")
    ),
    *(
        Probe(f"value with {value!r}", more(("x-name", f"a{value}b")), REFUSED, MALFORMED)
        for value in ("\r\n", "\n", "\r", "\0")
    ),
    *(
        Probe(f"value with {value!r} around it", more(("x-name", f"{value}a{value}")), (ECHO, *REFUSED), LENIENT)
        for value in (" ", "\t")
    ),
    Probe("connection", more(("connection", "close")), REFUSED, MALFORMED),
    *(
        Probe(name, more((name, value), ("http2-settings", "AAMAAABkAAQAAP__")), (ECHO, *REFUSED), LENIENT)
        for name, value in {
            "keep-alive": "timeout=5",
            "proxy-connection": "close",
            "transfer-encoding": "chunked",
            "upgrade": "h2c",
        }.items()
    ),
    Probe("te missing", instead("te", None), (ECHO,)),
    Probe("te twice", more(("te", "trailers")), (ECHO,)),
    *(
        Probe(f"te {value}", instead("te", value), (ECHO, *REFUSED), LENIENT)
        for value in ("gzip", "trailers, gzip", "Trailers")
    ),
)

TOO_MANY = (
    Probe("header of 15,000 bytes", more(("x-name", "a" * 15_000)), (ECHO,)),
    Probe("header name of 8,000 bytes", more(("x" * 8_000, "1")), (ECHO,)),
    Probe("200 fields", more(*((f"x-{n}", "1") for n in range(200))), (ECHO,)),
    *because(
        "our limits, grpc-go's is 16 MiB: an answer while it costs little to read on, else the end",
        Probe("headers over 16 KiB", many(("x-name", "a" * 17 * KIB)), ("grpc 8",)),
        Probe("headers over 16 KiB in 100 fields", many(*((f"x-{n}", "a" * 170) for n in range(100))), ("grpc 8",)),
        Probe("headers over 32 KiB", many(("x-name", "a" * 33 * KIB)), TOO_MUCH),
        Probe("300 fields", more(*((f"x-{n}", "1") for n in range(300))), TOO_MUCH),
        Probe("3,000 empty fields", many(*[("a", "")] * 3000), TOO_MUCH),
        Probe("HPACK bomb", bomb(), TOO_MUCH),
    ),
)
