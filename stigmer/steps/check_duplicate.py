"""CheckDuplicate: the slug, and a client's own id, are free."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import IdTaken, SlugTaken
from stigmer.ownership import owner_of
from stigmer.steps.slots import SLUG


class CheckDuplicate:
    """Refuses early what the store's unique index would refuse at the end, before other steps have done anything.

    Of several that pass here at once, the index lets one through.
    """

    name = "CheckDuplicate"
    requires = frozenset({SLUG})
    foresees = True

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises AlreadyExists when one of them is taken."""
        kind, metadata = ctx.operation.kind, ctx.request.metadata
        if metadata.id and await ctx.store.id_used(kind, metadata.id):
            raise IdTaken(kind, metadata.id)
        if await ctx.store.find(kind, owner_of(metadata, ctx.caller), ctx[SLUG]) is not None:
            raise SlugTaken(kind, ctx[SLUG])
