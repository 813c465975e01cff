"""The length-prefixed messages of gRPC, and gzip, which never unpacks to more than the limit."""

from __future__ import annotations

import struct
import zlib

from grpclib.const import Status

from stigmer.transport.refusal import Reason, Refusal
from stigmer.transport.turns import Turns

PREFIX_SIZE = 5
PACKED = 1
GZIP = b"gzip"

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LEVEL = 1
_AT_ONCE = 64 * 1024
"""Bytes that are packed or unpacked at once: more takes so long that a thread does it."""
_BIT = 64 * 1024
"""Packed bytes that zlib is given at once."""
_MOST_MEMBERS = 100
"""What gzip packed may be several pieces, one after the other. Each costs time, even when it is of nothing."""
_LARGEST_RATIO = 1032
"""How much larger than itself what gzip packed can be."""


class Broken(Exception):
    """The bytes of a message are not right; ``refusal`` says how."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def broken(text: str) -> Broken:
    """The bytes are no message."""
    return Broken(Refusal(Status.INTERNAL, Reason.UNDECODABLE, text))


UNKNOWN_FLAG = Refusal(Status.INTERNAL, Reason.UNDECODABLE, "the message's compression flag is neither 0 nor 1")


def too_large(limit: int) -> Refusal:
    """A message is over the limit."""
    return Refusal(Status.RESOURCE_EXHAUSTED, Reason.MESSAGE_TOO_LARGE, f"the message is larger than {limit} bytes")


_PREFIX = struct.Struct(">BI")
prefix = _PREFIX.pack
"""What stands before a message: its flag and its size."""
read_prefix = _PREFIX.unpack_from
"""Flag and size, from bytes that begin with them."""


async def unpacked(flag: int, body: bytes, encoding: bytes | None, limit: int, turns: Turns) -> bytes:
    """The message in ``body``, whose flag is not zero.

    Raises:
        Broken: INTERNAL for bytes that are not what the flag says, RESOURCE_EXHAUSTED for what unpacks to more than ``limit``.
    """
    if flag != PACKED:
        raise Broken(UNKNOWN_FLAG)
    if encoding != GZIP:
        raise broken("the message is compressed, but no grpc-encoding was named")
    if len(body) * _LARGEST_RATIO <= _AT_ONCE:
        return _gunzip(body, limit)
    return await turns.run(_gunzip, body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    rest, left = memoryview(body), limit
    for _ in range(_MOST_MEMBERS):
        rest, left = _gunzip_member(rest, left, parts)
        if left < 0:
            raise Broken(too_large(limit))
        if not rest:
            return b"".join(parts)
    raise broken("the compressed message is in too many pieces")


def _gunzip_member(rest: memoryview, left: int, parts: list[bytes]) -> tuple[memoryview, int]:
    """Unpacks one piece of gzip into ``parts``; gives what follows it, and how much larger the message may become.

    It is read bit by bit: zlib copies whatever is left of its input each time. Less than 0 means that the message is too large.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    while not inflater.eof and left >= 0:
        bit = rest[:_BIT]
        try:
            part = inflater.decompress(bit, left + 1)  # never 0, which would be no limit
        except zlib.error:
            raise broken("the compressed message is not gzip") from None
        if not (part or bit):
            raise broken("the compressed message ends early")
        rest = rest[len(bit) - len(inflater.unconsumed_tail) - len(inflater.unused_data) :]
        if part:
            parts.append(part)
            left -= len(part)
    return rest, left


async def packed(message: bytes, turns: Turns) -> bytes:
    """``message`` as gzip."""
    if len(message) <= _AT_ONCE:
        return _gzip(message)
    return await turns.run(_gzip, message)


def _gzip(message: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return deflater.compress(message) + deflater.flush()
