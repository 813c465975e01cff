"""LoadTargets: the resources that a batch get means."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import NotFound, ResourceExhausted
from stigmer.payload import Payload
from stigmer.steps.answering import side_by_side


class LoadTargets:
    """Answers the stored bytes of the resources with the request's ids, each in the place of its id, all or none."""

    name = "LoadTargets"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE, or raises NotFound for the first id that is unknown; ResourceExhausted when it is too much."""
        kind, ids = ctx.operation.kind, list(ctx.request.ids)
        found = await ctx.store.get_many(kind, list(dict.fromkeys(ids)))
        entries = []
        for id_ in ids:
            stored = found.get(id_)
            if stored is None:
                raise NotFound(kind, id_)
            entries.append(stored)
        wire = side_by_side(ctx, entries)
        if len(wire) > ctx.max_message_bytes:
            text = (
                f"the answer is too large: {len(wire)} bytes, at most {ctx.max_message_bytes} are sent; ask for fewer at once"
            )
            raise ResourceExhausted(text, reason="ANSWER_TOO_LARGE")
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=wire)
