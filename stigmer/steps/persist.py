"""Persist: makes the new state durable."""

from __future__ import annotations

from typing import Any

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import SlugTaken, Stale
from stigmer.ownership import owner_of, owner_of_state
from stigmer.payload import Payload
from stigmer.steps.slots import EXISTING, SLUG, STATE
from stigmer.store import Document, Stored
from stigmer.store.document import ANSWER_BYTES, MAX_WIRE_BYTES, make_document


class Persist:
    """Commits STATE: as a new resource, or in place of what was loaded unless that changed meanwhile.

    A STATE of None changes nothing: the answer is what was loaded.
    """

    name = "Persist"
    requires = frozenset({STATE})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE; raises AlreadyExists for a taken id or slug, Stale for a lost race."""
        state, existing = ctx[STATE], ctx.get(EXISTING)
        if state is None and existing is not None:
            stored = existing.stored
        else:
            stored = await _write(ctx, state)
            ctx.committed = True
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=stored.wire)


async def _write(ctx: RequestContext, state: Any) -> Stored:
    kind, existing = ctx.operation.kind, ctx.get(EXISTING)
    limit = min(ctx.max_message_bytes - ANSWER_BYTES, MAX_WIRE_BYTES)
    document = make_document(kind, state, owner_of_state(state), max_wire_bytes=limit)
    if existing is not None:
        return await ctx.store.update(kind, document, existing.stored.revision)
    try:
        return await ctx.store.insert(kind, document)
    except SlugTaken:
        if EXISTING in ctx and _is_what_was_looked_for(ctx, document):
            raise Stale from None  # it was free when the apply looked: what the winner stored is what it is about
        raise


def _is_what_was_looked_for(ctx: RequestContext, document: Document) -> bool:
    """Whether Load looked for this very slug; a step may have changed the state since."""
    return document.slug == ctx.get(SLUG) and document.owner == owner_of(ctx.request.metadata, ctx.caller)
