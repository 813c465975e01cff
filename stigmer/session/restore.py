"""session.restore: make a session what it was in an earlier version."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import history_pb
from stigmer.operation import Operation, method
from stigmer.session.kind import SESSION
from stigmer.steps import BuildRestoredState, LoadForRestore, Persist, ValidateProto

RESTORE = Operation(
    method(history_pb.desc(), "SessionHistoryController", "restore"),
    SESSION,
    steps=(ValidateProto(), LoadForRestore(), BuildRestoredState(), Persist()),
    restart_at="LoadForRestore",
)
