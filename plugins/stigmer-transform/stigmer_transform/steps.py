"""The two steps: TransformResponse hides, KeepHidden keeps a caller from erasing what is hidden."""

from __future__ import annotations

import copy
from typing import Any

from stigmer import RESPONSE, RequestContext
from stigmer.steps import EXISTING, STATE
from stigmer.unknown import same
from stigmer_transform.mask import Mask


class TransformResponse:
    """Takes what the caller may not see out of the answer.

    It provides the response: should it fail after a commit the call fails too, and nothing gets out.
    """

    name = "TransformResponse"
    requires = frozenset({RESPONSE})
    provides = frozenset({RESPONSE})

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    async def __call__(self, ctx: RequestContext) -> None:
        """Puts a new payload into RESPONSE, or leaves the one that is there when nothing is hidden from the caller."""
        ctx[RESPONSE] = self._mask.hide(ctx[RESPONSE], ctx.caller)


class KeepHidden:
    """Keeps the stored value of a field that the caller can't see and sends nothing for.

    A client that reads a session, changes it and writes it back would erase every field that was hidden from it.
    """

    name = "KeepHidden"
    requires = frozenset({EXISTING, STATE})

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    async def __call__(self, ctx: RequestContext) -> None:
        """Completes STATE; empties it when nothing is left of the change, as BuildApplyState does."""
        existing, state, hidden = ctx[EXISTING], ctx.get(STATE), self._mask.hidden_from(ctx.caller)
        if existing is None or state is None or not hidden:
            return
        version = copy.copy(state.metadata.version) if state.metadata is not None else None
        for path in hidden:
            path.keep(state, existing.message)
        if state.metadata is not None:
            state.metadata.version = version  # a new version has nothing to keep of the one before
        if ctx.operation.verb == "apply" and same(_as_old_as(existing.message, state), existing.message):
            ctx[STATE] = None


def _as_old_as(stored: Any, state: Any) -> Any:
    """``state`` with the audit and the version of ``stored``: what every write changes."""
    state = copy.copy(state)
    state.status = stored.status
    if state.metadata is not None and stored.metadata is not None:
        state.metadata = copy.copy(state.metadata)
        state.metadata.version = stored.metadata.version
    return state
