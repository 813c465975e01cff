"""How a call can fail, as the client sees it: one class for each gRPC status that the server answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpclib.const import Status
from grpclib.exceptions import GRPCError


class Violation(NamedTuple):
    """One rule that the request breaks."""

    field: str
    text: str


class SessionError(Exception):
    """A call failed. The status tells what can be done about it; catch a subclass to act on one.

    Attributes:
        status: the gRPC status.
        text: what the server says, or what happened here when it never answered.
        reason: UPPER_SNAKE name of the exact cause, such as ``SESSION_NOT_FOUND``; empty when the server gave none.
        violations: the broken rules, in the order of the fields; empty unless the request was invalid.
        metadata: what belongs to the reason, by name, such as ``currentVersionId`` to ``VERSION_NOT_CURRENT``.
        retry_seconds: the server asks not to make the call again before; None when it says nothing of that.
    """

    def __init__(
        self,
        text: str,
        *,
        status: Status = Status.UNKNOWN,
        reason: str = "",
        violations: Iterable[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_seconds = retry_seconds

    def __str__(self) -> str:
        return f"{self.status.name}: {self.text}"


class InvalidArgument(SessionError):
    """The request breaks the rules in ``violations``."""


class NotFound(SessionError):
    """There is no such session."""


class AlreadyExists(SessionError):
    """The id or the slug is taken."""


class PermissionDenied(SessionError):
    """The caller may not do this, or there is nothing there that the caller may see."""


class Unauthenticated(SessionError):
    """The server wants to know who calls, and was not told or does not believe it."""


class ResourceExhausted(SessionError):
    """A message is too large, the server is full, or calls come too fast: then ``retry_seconds`` tells how long to wait."""


class Aborted(SessionError):
    """Others changed the session meanwhile: read it again. ``metadata`` tells which version of it is the current one."""


class DeadlineExceeded(SessionError):
    """No answer came in time. A write may have happened, or may yet."""


class OutOfRange(SessionError):
    """What was asked for is no longer kept: a watch has to begin anew, with a list."""


class Unavailable(SessionError):
    """The server cannot answer now; trying again later helps."""


class Unreachable(Unavailable):
    """No connection could be made: nothing was sent."""


class ConnectionLost(Unavailable):
    """The connection broke before the answer came. A write may have happened."""


class DataLoss(SessionError):
    """What is stored is damaged."""


_CLASSES: Mapping[Status, type[SessionError]] = {
    Status.INVALID_ARGUMENT: InvalidArgument,
    Status.NOT_FOUND: NotFound,
    Status.ALREADY_EXISTS: AlreadyExists,
    Status.PERMISSION_DENIED: PermissionDenied,
    Status.UNAUTHENTICATED: Unauthenticated,
    Status.RESOURCE_EXHAUSTED: ResourceExhausted,
    Status.ABORTED: Aborted,
    Status.DEADLINE_EXCEEDED: DeadlineExceeded,
    Status.OUT_OF_RANGE: OutOfRange,
    Status.UNAVAILABLE: Unavailable,
    Status.DATA_LOSS: DataLoss,
}


def from_grpc(error: GRPCError) -> SessionError:
    """The typed form of what the server answered, with what its ``google.rpc`` details tell."""
    details: list[Any] = list(error.details or ())
    info = next((detail for detail in details if isinstance(detail, ErrorInfo)), ErrorInfo())
    retry = next((detail.retry_delay for detail in details if isinstance(detail, RetryInfo)), None)
    return _CLASSES.get(error.status, SessionError)(
        error.message or "the server gave no reason",
        status=error.status,
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_seconds=None if retry is None else retry.ToMicroseconds() / 1_000_000,
        violations=[
            Violation(violation.field, violation.description)
            for detail in details
            if isinstance(detail, BadRequest)
            for violation in detail.field_violations
        ],
    )
