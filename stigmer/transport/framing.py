"""The length-prefixed messages of gRPC: bytes in, bytes out, never more than the limit."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from google.protobuf.message import DecodeError
from grpclib.const import Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

_PREFIX = struct.Struct(">BI")
_PLAIN, _COMPRESSED = 0, 1
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class BytesCodec(CodecBase):
    """Lets bytes through as they are; everything else is a google.protobuf message, as in health and reflection."""

    __content_subtype__ = "proto"

    def __init__(self) -> None:
        self._messages = ProtoCodec()

    def encode(self, message: Any, message_type: Any) -> bytes:
        """The bytes of ``message``."""
        return message if isinstance(message, bytes) else self._messages.encode(message, message_type)

    def decode(self, data: bytes, message_type: Any) -> Any:
        """The google.protobuf message in ``data``.

        Raises:
            GRPCError: INTERNAL, when it is none.
        """
        try:
            return self._messages.decode(data, message_type)
        except DecodeError:
            raise GRPCError(Status.INTERNAL, "the message cannot be decoded") from None


def bounded(handler: Handler, codec: CodecBase, limit: int) -> Handler:
    """``handler`` so that the messages it receives are read as ``receive_unary`` reads, and decoded by ``codec``."""

    async def call(stream: Stream[Any, Any]) -> None:
        async def recv_message() -> Any:
            data = await _receive(stream, limit)
            return None if data is None else codec.decode(data, handler.request_type)

        stream.recv_message = recv_message  # type: ignore[method-assign]
        await handler.func(stream)

    return handler._replace(func=call)


async def receive_unary(stream: Stream[Any, Any], limit: int) -> bytes:
    """The one message of a unary request, decompressed if need be.

    A message over the limit is refused by its prefix, before its body is read.

    Args:
        stream: of the call.
        limit: largest message in bytes, compressed as well as decompressed.

    Raises:
        GRPCError: RESOURCE_EXHAUSTED for a message over the limit, INTERNAL for none or a broken one.
    """
    data = await _receive(stream, limit)
    if data is None:
        raise _incomplete()
    return data


async def _receive(stream: Stream[Any, Any], limit: int) -> bytes | None:
    """The next message, or None when the client has sent them all."""
    # grpclib's own Stream.recv_message knows no limit and no compression.
    prefix = await _read(stream, _PREFIX.size)
    if not prefix:
        return None
    flag, length = _PREFIX.unpack(prefix)
    if length > limit:
        raise _too_large(limit)
    body = await _read(stream, length)
    if len(body) != length:
        raise _incomplete()
    if flag == _PLAIN:
        return body
    if flag == _COMPRESSED:
        return _gunzip(body, limit)
    raise GRPCError(Status.INTERNAL, "the message's compression flag is neither 0 nor 1")


async def _read(stream: Stream[Any, Any], size: int) -> bytes:
    """``size`` bytes, or none when there are no more."""
    try:
        return await stream._stream.recv_data(size)  # noqa: SLF001 - grpclib is pinned; a test guards the name
    except AssertionError:  # how grpclib says that the stream ended within them
        raise _incomplete() from None


def _incomplete() -> GRPCError:
    return GRPCError(Status.INTERNAL, "the request holds no whole message")


def _gunzip(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise GRPCError(Status.INTERNAL, "the compressed message is not gzip") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise GRPCError(Status.INTERNAL, "the compressed message ends early")
    return plain


def _too_large(limit: int) -> GRPCError:
    return GRPCError(Status.RESOURCE_EXHAUSTED, f"the message is larger than {limit} bytes")
