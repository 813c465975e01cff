"""A session server for AI agents, assembled from plugins. This is what plugin authors import."""

from stigmer.context import MESSAGES, RESPONSE, CallInfo, RequestContext, Slot
from stigmer.errors import (
    AlreadyExists,
    ConfigurationError,
    DataLoss,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Stale,
    StigmerError,
    Unauthenticated,
    Unavailable,
    Violation,
)
from stigmer.hookspecs import Authenticator, hookimpl
from stigmer.identity import SYSTEM, Caller, Clock
from stigmer.kind import Kind
from stigmer.operation import Operation, method
from stigmer.payload import Payload
from stigmer.settings import Settings
from stigmer.step import Placement, Step, after, before, last, remove, replace
from stigmer.store import Document, Owner, Page, Query, Store, Stored, Visible

__all__ = [
    "MESSAGES",
    "RESPONSE",
    "SYSTEM",
    "AlreadyExists",
    "Authenticator",
    "CallInfo",
    "Caller",
    "Clock",
    "ConfigurationError",
    "DataLoss",
    "Document",
    "Internal",
    "InvalidArgument",
    "Kind",
    "NotFound",
    "Operation",
    "OutOfRange",
    "Owner",
    "Page",
    "Payload",
    "PermissionDenied",
    "Placement",
    "Query",
    "RequestContext",
    "ResourceExhausted",
    "Settings",
    "Slot",
    "Stale",
    "Step",
    "StigmerError",
    "Store",
    "Stored",
    "Unauthenticated",
    "Unavailable",
    "Violation",
    "Visible",
    "after",
    "before",
    "hookimpl",
    "last",
    "method",
    "remove",
    "replace",
]
