"""The headers of a request: what they must be for a gRPC call, and what of them concerns it."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping

from grpclib.const import Status
from grpclib.metadata import decode_timeout
from multidict import MultiDict

from stigmer.transport.engine import Headers
from stigmer.transport.framing import GZIP
from stigmer.transport.limits import Limits
from stigmer.transport.refusal import Reason, Refusal
from stigmer.transport.route import Route

_USUAL = frozenset(
    {
        *(b":method", b":scheme", b":path", b":authority", b"content-type", b"te", b"user-agent"),
        *(b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding", b"accept-encoding"),
    }
)
"""Fields that need no look; a request with others may be large, or carry binary values."""
_NOT_METADATA = frozenset({b"te", b"content-type", b"user-agent"})
_CONTENT_TYPES = frozenset({b"application/grpc", b"application/grpc+proto"})
_CONTENT_TYPE = re.compile(rb"application/grpc([+;].*)?", re.DOTALL).fullmatch
_ENCODINGS = frozenset({None, b"", b"identity", b"gzip"})
_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]").fullmatch
_FIELD_OVERHEAD = 32
"""Bytes that a field counts beyond its own, RFC 9113 section 6.5.2."""


def _bad(status: Status, text: str, http: bytes = b"400") -> Refusal:
    return Refusal(status, Reason.BAD_REQUEST, text, http)


_NO_GRPC = _bad(Status.INVALID_ARGUMENT, "the content-type is not application/grpc", b"415")
_BAD_TIMEOUT = _bad(Status.INTERNAL, "the grpc-timeout is malformed")
_BAD_BINARY = _bad(Status.INTERNAL, "a binary header is malformed")
_NO_POST = _bad(Status.INTERNAL, "the method is not POST", b"405")
_UNKNOWN_METHOD = Refusal(Status.UNIMPLEMENTED, Reason.UNKNOWN_METHOD, "Method not found")
_BAD_ENCODING = _bad(Status.UNIMPLEMENTED, "the only message encoding here is gzip", b"200")


class Head:
    """The headers of a request, read. Calls of one client have the same more often than not: they are read once then.

    Attributes:
        headers: all of them, in their order.
        fields: the same by name; of several with one name, the last.
        route: the rpc; None when it is unknown.
        given: seconds that the client gives the call; None when it does not say.
        left: seconds that it has; None for a streaming call without a deadline, which may live for ever.
        encoding: how messages are packed that have the flag; None when they are not.
        refusal: why the request is no call that could be served; None when it is one.
    """

    __slots__ = ("encoding", "fields", "given", "headers", "left", "refusal", "route")

    def __init__(self, headers: Headers, routes: Mapping[bytes, Route], limits: Limits) -> None:
        self.headers = headers
        self.fields = fields = dict(headers)
        self.route = routes.get(fields.get(b":path", b""))
        self.encoding = fields.get(b"grpc-encoding")
        self.refusal = _refused(headers, fields, limits.header_list_bytes) or (None if self.route else _UNKNOWN_METHOD)
        timeout = fields.get(b"grpc-timeout")
        self.given = self.left = None if timeout is None or self.refusal else decode_timeout(timeout.decode("ascii"))
        if self.route is not None and self.route.unary:
            self.left = (
                limits.default_deadline_seconds if self.given is None else min(self.given, limits.largest_deadline_seconds)
            )

    @property
    def takes_gzip(self) -> bool:
        """Whether answers are to be packed: to clients whose requests are, as grpc-go does it, and who say that they can."""
        return self.encoding == GZIP and GZIP in self.fields.get(b"grpc-accept-encoding", b"")


def _refused(headers: Headers, fields: Mapping[bytes, bytes], limit: int) -> Refusal | None:
    """Why no path could serve these headers. The codes, and which of several faults counts, are grpc-go's."""
    content_type = fields.get(b"content-type", b"")
    if content_type not in _CONTENT_TYPES and not _CONTENT_TYPE(content_type):
        return _NO_GRPC
    timeout = fields.get(b"grpc-timeout")
    if timeout is not None and not _TIMEOUT(timeout):
        return _BAD_TIMEOUT
    unusual = not _USUAL.issuperset(fields) or len(fields) != len(headers)
    if unusual or sum(map(len, fields.values())) > limit // 2:
        refusal = _refused_metadata(headers, limit)
        if refusal is not None:
            return refusal
    if fields.get(b":method") != b"POST":
        return _NO_POST
    return None if fields.get(b"grpc-encoding") in _ENCODINGS else _BAD_ENCODING


def _refused_metadata(headers: Headers, limit: int) -> Refusal | None:
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + _FIELD_OVERHEAD
        if name[-4:] == b"-bin" and not _is_binary(value):
            return _BAD_BINARY
        if name == b"grpc-timeout" and not _TIMEOUT(value):
            return _BAD_TIMEOUT
    if size > limit:
        return Refusal(Status.RESOURCE_EXHAUSTED, Reason.METADATA_TOO_LARGE, f"the headers are larger than {limit} bytes")
    return None


def _is_binary(value: bytes) -> bool:
    try:
        for each in value.split(b","):
            decode_binary(each)
    except ValueError:
        return False
    return True


def decode_binary(value: bytes) -> bytes:
    """What base64, padded or not, stands for.

    Raises:
        ValueError: it is not base64.
    """
    padding = b"" if b"=" in value else b"=" * (-len(value) % 4)
    return binascii.a2b_base64(value + padding, strict_mode=True)


def metadata_of(headers: Headers) -> MultiDict[str | bytes]:
    """The fields that are the caller's own, in their order; those that end in ``-bin`` as bytes."""
    metadata: MultiDict[str | bytes] = MultiDict()
    for name, value in headers:
        if name[:1] == b":" or name[:5] == b"grpc-" or name in _NOT_METADATA:
            continue
        text = name.decode("latin-1")
        if name[-4:] == b"-bin":
            for each in value.split(b","):
                metadata.add(text, decode_binary(each))
        else:
            metadata.add(text, value.decode("latin-1"))
    return metadata
