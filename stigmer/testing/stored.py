"""Sessions as a store gets them, for tests of stores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from protobuf.wkt import Timestamp

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata, ApiResourceMetadataVersion
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import (
    ApiResourceAudit,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
)
from stigmer.kind import Kind
from stigmer.ownership import ORGANIZATION
from stigmer.session.kind import SESSION
from stigmer.store import Document, Owner, Query, Store
from stigmer.store.document import make_document

OTHER = Kind.of(ApiResourceKind.agent, Session, indexed={})
"""A second kind, to see that one kind's resources are not another's."""
KINDS = (SESSION, OTHER)
"""What a store under test is opened for."""
ACME = Owner(ORGANIZATION, "acme")
OTHERS = Owner(ORGANIZATION, "others")


def make_stored_session(
    id_: str,
    *,
    slug: str = "",
    owner: Owner = ACME,
    agent: str = "ain-1",
    tags: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    subject: str = "",
    kind: Kind[Any] = SESSION,
    name: str = "",
    thread: str = "",
    created: int = 0,
    updated: int = 0,
    version: str = "",
) -> Document:
    """A session as it is written; the slug is made from the id when it is left out, times are microseconds since 1970."""
    metadata = ApiResourceMetadata(
        id=id_,
        name=name,
        slug=slug or f"slug-of-{id_.lower()}",
        org=owner.id,
        owner_scope=ORGANIZATION,
        tags=list(tags),
        labels=dict(labels or {}),
        version=ApiResourceMetadataVersion(id=version) if version else None,
    )
    spec = SessionSpec(agent_instance_id=agent, subject=subject, thread_id=thread)
    return make_document(kind, Session(metadata=metadata, spec=spec, status=_status(created, updated)), owner)


def _status(created: int, updated: int) -> ApiResourceAuditStatus | None:
    if not (created or updated):
        return None
    info = ApiResourceAuditInfo(created_at=_timestamp(created), updated_at=_timestamp(updated))
    return ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=info))


def _timestamp(microseconds: int) -> Timestamp | None:
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000) if microseconds else None


async def read_all(store: Store, query: Query, kind: Kind[Any] = SESSION) -> list[bytes]:
    """The wire bytes of everything that the query selects, page by page."""
    found: list[bytes] = []
    while True:
        page = await store.page(kind, query)
        found += [entry.wire for entry in page.entries]
        if not page.more:
            return found
        query = dataclasses.replace(query, after=page.end)
