"""session.create: store a new session under a slug that is free."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb
from stigmer.operation import Operation, method
from stigmer.rules import name_or_slug, own_id
from stigmer.session.kind import SESSION
from stigmer.steps import BuildNewState, CheckDuplicate, Persist, ResolveSlug, ValidateProto

CREATE = Operation(
    method(command_pb.desc(), "SessionCommandController", "create"),
    SESSION,
    steps=(
        ValidateProto(own_id, name_or_slug),
        ResolveSlug(),
        CheckDuplicate(),
        BuildNewState(),
        Persist(),
    ),
)
