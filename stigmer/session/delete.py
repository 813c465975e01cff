"""session.delete: remove a session for good and answer what it was."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb
from stigmer.operation import Operation, method
from stigmer.session.kind import SESSION
from stigmer.steps import DeleteResource, ExtractResourceId, LoadExistingForDelete, ValidateProto

DELETE = Operation(
    method(command_pb.desc(), "SessionCommandController", "delete"),
    SESSION,
    steps=(
        ValidateProto(),
        ExtractResourceId(),
        LoadExistingForDelete(),
        DeleteResource(),
    ),
    restart_at="LoadExistingForDelete",
)
