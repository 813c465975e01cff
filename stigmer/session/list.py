"""session.list: page through all sessions."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import query_pb
from stigmer.operation import Operation, method
from stigmer.rules import known_read_mask, known_selection
from stigmer.session.kind import SESSION
from stigmer.steps import BuildListResponse, ListAll, ValidateProto

LIST = Operation(
    method(query_pb.desc(), "SessionQueryController", "list"),
    SESSION,
    steps=(ValidateProto(known_selection, known_read_mask), ListAll(), BuildListResponse()),
)
