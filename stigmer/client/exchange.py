"""What a server answers to one call, from the headers to the status."""

from __future__ import annotations

import asyncio
import binascii
import struct
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.exceptions import GRPCError

Headers = Iterable[tuple[bytes, bytes]]

_CONTENT_TYPES = frozenset({b"application/grpc", b"application/grpc+proto"})
_OF_HTTP: Mapping[bytes, Status] = {
    b"400": Status.INTERNAL,
    b"401": Status.UNAUTHENTICATED,
    b"403": Status.PERMISSION_DENIED,
    b"404": Status.UNIMPLEMENTED,
    b"429": Status.UNAVAILABLE,
    b"502": Status.UNAVAILABLE,
    b"503": Status.UNAVAILABLE,
    b"504": Status.UNAVAILABLE,
}
_PREFIX = struct.Struct(">BI")
_DETAILS = ProtoStatusDetailsCodec()

COMPRESSED = "the answer is compressed, which was not asked for"


class Exchange:
    """One call, from when it is sent until it is answered.

    Attributes:
        stream: its number.
        done: the messages of the answer, or why there are none.
        reset: the code with which the server has reset the stream; None when it has not.
    """

    __slots__ = ("_chunks", "done", "reset", "stream")

    def __init__(self, stream: int, done: asyncio.Future[list[bytes]]) -> None:
        self.stream = stream
        self.done = done
        self.reset: int | None = None
        self._chunks: list[bytes] = []

    def on_head(self, headers: Headers, *, ended: bool) -> None:
        """The answer begins; ``ended``: that is all of it."""
        fields = dict(headers)
        failure = _unfit(fields)
        if failure is not None:
            self.fail(failure)
        elif ended or b"grpc-status" in fields:
            self.end(fields.items())

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Bytes of the answer; ``ended``: they are the last of it, and no status comes."""
        self._chunks.append(data)
        if ended:
            self.end(())

    def end(self, trailers: Headers) -> None:
        """The answer is complete."""
        if self.done.done():
            return
        try:
            check(dict(trailers))
            self.done.set_result(split(self._chunks))
        except GRPCError as error:
            self.fail(error.with_traceback(None))  # which leads here, and from here to itself

    def fail(self, error: Exception) -> None:
        """There is no answer, or none more."""
        if not self.done.done():
            self.done.set_exception(error)


def _unfit(fields: Mapping[bytes, bytes]) -> GRPCError | None:
    """Why an answer with these headers is none of gRPC's."""
    http = fields.get(b":status", b"")
    if http != b"200":
        return GRPCError(_OF_HTTP.get(http, Status.UNKNOWN), f"Received :status = {_text(http)!r}")
    content_type = fields.get(b"content-type")
    if content_type in _CONTENT_TYPES:
        return None
    if content_type is None:
        return GRPCError(Status.UNKNOWN, "Missing content-type header")
    return GRPCError(Status.UNKNOWN, f"Invalid content-type: {_text(content_type)!r}")


def check(trailers: Mapping[bytes, bytes]) -> None:
    """Raises GRPCError unless the status is OK."""
    number = trailers.get(b"grpc-status")
    if number == b"0":
        return
    if number is None:
        raise GRPCError(Status.UNKNOWN, "Missing grpc-status header")
    try:
        status = Status(int(number))
    except ValueError:
        raise GRPCError(Status.UNKNOWN, f"Invalid grpc-status: {_text(number)!r}") from None
    if status is Status.OK:
        return
    quoted = trailers.get(b"grpc-message")
    message = None if quoted is None else unquote_to_bytes(quoted).decode(errors="replace")
    raise GRPCError(status, message, _details(status, message, trailers.get(b"grpc-status-details-bin")))


def _details(status: Status, message: str | None, encoded: bytes | None) -> Any:
    """The ``google.rpc`` details; None where there are none that can be read."""
    if encoded is None:
        return None
    try:
        return _DETAILS.decode(status, message, binascii.a2b_base64(encoded + b"=="))
    except (binascii.Error, DecodeError):
        return None


def split(chunks: list[bytes]) -> list[bytes]:
    """The messages in what was sent.

    Raises:
        GRPCError: it is no sequence of plain messages.
    """
    data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    messages, at, size = [], 0, len(data)
    while at < size:
        flag, length = _PREFIX.unpack_from(data, at) if size - at >= _PREFIX.size else (0, size)
        at += _PREFIX.size + length
        if flag:
            raise GRPCError(Status.INTERNAL, COMPRESSED)
        if at > size:
            raise GRPCError(Status.INTERNAL, "the answer ends within a message")
        messages.append(data[at - length : at])
    return messages


def _text(value: bytes) -> str:
    return value.decode("latin-1")
