"""Persist: makes the new state durable."""

from __future__ import annotations

from typing import Any

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import IdTaken, OwnerFull, SlugTaken, Stale
from stigmer.ownership import owner_of, owner_of_state
from stigmer.payload import Payload
from stigmer.steps.causing import answer_of, cause_of
from stigmer.steps.slots import EXISTING, MOST, SLUG, STATE, Existing
from stigmer.store import Document, Query, Visible
from stigmer.store.document import ANSWER_BYTES, MAX_WIRE_BYTES, make_document


class Persist:
    """Commits STATE: as a new resource, or in place of what was loaded unless that changed meanwhile.

    A STATE of None changes nothing: the answer is what was loaded. A call that only validates gets what would be stored.
    """

    name = "Persist"
    requires = frozenset({STATE})
    provides = frozenset({RESPONSE})
    commits = True

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE; raises AlreadyExists for a taken id or slug, Stale for a lost race, OwnerFull beyond MOST."""
        state, existing = ctx[STATE], ctx.get(EXISTING)
        if state is None and existing is not None:
            wire = existing.stored.wire
            await _leave(ctx, wire)
        else:
            document = _document(ctx, state)
            wire = document.wire
            if ctx.validate_only:
                await _rehearse(ctx, document, existing)
            else:
                await _write(ctx, document, existing)
                ctx.committed = True
        ctx.rehearsed = ctx.validate_only
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=wire)


def _document(ctx: RequestContext, state: Any) -> Document:
    limit = min(ctx.max_message_bytes - ANSWER_BYTES, MAX_WIRE_BYTES)
    return make_document(ctx.operation.kind, state, owner_of_state(state), max_wire_bytes=limit)


async def _leave(ctx: RequestContext, wire: bytes) -> None:
    """Writes nothing but, where one is to be remembered, the answer."""
    answer = answer_of(ctx, wire)
    if answer is not None:
        await ctx.store.remember(answer)


async def _rehearse(ctx: RequestContext, document: Document, existing: Existing | None) -> None:
    """Refuses what the store would refuse."""
    kind = ctx.operation.kind
    if existing is None:
        if await ctx.store.id_used(kind, document.id):
            raise IdTaken(kind, document.id)
        if await ctx.store.find(kind, document.owner, document.slug) is not None:
            raise SlugTaken(kind, document.slug)
        await _check_room(ctx, document)


async def _check_room(ctx: RequestContext, document: Document) -> None:
    most = ctx.get(MOST)
    if most is not None:
        of_owner = Query(visible=Visible(owners=frozenset({document.owner})), limit=1)
        if (await ctx.store.page(ctx.operation.kind, of_owner)).total >= most:
            raise OwnerFull(ctx.operation.kind, document.owner.id, most)


async def _write(ctx: RequestContext, document: Document, existing: Existing | None) -> None:
    kind, cause = ctx.operation.kind, cause_of(ctx, document.wire)
    if existing is not None:
        await ctx.store.update(kind, document, existing.stored.revision, cause)
        return
    try:
        await ctx.store.insert(kind, document, cause, ctx.get(MOST))
    except SlugTaken:
        if EXISTING in ctx and _is_what_was_looked_for(ctx, document):
            raise Stale from None  # it was free when the apply looked: what the winner stored is what it is about
        raise


def _is_what_was_looked_for(ctx: RequestContext, document: Document) -> bool:
    """Whether Load looked for this very slug; a step may have changed the state since."""
    return document.slug == ctx.get(SLUG) and document.owner == owner_of(ctx.request.metadata, ctx.caller)
