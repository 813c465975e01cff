"""Authorize: lets nobody do what they may not, and tells nobody what they may not know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stigmer import RESPONSE, SYSTEM, PermissionDenied, RequestContext, Unauthenticated
from stigmer.steps import EXISTING
from stigmer_openfga.client import Relation
from stigmer_openfga.coalesce import Checks
from stigmer_openfga.names import entity, user
from stigmer_openfga.requirement import Requirement, needs_nothing_more

_READS = frozenset({"can_view", "can_view_access"})


class Gate:
    """Asks for permissions on behalf of callers."""

    def __init__(self, checks: Checks, *, fresh_reads: bool) -> None:
        self._checks = checks
        self._fresh_reads = fresh_reads

    async def permits(self, ctx: RequestContext, permission: str, object_: str | None) -> bool:
        """Whether the caller holds ``permission`` on ``object_``; on None nobody does.

        Raises:
            NoAnswer: that cannot be told now.
        """
        caller = caller_of(ctx)
        if object_ is None:
            return False
        fresh = self._fresh_reads or permission not in _READS
        return await self._checks.allowed(Relation(caller, permission, object_), fresh=fresh, deadline=ctx.info.deadline)

    async def require_all(self, ctx: RequestContext, requirement: Requirement, objects: Sequence[str | None]) -> None:
        """Raises PermissionDenied unless the caller holds what is required on each of ``objects``, asked about at once."""
        asked = [self.require(ctx, requirement, object_) for object_ in objects]
        if len(asked) == 1:
            await asked[0]
            return
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if answer is not None:
                raise answer

    async def require(self, ctx: RequestContext, requirement: Requirement, object_: str | None) -> None:
        """Raises PermissionDenied unless the caller holds what is required on ``object_``."""
        if not await self.permits(ctx, requirement.permission, object_):
            raise PermissionDenied(requirement.refusal)


def caller_of(ctx: RequestContext) -> str:
    """The caller's name in OpenFGA.

    Raises:
        Unauthenticated: the caller can have none.
    """
    name = user(ctx.caller.id)
    if name is None or ctx.caller.id == SYSTEM.id:
        raise Unauthenticated("the caller has no id, or one that is too long or that nobody can have")
    return name


class AuthorizeRequest:
    """For rpcs whose request names the resource, or several."""

    name = "Authorize"

    def __init__(self, gate: Gate, requirement: Requirement) -> None:
        self._gate = gate
        self._requirement = requirement

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises PermissionDenied."""
        await self._gate.require_all(ctx, self._requirement, self._requirement.objects_in(ctx.request))


class AuthorizeCreate(AuthorizeRequest):
    """For rpcs that create: in an organization that takes a permission, of one's own it takes nothing."""

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises PermissionDenied; InvalidArgument when an organization's resource names no organization."""
        caller_of(ctx)
        if not needs_nothing_more(ctx, self._requirement):
            await super().__call__(ctx)


class AuthorizeExisting:
    """For rpcs that change what was loaded, also when they name it by slug."""

    name = "Authorize"
    requires = frozenset({EXISTING})

    def __init__(self, gate: Gate, change: Requirement) -> None:
        self._gate = gate
        self._change = change

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises PermissionDenied."""
        existing = ctx[EXISTING]
        if existing is not None:
            object_ = entity(ctx.operation.kind.key, existing.message.metadata.id)
            await self._gate.require(ctx, self._change, object_)


class AuthorizeApply(AuthorizeExisting):
    """For rpcs that change what was loaded or, when there was nothing, create.

    Both are refused with one text: which of the two it would have been tells whether the resource exists.
    """

    def __init__(self, gate: Gate, change: Requirement, create: Requirement) -> None:
        super().__init__(gate, change)
        self._create = create

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises PermissionDenied."""
        caller_of(ctx)
        if ctx[EXISTING] is not None:
            await super().__call__(ctx)
        elif not needs_nothing_more(ctx, self._create) and not await self._may_create(ctx):
            raise PermissionDenied(self._change.refusal)

    async def _may_create(self, ctx: RequestContext) -> bool:
        return await self._gate.permits(ctx, self._create.permission, self._create.object_in(ctx.request))


class AuthorizeAnswer:
    """For rpcs that find the resource otherwise: decided on what they found."""

    name = "Authorize"
    requires = frozenset({RESPONSE})

    def __init__(self, gate: Gate, requirement: Requirement) -> None:
        self._gate = gate
        self._requirement = requirement

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises PermissionDenied."""
        id_ = ctx[RESPONSE].message.metadata.id
        await self._gate.require(ctx, self._requirement, entity(ctx.operation.kind.key, id_))
