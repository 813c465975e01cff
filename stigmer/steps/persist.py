"""Persist: makes the new state durable."""

from __future__ import annotations

from typing import Any

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import SlugTaken, Stale
from stigmer.ownership import owner_of_state
from stigmer.payload import Payload
from stigmer.steps.slots import EXISTING, STATE
from stigmer.store import Stored
from stigmer.store.document import make_document

FRAME_BYTES = 64 * 1024
"""A stored resource is smaller than the largest message by this much, so that every answer has room for it."""


class Persist:
    """Commits STATE: as a new resource, or in place of what was loaded unless that changed meanwhile."""

    name = "Persist"
    requires = frozenset({STATE})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE; raises AlreadyExists for a taken id or slug, Stale for a lost race."""
        state = ctx[STATE]
        if state is not None:
            stored = await _write(ctx, state)
            ctx.committed = True
            ctx[RESPONSE] = Payload(ctx.operation.response, wire=stored.wire)


async def _write(ctx: RequestContext, state: Any) -> Stored:
    kind, existing = ctx.operation.kind, ctx.get(EXISTING)
    limit = ctx.max_message_bytes - FRAME_BYTES
    document = make_document(kind, state, owner_of_state(state), max_wire_bytes=limit)
    if existing is not None:
        return await ctx.store.update(kind, document, existing.stored.revision)
    try:
        return await ctx.store.insert(kind, document)
    except SlugTaken:
        if EXISTING in ctx:  # it was free when an apply looked: what the winner stored is what this apply is about
            raise Stale from None
        raise
