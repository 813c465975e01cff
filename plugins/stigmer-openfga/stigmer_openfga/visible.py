"""Lists: Authorize names what the caller may see, and the store counts and pages nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from stigmer import Owner, RequestContext, Visible
from stigmer.ownership import IDENTITY_ACCOUNT, ORGANIZATION
from stigmer.steps import LOOK_AGAIN, VISIBLE
from stigmer_openfga.authorize import caller_of
from stigmer_openfga.client import Client
from stigmer_openfga.names import id_of

GRANTED = "granted"
"""Relation to a resource: seen for a reason of its own, neither as the caller's own nor with all of an organization's."""

_KEPT = 1000
"""So many callers are remembered; the one who has not listed for the longest is forgotten first."""


class Sight:
    """Asks what callers may see, and remembers it for as long as that is allowed.

    Three parts make it up: resources granted one by one, organizations all of whose resources are seen, and what is the
    caller's own, which the store knows by itself. Together they are exactly ``can_view``.
    """

    def __init__(self, client: Client, *, fresh: bool, keep_seconds: float = 0.0) -> None:
        self._client = client
        self._fresh = fresh
        self._keep_seconds = keep_seconds
        self._kept: OrderedDict[tuple[str, str], tuple[float, Visible]] = OrderedDict()
        self._forgotten = 0

    async def of(self, ctx: RequestContext) -> Visible:
        """What the caller may see of the operation's kind: now, or not longer ago than is allowed.

        Raises:
            NoAnswer: that cannot be told now.
        """
        key, began, forgotten = (ctx.operation.kind.key, caller_of(ctx)), time.monotonic(), self._forgotten
        kept = self._kept.get(key)
        if kept is not None and began < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        visible = await self._ask(ctx, *key)
        if self._keep_seconds and forgotten == self._forgotten:
            self._kept[key] = began + self._keep_seconds, visible
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return visible

    def forget(self, ctx: RequestContext) -> None:
        """The caller has just got something to see: what is remembered, or being asked, is out of date."""
        self._forgotten += 1
        self._kept.pop((ctx.operation.kind.key, caller_of(ctx)), None)

    async def _ask(self, ctx: RequestContext, kind: str, caller: str) -> Visible:
        ids, organizations = await asyncio.gather(
            self._objects(ctx, kind, GRANTED, caller), self._objects(ctx, "organization", f"{kind}_viewer", caller)
        )
        owners = {Owner(ORGANIZATION, id_) for id_ in organizations} | {Owner(IDENTITY_ACCOUNT, ctx.caller.id)}
        return Visible(frozenset(owners), frozenset(ids))

    async def _objects(self, ctx: RequestContext, type_: str, relation: str, caller: str) -> list[str]:
        found = await self._client.objects(type_, relation, caller, fresh=self._fresh, deadline=ctx.info.deadline)
        return [id_of(name) for name in found]


class AuthorizeList:
    """Fills VISIBLE, before the page is loaded; and LOOK_AGAIN, for answers that go on."""

    name = "Authorize"
    provides = frozenset({LOOK_AGAIN, VISIBLE})

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills both."""
        ctx[VISIBLE] = await self._sight.of(ctx)
        ctx[LOOK_AGAIN] = lambda: self._sight.of(ctx)
