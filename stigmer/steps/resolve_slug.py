"""ResolveSlug: the slug that the request means."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.slug import slugify
from stigmer.steps.slots import SLUG


class ResolveSlug:
    """Takes the client's own slug, or makes one from the name."""

    name = "ResolveSlug"
    provides = frozenset({SLUG})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills SLUG."""
        metadata = ctx.request.metadata
        ctx[SLUG] = metadata.slug or slugify(metadata.name)
