"""Which organization a call is about."""

from __future__ import annotations

from typing import Any

from stigmer import RESPONSE, RequestContext
from stigmer.ownership import ORGANIZATION
from stigmer.steps import EXISTING, Existing


async def organization_of(ctx: RequestContext) -> str:
    """The organization that owns what the call is about; empty when an account does, or nobody.

    What was loaded says so; else what is to be created; else the reference; else what is answered, or would be in full.
    """
    existing = ctx.get(EXISTING)
    if existing is not None:
        return _owner(existing.message.metadata)
    request = ctx.request
    if hasattr(request, "metadata"):
        return _owner(request.metadata)
    if hasattr(request, "org"):
        return str(request.org)
    metadata = ctx[RESPONSE].message.metadata
    if request.read_mask is None:
        return _owner(metadata)
    kind = ctx.operation.kind
    stored = await ctx.store.get(kind, request.value)
    return "" if stored is None else _owner(Existing.of(kind, stored).message.metadata)


def _owner(metadata: Any) -> str:
    return metadata.org if metadata is not None and metadata.owner_scope in {ORGANIZATION, 0} else ""
