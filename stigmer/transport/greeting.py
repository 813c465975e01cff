"""The first bytes of a connection: HTTP/2, or something that is told politely that it is wrong here."""

from __future__ import annotations

import enum

from stigmer.transport.engine import PROTOCOL_ERROR, goaway_frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TLS = b"\x16\x03"
_LONGEST_LINE = 8 * 1024
_TEXT = b"This port speaks gRPC, which needs HTTP/2.\n"


class Greeting(enum.Enum):
    """What a client begins with. The value is the answer to it."""

    HTTP2 = b""
    PARTIAL = None
    HTTP1 = (
        b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(_TEXT), _TEXT)
    )
    TLS = b"\x15\x03\x01\x00\x02\x02\x46"  # alert: fatal, protocol version
    OTHER = goaway_frame(0, PROTOCOL_ERROR)


def greeting_of(data: bytes) -> Greeting:
    """What ``data``, the first bytes of a connection, is the beginning of."""
    if data.startswith(PREFACE):
        return Greeting.HTTP2
    if PREFACE.startswith(data) or data == _TLS[:1]:
        return Greeting.PARTIAL
    if data.startswith(_TLS):
        return Greeting.TLS
    line, end, _ = data.partition(b"\n")
    if b" HTTP/1." in line or b" HTTP/0." in line:
        return Greeting.HTTP1
    if not end and len(data) < _LONGEST_LINE and data[:1].isalpha() and line.isascii():
        return Greeting.PARTIAL
    return Greeting.OTHER
