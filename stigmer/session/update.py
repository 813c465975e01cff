"""session.update: replace the spec of a stored session; identity, owner and status stay."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb
from stigmer.operation import Operation, method
from stigmer.rules import name_or_slug_without_id, spec_given
from stigmer.session.kind import SESSION
from stigmer.steps import BuildUpdateState, LoadExisting, Persist, ResolveSlug, ValidateProto

UPDATE = Operation(
    method(command_pb.desc(), "SessionCommandController", "update"),
    SESSION,
    steps=(
        ValidateProto(name_or_slug_without_id, spec_given, unset_scope_passes=True),
        ResolveSlug(),
        LoadExisting(),
        BuildUpdateState(),
        Persist(),
    ),
    restart_at="LoadExisting",
)
