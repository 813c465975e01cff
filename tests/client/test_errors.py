"""From gRPC statuses to exceptions."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, ErrorInfo, RetryInfo
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from stigmer import client
from stigmer.client.errors import SessionError, Violation, from_grpc


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK], ids=lambda status: status.name)
def test_every_status_becomes_a_session_error(status):
    """Whatever the status, the error carries it; where a class of its name exists, it is of that class."""
    error = from_grpc(GRPCError(status, "text"))
    assert isinstance(error, SessionError)
    assert (error.status, error.text, str(error)) == (status, "text", f"{status.name}: text")
    name = "".join(word.capitalize() for word in status.name.split("_"))
    assert type(error) is getattr(client, name, SessionError)


def test_details_give_reason_and_violations():
    """ErrorInfo gives the reason and what belongs to it, BadRequest the violations; other details are passed over."""
    bad = BadRequest(field_violations=[BadRequest.FieldViolation(field="a.b", description="no")])
    info = ErrorInfo(reason="R", metadata={"currentVersionId": "ver-1"})
    error = from_grpc(GRPCError(Status.INVALID_ARGUMENT, "text", [DebugInfo(), info, bad]))
    assert (error.reason, error.violations) == ("R", (Violation("a.b", "no"),))
    assert error.metadata == {"currentVersionId": "ver-1"}


def test_an_error_without_text_or_details_still_reads():
    """A bare status gives a text, no reason and no violations."""
    error = from_grpc(GRPCError(Status.NOT_FOUND))
    assert error.metadata == {}
    assert (str(error), error.reason, error.violations) == ("NOT_FOUND: the server gave no reason", "", ())


def test_retry_info_tells_how_long_to_wait():
    """RetryInfo gives seconds; without it there are none, and zero is not none."""
    for delay, seconds in ((Duration(seconds=1, nanos=250_000_000), 1.25), (Duration(), 0.0)):
        error = from_grpc(GRPCError(Status.RESOURCE_EXHAUSTED, "text", [RetryInfo(retry_delay=delay)]))
        assert error.retry_seconds == seconds
    assert from_grpc(GRPCError(Status.RESOURCE_EXHAUSTED, "text")).retry_seconds is None
