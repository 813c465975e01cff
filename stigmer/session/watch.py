"""session.watch: tell what happens to sessions, as it happens."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1 import watch_pb
from stigmer.operation import Operation, method
from stigmer.rules import known_filter, known_read_mask
from stigmer.session.kind import SESSION
from stigmer.steps import ValidateProto, WatchChanges

WATCH = Operation(
    method(watch_pb.desc(), "SessionWatchController", "watch"),
    SESSION,
    steps=(ValidateProto(known_filter, known_read_mask), WatchChanges("agent_instance_id")),
)
