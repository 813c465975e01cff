"""ListAll: the page that a list asks for."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.steps.paging import load_page
from stigmer.steps.slots import PAGE


class ListAll:
    """Loads a page of all resources, or of those that carry all the request's tags."""

    name = "ListAll"
    provides = frozenset({PAGE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills PAGE."""
        ctx[PAGE] = await load_page(ctx, {}, tuple(dict.fromkeys(ctx.request.tags)))
