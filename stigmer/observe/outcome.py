"""How a call ended, as a gRPC status: what logs, spans and metrics have in common."""

from __future__ import annotations

import asyncio
import time

from stigmer.context import RequestContext
from stigmer.errors import StigmerError

OK = 0
CANCELLED = 1
UNKNOWN = 2
DEADLINE_EXCEEDED = 4
INTERNAL = 13

_TIMER_SLACK = 0.005
"""A timer may go off this much early, in seconds: event loops count in milliseconds."""

STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of ``google.rpc.Code``, by number."""


def status_of(ctx: RequestContext, error: BaseException) -> int:
    """The number in ``google.rpc.Code`` with which ``error`` ends the call."""
    if isinstance(error, StigmerError):
        return error.code if 0 < error.code < len(STATUS_NAMES) else UNKNOWN
    if isinstance(error, asyncio.CancelledError):
        deadline = ctx.info.deadline
        return DEADLINE_EXCEEDED if deadline is not None and time.monotonic() >= deadline - _TIMER_SLACK else CANCELLED
    return INTERNAL
