"""Sessions as a store gets them, for tests of stores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
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
) -> Document:
    """A session as it is written; the slug is made from the id when it is left out."""
    metadata = ApiResourceMetadata(
        id=id_,
        slug=slug or f"slug-of-{id_.lower()}",
        org=owner.id,
        owner_scope=ORGANIZATION,
        tags=list(tags),
        labels=dict(labels or {}),
    )
    spec = SessionSpec(agent_instance_id=agent, subject=subject)
    return make_document(kind, Session(metadata=metadata, spec=spec), owner)


async def read_all(store: Store, query: Query, kind: Kind[Any] = SESSION) -> list[bytes]:
    """The wire bytes of everything that the query selects, page by page."""
    found: list[bytes] = []
    while True:
        page = await store.page(kind, query)
        found += [entry.wire for entry in page.entries]
        if not page.more:
            return found
        query = dataclasses.replace(query, after=page.entries[-1].sequence)
