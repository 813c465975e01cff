"""Odd calls, each of them sound HTTP/2: paths, content types, deadlines, metadata."""

from __future__ import annotations

from probe import ECHO, PATH, REFUSED, Probe, body, call, head, raw_head
from raw_http2 import grpc_request

BAD, NO_GRPC = "http 400 grpc 13", "http 415 grpc 3"
SPACES = "RFC 9113 section 8.2.1: no field value begins or ends with a space; grpc-go does not look"
NO_PATH = "no path, RFC 9113 section 8.3.1: malformed; grpc-go does not look"
NOT_ASCII = "RFC 9113 section 8.2.1 lets a server look at it"

PATHS = (
    Probe("method unknown", call(path="/bench.Echo/Nope"), ("grpc 12",)),
    Probe("method unknown, no body", head(path="/bench.Echo/Nope", end=True), ("grpc 12",)),
    Probe("method unknown, body never ends", head(path="/bench.Echo/Nope"), ("grpc 12",)),
    Probe("service unknown", call(path="/bench.Nope/Unary"), ("grpc 12",)),
    Probe("path /", call(path="/"), ("grpc 12",)),
    Probe("path //", call(path="//"), ("grpc 12",)),
    Probe("path *", call(path="*"), ("grpc 12", *REFUSED), NO_PATH),
    Probe("path without a slash", call(path="bench.Echo"), ("grpc 12", *REFUSED), NO_PATH),
    Probe("path without its first slash", call(path="bench.Echo/Unary"), ("grpc 12", *REFUSED), NO_PATH),
    Probe("path without a method", call(path="/bench.Echo"), ("grpc 12",)),
    Probe("path with a slash at its end", call(path=f"{PATH}/"), ("grpc 12",)),
    Probe("path with two slashes", call(path="//bench.Echo/Unary"), ("grpc 12",)),
    Probe("path with dots", call(path="/x/../bench.Echo/Unary"), ("grpc 12",)),
    Probe("path with a query", call(path=f"{PATH}?a=1"), ("grpc 12",)),
    Probe("path in capitals", call(path=PATH.upper()), ("grpc 12",)),
    Probe("path with an escape", call(path="/bench.Echo/Un%61ry"), ("grpc 12",)),
    Probe("path with a whole URL", call(path=f"http://localhost{PATH}"), ("grpc 12", *REFUSED), NO_PATH),
    Probe("path not ASCII", call(path="/bench.Echo/Ünary"), ("grpc 12", *REFUSED), NOT_ASCII),
    Probe(
        "path not UTF-8",
        raw_head(1, [(b":path", b"/\xff"), *grpc_request(PATH, replace={":path": None})]) + body(),
        ("grpc 12", *REFUSED),
        NOT_ASCII,
    ),
    Probe("path with a space", call(path="/bench.Echo/Un ary"), ("grpc 12", *REFUSED), NOT_ASCII),
    Probe("path of 8,000 bytes", call(path="/" + "x" * 8_000), ("grpc 12",)),
)


def typed(value: str | None) -> bytes:
    """A call of another content type."""
    return call(1, (), {"content-type": value})


def timed(value: str) -> bytes:
    """A call with a deadline."""
    return call(1, [("grpc-timeout", value)])


CONTENT_TYPES = (
    *(
        Probe(f"content-type {value}", typed(value), (ECHO,))
        for value in ("application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc;")
    ),
    *(
        Probe(f"content-type {value}", typed(value), (ECHO, NO_GRPC), "grpc-go has no codec either, and takes it for protobuf")
        for value in ("application/grpc+json", "application/grpc+zebra", "application/grpc+", "application/grpc+proto+json")
    ),
    *(
        Probe(f"content-type {value or value!r}", typed(value), (NO_GRPC,))
        for value in (
            *(None, "", "text/html", "application/json", "application/grpc-web", "application/grpcx", "application/grp"),
            *("application/grpc, text/html", "APPLICATION/GRPC"),
        )
    ),
    Probe("content-type with a space before it", typed(" application/grpc"), (NO_GRPC, *REFUSED), SPACES),
    Probe("content-type missing, no body", head(1, (), {"content-type": None}, end=True), (NO_GRPC,)),
    Probe("content-type missing, path unknown", call(1, (), {"content-type": None}, path="/"), (NO_GRPC,)),
    Probe("content-type missing, deadline malformed", call(1, [("grpc-timeout", "x")], {"content-type": None}), (NO_GRPC,)),
    Probe("content-type twice", call(1, [("content-type", "application/grpc")]), (ECHO,)),
    Probe(
        "content-type twice, one of another kind",
        call(1, [("content-type", "text/html")]),
        (ECHO, NO_GRPC),
        "grpc-go looks for one that will do",
    ),
)

