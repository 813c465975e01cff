"""A status is sent in a form that every client can take."""

from __future__ import annotations

import pytest
from grpclib.const import Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.metadata import decode_grpc_message

from stigmer.transport.refusal import Reason, Refusal, plainly, status_fields

LONGEST = 6 * 1024


def message_of(text):
    return dict(status_fields(Status.NOT_FOUND, text, None, None))[b"grpc-message"]


def test_a_plain_status():
    """A status without a text is a number."""
    assert status_fields(Status.OK, None, None, None) == [(b"grpc-status", b"0")]


@pytest.mark.parametrize(
    "text", ["", "there is none", "für immer fort", "100 %\r\n", "🙂" * 100, "x" * LONGEST, " ", " a  ", "  "]
)
def test_texts(text):
    """A text arrives as it was, whatever is in it, if it is not too long; no header begins or ends with a space."""
    encoded = message_of(text)
    assert encoded == encoded.strip()
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert decode_grpc_message(encoded.decode("ascii")) == text


@pytest.mark.parametrize("start", range(12))
@pytest.mark.parametrize("letter", ["x", "ü", "🙂", "%"])
def test_long_texts_are_cut(start, letter):
    """A text that is too long is cut, never within a percent-encoded byte."""
    text = "a" * start + letter * LONGEST
    encoded = message_of(text)
    assert LONGEST - 2 <= len(encoded) <= LONGEST
    decoded = decode_grpc_message(encoded.decode("ascii"))
    assert text.startswith(decoded.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert b"%" not in encoded[-2:] or encoded[-3:-2] == b"%"


def details_of(*texts):
    from google.rpc.error_details_pb2 import DebugInfo

    fields = status_fields(Status.NOT_FOUND, "x", [DebugInfo(detail=text) for text in texts], ProtoStatusDetailsCodec())
    return dict(fields).get(b"grpc-status-details-bin")


def test_details():
    """Details go along, unless they are too large: half of them would be nothing."""
    assert details_of("why") is not None
    assert len(details_of("x" * 4000)) <= LONGEST
    assert details_of("x" * 4000, "y" * 4000) is None


def test_details_without_a_codec():
    """A server without a codec for details leaves them out."""
    assert status_fields(Status.NOT_FOUND, None, ["something"], None) == [(b"grpc-status", b"5")]


async def test_long_texts_arrive(serve, service, dial):
    """A client gets a status whose text and details are far too long, in trailers that it can take."""
    from google.rpc.error_details_pb2 import DebugInfo
    from grpclib.exceptions import GRPCError

    async def verbose(stream):
        raise GRPCError(Status.NOT_FOUND, "ü" * 100_000, [DebugInfo(detail="x" * 100_000)])

    service.unary = verbose
    client = await dial(await serve(status_details_codec=ProtoStatusDetailsCodec()))
    client.call(1, "/test.Service/Unary", b"x")
    answer = await client.answer(1)
    assert answer.grpc_status == 5
    assert len(answer.grpc_message) <= LONGEST
    assert answer.details is None


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason):
    """A refusal becomes an error with its status and text; each reason has its own words."""
    error = plainly(Refusal(Status.UNAVAILABLE, reason, "later"))
    assert (error.status, error.message, error.details) == (Status.UNAVAILABLE, "later", None)
    assert [each for each in Reason if each.value == reason.value] == [reason]
