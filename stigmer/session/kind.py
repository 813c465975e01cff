"""The kind ``session``: a conversation of many turns between a person and an agent instance."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.kind import Kind


def _agent_instance_id(session: Session) -> str:
    return session.spec.agent_instance_id if session.spec is not None else ""


def _subject(session: Session) -> str:
    return session.spec.subject if session.spec is not None else ""


def _thread_id(session: Session) -> str:
    return session.spec.thread_id if session.spec is not None else ""


SESSION = Kind.of(
    ApiResourceKind.session,
    Session,
    indexed={"agent_instance_id": _agent_instance_id, "subject": _subject, "thread_id": _thread_id},
    searched=("name", "subject"),
)
