"""session.apply: create the session, or update the one that its id or slug names."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb
from stigmer.operation import Operation, method
from stigmer.rules import name_or_slug_without_id
from stigmer.session.kind import SESSION
from stigmer.steps import BuildApplyState, LoadForApply, Persist, ResolveSlug, ValidateProto

APPLY = Operation(
    method(command_pb.desc(), "SessionCommandController", "apply"),
    SESSION,
    steps=(
        ValidateProto(name_or_slug_without_id, unset_scope_passes=True),
        ResolveSlug(),
        LoadForApply(),
        BuildApplyState(),
        Persist(),
    ),
    restart_at="LoadForApply",
)
