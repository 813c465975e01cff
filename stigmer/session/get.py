"""session.get: answer one session by id."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import query_pb
from stigmer.operation import Operation, method
from stigmer.rules import known_read_mask
from stigmer.session.kind import SESSION
from stigmer.steps import LoadTarget, ValidateProto

GET = Operation(
    method(query_pb.desc(), "SessionQueryController", "get"),
    SESSION,
    steps=(ValidateProto(known_read_mask), LoadTarget()),
)
