"""FilterByAgentInstance: the page of one agent instance's sessions."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.steps.paging import load_page
from stigmer.steps.slots import PAGE


class FilterByAgentInstance:
    """Loads a page of the sessions whose ``spec.agent_instance_id`` is the request's ``agent_id``."""

    name = "FilterByAgentInstance"
    provides = frozenset({PAGE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills PAGE."""
        ctx[PAGE] = await load_page(ctx, {"agent_instance_id": ctx.request.agent_id})
