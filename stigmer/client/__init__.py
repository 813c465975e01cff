"""A typed asyncio client for stigmer servers."""

from stigmer.client._proto.ai.stigmer.agentic.session.v1 import Session, SessionList, SessionSpec
from stigmer.client._proto.ai.stigmer.commons.apiresource import (
    ApiResourceAudit,
    ApiResourceAuditActor,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
    ApiResourceMetadata,
    ApiResourceMetadataVersion,
    ApiResourceOwnerScope,
    ApiResourceReference,
)
from stigmer.client._proto.ai.stigmer.commons.apiresource.apiresourcekind import ApiResourceKind
from stigmer.client.errors import (
    Aborted,
    AlreadyExists,
    ConnectionLost,
    DataLoss,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    SessionError,
    Unauthenticated,
    Unavailable,
    Unreachable,
    Violation,
)
from stigmer.client.sessions import Selection, SessionClient

__all__ = [
    "Aborted",
    "AlreadyExists",
    "ApiResourceAudit",
    "ApiResourceAuditActor",
    "ApiResourceAuditInfo",
    "ApiResourceAuditStatus",
    "ApiResourceKind",
    "ApiResourceMetadata",
    "ApiResourceMetadataVersion",
    "ApiResourceOwnerScope",
    "ApiResourceReference",
    "ConnectionLost",
    "DataLoss",
    "DeadlineExceeded",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "Selection",
    "Session",
    "SessionClient",
    "SessionError",
    "SessionList",
    "SessionSpec",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Violation",
]
