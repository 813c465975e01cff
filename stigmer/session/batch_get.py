"""session.batch_get: answer several sessions by id."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import query_pb
from stigmer.operation import Operation, method
from stigmer.rules import known_read_mask
from stigmer.session.kind import SESSION
from stigmer.steps import LoadTargets, ValidateProto

BATCH_GET = Operation(
    method(query_pb.desc(), "SessionQueryController", "batchGet"),
    SESSION,
    steps=(ValidateProto(known_read_mask), LoadTargets()),
)
