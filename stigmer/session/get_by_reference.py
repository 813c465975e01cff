"""session.get_by_reference: answer one session by owner and slug."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import query_pb
from stigmer.operation import Operation, method
from stigmer.rules import reference_kind, reference_scope, reference_slug
from stigmer.session.kind import SESSION
from stigmer.steps import LoadByReference, ValidateProto

GET_BY_REFERENCE = Operation(
    method(query_pb.desc(), "SessionQueryController", "getByReference"),
    SESSION,
    steps=(ValidateProto(reference_slug, reference_kind, reference_scope), LoadByReference()),
)