TIMEOUTS = (
    *(
        Probe(f"grpc-timeout {value!r}", timed(value), (BAD,))
        for value in ("", "1", "S", "abc", "-1S", "1.5S", "1s", "1 S", "123456789S", "+1S", "0x1S", "1Z", "\u0661S")
    ),
    *(
        Probe(f"grpc-timeout {value}", timed(value), (ECHO,))
        for value in ("10S", "99999999H", "5000m", "5000000u", "00000010S", "1H", "1M")
    ),
    Probe("grpc-timeout with a space before it", timed(" 1S"), (BAD, *REFUSED), SPACES),
    *(Probe(f"grpc-timeout {value}", timed(value), ("grpc 4",)) for value in ("0S", "0n", "1n", "00000000H")),
    Probe("grpc-timeout 1u", timed("1u"), ("grpc 4", ECHO), "a race; with grpc-go RST_STREAM may overtake the status"),
    Probe("grpc-timeout twice", call(1, [("grpc-timeout", "10S"), ("grpc-timeout", "20S")]), (ECHO,)),
    Probe(
        "grpc-timeout twice, one of them wrong",
        call(1, [("grpc-timeout", "x"), ("grpc-timeout", "20S")]),
        (BAD, ECHO),
        "which of them counts is not said",
    ),
)

METADATA = (
    *(Probe(f"x-bin {value!r}", call(1, [("x-bin", value)]), (ECHO,)) for value in ("AAEC", "AAE=", "AAE", "AA==", "AA", "")),
    *(
        Probe(f"x-bin {value!r}", call(1, [("x-bin", value)]), (BAD,))
        for value in ("A", "A===", "!!!!", "AA=A", "AAE==", "_-8", "AA E", "é", "AAE,!", "AAE,A")
    ),
    *(
        Probe(
            f"x-bin {value!r}", call(1, [("x-bin", value)]), (BAD, ECHO), "the protocol has servers split it; grpc-go does not"
        )
        for value in ("AAE,AAE", "AAE=,AAE=", "AAE,", "AAE, AAE")
    ),
    Probe("x-bin with a space after it", call(1, [("x-bin", "+/8 ")]), (BAD, *REFUSED), SPACES),
    Probe("x-bin twice", call(1, [("x-bin", "AAE"), ("x-bin", "AAEC")]), (ECHO,)),
    Probe("x-bin of 4,000 bytes", call(1, [("x-bin", "A" * 4000)]), (ECHO,)),
    *(
        Probe(f"{name} malformed", call(1, [(name, "!")]), (BAD, ECHO), "no metadata of the caller's")
        for name in ("grpc-status-details-bin", "grpc-trace-bin", "grpc-tags-bin", "-bin")
    ),
    Probe("grpc-status from a client", call(1, [("grpc-status", "13")]), (ECHO,)),
    Probe("grpc-message from a client", call(1, [("grpc-message", "%zz%")]), (ECHO,)),
    Probe("grpc-anything", call(1, [("grpc-anything", "1")]), (ECHO,)),
    Probe("grpc-accept-encoding of nothing", call(1, [("grpc-accept-encoding", "")]), (ECHO,)),
    Probe("grpc-accept-encoding of nonsense", call(1, [("grpc-accept-encoding", ",, ;q=0,gzip;;zebra")]), (ECHO,)),
    Probe("value not ASCII", call(1, [("x-name", "é")]), (ECHO,)),
    Probe("value not UTF-8", call(1, [(b"x-name", b"\xff\xfe")]), (ECHO,)),
    Probe("value empty", call(1, [("x-name", "")]), (ECHO,)),
    Probe("name once and again", call(1, [("x-name", "a"), ("x-name", "b")] * 20), (ECHO,)),
    Probe("cookie in crumbs", call(1, [("cookie", "a=1"), ("cookie", "b=2")]), (ECHO,)),
    Probe("expect: 100-continue", call(1, [("expect", "100-continue")]), (ECHO,)),
    Probe("user-agent of 4,000 bytes", call(1, [("user-agent", "a" * 4000)]), (ECHO,)),
)
