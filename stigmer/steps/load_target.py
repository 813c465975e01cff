"""LoadTarget: the resource that a get means."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import NotFound
from stigmer.payload import Payload


class LoadTarget:
    """Answers the stored bytes of the resource with the request's id."""

    name = "LoadTarget"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE, or raises NotFound."""
        kind, id_ = ctx.operation.kind, ctx.request.value
        stored = await ctx.store.get(kind, id_)
        if stored is None:
            raise NotFound(kind, id_)
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=stored.wire)
