"""Odd connections: other protocols, no preface, half of one, and clients that hang up."""

from __future__ import annotations

from probe import CLOSES, ECHO, HELLO, Probe, because, body, call, head
from raw_http2 import ACK, GOAWAY, MAGIC, PING, SETTINGS, frame

CLIENT_HELLO = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("0000021301010000021615")
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
POST = b"POST /bench.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
FIRST = MAGIC + frame(SETTINGS, 0, 0)
POLITE = "grpc-go closes without a word, which tells people nothing"


def foreign(name: str, sends: bytes, *answers: str) -> Probe:
    """A client of another protocol."""
    return Probe(name, sends, (*answers, "closed"), stream=0, preface=False)


def hung_up(name: str, sends: bytes, *answers: str) -> Probe:
    """A client that closes its side, where everything ends."""
    return Probe(f"{name}, hung up", sends, (*answers, "closed"), keeps=False, preface=False, half_closes=True)


CONNECTIONS = (
    *because(
        POLITE,
        foreign("HTTP/1.1 GET", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain http 505"),
        foreign("HTTP/1.1 POST", POST + HELLO, "plain http 505"),
        foreign("HTTP/1.0 GET", b"GET / HTTP/1.0\r\n\r\n", "plain http 505"),
        foreign("h2c upgrade", b"GET / HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n", "plain http 505"),
        foreign("TLS ClientHello", CLIENT_HELLO, "tls alert"),
    ),
    *because(
        CLOSES,
        foreign("PROXY protocol", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + FIRST, "goaway 1"),
        foreign("SSH", b"SSH-2.0-OpenSSH_9.6\r\n" + bytes(24), "goaway 1"),
        foreign("24 zeros", bytes(24), "goaway 1"),
        foreign("one wrong byte in the preface", MAGIC[:-1] + b"\r" + frame(SETTINGS, 0, 0), "goaway 1"),
        foreign("preface in lower case", FIRST.lower(), "goaway 1"),
        foreign("preface twice", FIRST + MAGIC + call(), "goaway 1", "goaway 6"),
        foreign("preface without SETTINGS", MAGIC + call(), "goaway 1"),
        foreign("preface and PING", MAGIC + frame(PING, 0, 0, bytes(8)), "goaway 1"),
        foreign("preface and a SETTINGS answer", MAGIC + frame(SETTINGS, ACK, 0), "goaway 1"),
        foreign("preface and GOAWAY", MAGIC + frame(GOAWAY, 0, 0, bytes(8)), "goaway 1"),
    ),
    *because(
        "a goodbye is for who listens; grpc-go has none",
        hung_up("nothing", b""),
        hung_up("half a preface", MAGIC[:12]),
        hung_up("preface", MAGIC),
        hung_up("SETTINGS", FIRST),
        hung_up("HEADERS", FIRST + head()),
        hung_up("half a message", FIRST + head() + body(1, HELLO[:7], end=False)),
        hung_up("message without an end", FIRST + head() + body(end=False)),
        hung_up("frame that is cut off", FIRST + head() + body()[:-3]),
        hung_up("call", FIRST + call(), ECHO),
        hung_up("half an HTTP/1.1 request", b"GET / HT"),
        hung_up("HTTP/1.1 request", b"GET / HTTP/1.1\r\n\r\n", "plain http 505"),
    ),
)
