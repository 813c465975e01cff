"""What does not exist is answered like what is forbidden: with the same text, after as long, and failing alike."""

from __future__ import annotations

from typing import Any

from stigmer import DataLoss, NotFound, Payload, PermissionDenied, RequestContext
from stigmer.pipeline import Handle
from stigmer_openfga.authorize import Gate
from stigmer_openfga.names import entity
from stigmer_openfga.requirement import Requirement


def hidden(handle: Handle, gate: Gate, requirement: Requirement, *, asked_first: bool) -> Handle:
    """``handle``, which never tells that something does not exist, nor to strangers that it is damaged.

    Args:
        handle: the operation.
        gate: where permissions are asked for.
        requirement: what it takes to do this to something that exists.
        asked_first: the permission is asked for before anything is loaded. Otherwise, when nothing was found, it is asked
            for all the same: that takes the time that a refusal takes, and while OpenFGA is away it fails as a refusal does.
    """

    async def hide(ctx: RequestContext) -> Payload[Any]:
        try:
            return await handle(ctx)
        except (NotFound, DataLoss) as error:
            object_ = entity(ctx.operation.kind.key, _asked_for(ctx.request))
            permitted = asked_first or await gate.permits(ctx, requirement.permission, object_)
            if permitted and isinstance(error, DataLoss):
                raise
            raise PermissionDenied(requirement.refusal) from None

    return hide


def _asked_for(request: Any) -> str:
    """The id or the slug that a request names."""
    named = getattr(request, "metadata", None) or request
    return getattr(named, "id", "") or getattr(named, "slug", "") or "nothing"
