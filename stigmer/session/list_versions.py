"""session.list_versions: page through what a session was before."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import history_pb
from stigmer.operation import Operation, method
from stigmer.session.kind import SESSION
from stigmer.steps import BuildVersionsResponse, ListVersions, ValidateProto

LIST_VERSIONS = Operation(
    method(history_pb.desc(), "SessionHistoryController", "listVersions"),
    SESSION,
    steps=(ValidateProto(), ListVersions(), BuildVersionsResponse()),
)
