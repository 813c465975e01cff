"""ExtractResourceId: the id of the resource that a delete means."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.steps.slots import RESOURCE_ID


class ExtractResourceId:
    """Takes the id out of the request."""

    name = "ExtractResourceId"
    provides = frozenset({RESOURCE_ID})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESOURCE_ID."""
        ctx[RESOURCE_ID] = ctx.request.value
