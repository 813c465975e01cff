"""The tuples that a resource brings with it: written before it is stored, taken away after it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from stigmer import SYSTEM, AlreadyExists, RequestContext, Slot
from stigmer.ownership import ORGANIZATION, owner_of_state
from stigmer.steps import EXISTING, STATE, Existing
from stigmer_openfga.client import Client, Relation
from stigmer_openfga.connection import Refused
from stigmer_openfga.names import entity, user
from stigmer_openfga.visible import Sight

POLICIES: Slot[Sequence[Relation]] = Slot("policies")
"""The tuples that were written for a resource that is about to be stored."""

RESERVED = "reserved"
_SERVER = "server:stigmer"


def policies_of(kind: str, state: Any) -> list[Relation]:
    """The tuples that a resource must have: whose it is, and who made it.

    What was made while nobody was told apart belongs to nobody: an organization's still is the organization's.
    """
    object_ = entity(kind, state.metadata.id)
    scope, id_ = owner_of_state(state)
    organized = scope == ORGANIZATION
    whose = entity("organization", id_) if organized else user(id_)
    creator = _creator(state)
    maker = user(creator) if creator != SYSTEM.id else None
    if object_ is None:
        return []
    found = [Relation(maker, "owner", object_)] if maker is not None else []
    if whose is not None and (organized or maker is not None):
        found.append(Relation(whose, "organization" if organized else "identity_account", object_))
    return found


def _creator(state: Any) -> str:
    audit = state.status.audit if state.status is not None else None
    info = audit.spec_audit if audit is not None else None
    return info.created_by.id if info is not None and info.created_by is not None else ""


class CreateIamPolicies:
    """Writes the tuples of a resource that is about to be stored; takes them back when it is not."""

    name = "CreateIamPolicies"
    requires = frozenset({STATE})
    provides = frozenset({POLICIES})

    def __init__(self, client: Client, sight: Sight) -> None:
        self._client = client
        self._sight = sight

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills POLICIES.

        Raises:
            AlreadyExists: the client's own id is held by another create, or something is left of one.
            NoAnswer: it is not known whether they were written. What may be left is removed later: nobody has the id.
        """
        state = ctx[STATE]
        ctx[POLICIES] = ()
        if state is None or ctx.get(EXISTING) is not None:
            return
        tuples = policies_of(ctx.operation.kind.key, state)
        if ctx.validate_only:
            await self._check_free(ctx, tuples)
            return
        if ctx.request.metadata.id:
            tuples = await self._claim(ctx, tuples)
        else:
            await self._client.write(tuples, deadline=ctx.info.deadline)
        ctx[POLICIES] = tuples
        ctx.after_commit(partial(self._seen, ctx))

    async def _seen(self, ctx: RequestContext) -> None:
        self._sight.forget(ctx)

    async def undo(self, ctx: RequestContext) -> None:
        """Deletes what was written, unless the resource is there after all: a write may end after it was cancelled."""
        tuples = ctx.get(POLICIES, ())
        if tuples:
            kind = ctx.operation.kind
            stored = await ctx.store.get(kind, ctx[STATE].metadata.id)
            theirs = policies_of(kind.key, Existing.of(kind, stored).message) if stored is not None else []
            if not set(theirs) <= set(tuples) or not theirs:
                await self._client.delete([each for each in tuples if each not in theirs])

    async def _claim(self, ctx: RequestContext, tuples: list[Relation]) -> list[Relation]:
        """Writes the tuples for an id that others may choose too; of several at once OpenFGA lets one through.

        Otherwise the tuples of one who loses the race for an id would, for a moment, let them into what the winner stored;
        and those left by a create that was cut off would let its caller into what somebody else stores later.
        """
        await self._check_free(ctx, tuples)
        claimed = [*tuples, Relation(_SERVER, RESERVED, tuples[0].object)]
        try:
            await self._client.write(claimed, claim=True, deadline=ctx.info.deadline)
        except Refused:
            await self._check_free(ctx, tuples)
            raise
        return claimed

    async def _check_free(self, ctx: RequestContext, tuples: Sequence[Relation]) -> None:
        """Raises AlreadyExists when there is anything about the client's own id."""
        id_ = ctx.request.metadata.id
        if id_ and await self._any(ctx, tuples[0].object):
            raise AlreadyExists(ctx.operation.kind, id_) from None

    async def _any(self, ctx: RequestContext, object_: str) -> bool:
        async for _ in self._client.read(object_, ctx.info.deadline):
            return True
        return False


class CleanupIamPolicies:
    """Deletes all tuples of a resource that is gone. Should that fail, reconciling does it later: nobody gets the id again."""

    name = "CleanupIamPolicies"
    requires = frozenset({EXISTING})

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, ctx: RequestContext) -> None:
        """Deletes them; the call is answered as done whatever becomes of it."""
        existing = ctx[EXISTING]
        object_ = entity(ctx.operation.kind.key, existing.message.metadata.id) if existing is not None else None
        if object_ is not None:
            await self._client.delete([held.relation async for held in self._client.read(object_)])
