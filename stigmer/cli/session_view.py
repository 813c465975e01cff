"""Sessions as people read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import ApiResourceAuditInfo
from stigmer.cli.output import print_table

COLUMNS = ("ID", "NAME", "SLUG", "OWNER", "AGENT INSTANCE", "SUBJECT", "CREATED")


def print_sessions(sessions: Iterable[Session], *, header: bool = True) -> None:
    """Prints a table, a row for each session."""
    print_table(COLUMNS, [_row(session) for session in sessions], header=header)


def print_session(session: Session) -> None:
    """Prints one session, a row for each field that is set."""
    metadata, spec = session.metadata or ApiResourceMetadata(), session.spec or SessionSpec()
    audit = _audit(session)
    rows = [
        *zip(COLUMNS, _row(session), strict=True),
        ("UPDATED", f"{_moment(audit.updated_at)} {audit.updated_by.id if audit.updated_by else ''}".strip()),
        ("THREAD", spec.thread_id),
        ("SANDBOX", spec.sandbox_id),
        ("TAGS", ", ".join(metadata.tags)),
        ("LABELS", _pairs(metadata.labels)),
        ("ANNOTATIONS", _pairs(metadata.annotations)),
        ("METADATA", _pairs(spec.metadata)),
    ]
    print_table(("FIELD", "VALUE"), [row for row in rows if row[1]], header=False)


def _row(session: Session) -> tuple[str, ...]:
    metadata, spec = session.metadata or ApiResourceMetadata(), session.spec or SessionSpec()
    created = _moment(_audit(session).created_at)
    return (metadata.id, metadata.name, metadata.slug, _owner(session), spec.agent_instance_id, spec.subject, created)


def _owner(session: Session) -> str:
    """The organization or, of a session of an identity account, who created it."""
    metadata = session.metadata or ApiResourceMetadata()
    if metadata.owner_scope == ApiResourceOwnerScope.organization:
        return f"org {metadata.org}"
    creator = _audit(session).created_by
    return f"account {creator.id}" if creator is not None else "account"


def _audit(session: Session) -> ApiResourceAuditInfo:
    audit = session.status.audit if session.status is not None else None
    info = audit.spec_audit if audit is not None else None
    return info if info is not None else ApiResourceAuditInfo()


def _moment(timestamp: object) -> str:
    """UTC to the second; empty when there is none, or none that a calendar has."""
    seconds = getattr(timestamp, "seconds", None)
    if seconds is None:
        return ""
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s"


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={pairs[key]}" for key in sorted(pairs))
