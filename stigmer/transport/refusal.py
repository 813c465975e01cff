"""What the transport itself answers a call with, and in which form a status goes out."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

from grpclib.const import Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError
from grpclib.metadata import encode_bin_value, encode_grpc_message

Fields = list[tuple[bytes, bytes]]

_LONGEST = 6 * 1024
"""Of the text of a status and of its details, encoded: clients take trailers of 16 KiB at most, some 8."""


class Reason(enum.Enum):
    """Why the transport refuses, as clients are told."""

    BAD_REQUEST = "the headers are not those of a gRPC call"
    UNDECODABLE = "the bytes are no message"
    MESSAGE_TOO_LARGE = "a message is over the limit"
    METADATA_TOO_LARGE = "the headers are over the limit"
    TOO_MANY_BYTES = "too much is in flight"
    UNKNOWN_METHOD = "nothing answers that path"
    DEADLINE_EXCEEDED = "the time is over"
    SERVER_STOPPING = "the server does not begin it any more"
    CUT_OFF = "the server has begun it, but does not wait for its end"
    BUG = "the handler failed"


class Refusal(NamedTuple):
    """An answer that is only a status.

    Attributes:
        status: of the call.
        reason: for those who want to tell one from the other.
        text: for people.
        http: the HTTP status, which is 200 unless the request is no gRPC.
    """

    status: Status
    reason: Reason
    text: str
    http: bytes = b"200"


Describe = Callable[[Refusal], GRPCError]
"""Makes of a refusal the error whose status, text and details the client gets."""


def plainly(refusal: Refusal) -> GRPCError:
    """The refusal without details."""
    return GRPCError(refusal.status, refusal.text)


def status_fields(status: Status, text: str | None, details: Any, codec: StatusDetailsCodecBase | None) -> Fields:
    """The trailers of a status. A text that is too long is cut, details that are too large are left out."""
    fields = [(b"grpc-status", b"%d" % status.value)]
    if text is not None:
        fields.append((b"grpc-message", _edged(_cut(encode_grpc_message(text).encode("ascii")))))
    if details is not None and codec is not None:
        encoded = encode_bin_value(codec.encode(status, text, details))
        if len(encoded) <= _LONGEST:
            fields.append((b"grpc-status-details-bin", encoded))
    return fields


def _edged(encoded: bytes) -> bytes:
    """The same without spaces at its ends, where no header may have them (RFC 9113, section 8.2.1)."""
    if encoded.startswith(b" "):
        encoded = b"%20" + encoded[1:]
    return encoded[:-1] + b"%20" if encoded.endswith(b" ") else encoded


def _cut(encoded: bytes) -> bytes:
    if len(encoded) <= _LONGEST:
        return encoded
    head, percent, tail = encoded[:_LONGEST].rpartition(b"%")
    return head if percent and len(tail) < 2 else encoded[:_LONGEST]  # noqa: PLR2004 - %XX
