"""LoadTarget: the resource that a get means."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import NotFound
from stigmer.payload import Payload
from stigmer.steps.answering import mask_of, narrowed


class LoadTarget:
    """Answers the stored bytes of the resource with the request's id, or what its read mask names of them."""

    name = "LoadTarget"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE, or raises NotFound."""
        kind, id_ = ctx.operation.kind, ctx.request.value
        stored = await ctx.store.get(kind, id_)
        if stored is None:
            raise NotFound(kind, id_)
        wire = stored.wire if ctx.request.read_mask is None else narrowed(kind, mask_of(ctx), stored.wire)
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=wire)
