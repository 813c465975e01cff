"""session.list_by_agent: page through the sessions of one agent instance."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import query_pb
from stigmer.operation import Operation, method
from stigmer.rules import known_read_mask, known_selection
from stigmer.session.kind import SESSION
from stigmer.session.steps.filter_by_agent_instance import FilterByAgentInstance
from stigmer.steps import BuildListResponse, ValidateProto

LIST_BY_AGENT = Operation(
    method(query_pb.desc(), "SessionQueryController", "listByAgent"),
    SESSION,
    steps=(ValidateProto(known_selection, known_read_mask), FilterByAgentInstance(), BuildListResponse()),
)
