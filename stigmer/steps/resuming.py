"""Resume tokens: where in the changes a watch goes on."""

from __future__ import annotations

import hashlib
import json

from stigmer import page_token
from stigmer.context import RequestContext
from stigmer.errors import InvalidArgument
from stigmer.store import Position, Visible
from stigmer.watching import sees_others


class ResumeTokens:
    """The tokens of one call: bound to operation, caller and selection, with a digest of what the caller may see."""

    def __init__(self, ctx: RequestContext, secret: bytes) -> None:
        request = ctx.request
        selection = [request.filter, request.query, [*request.tags], request.agent_id]
        self._secret = secret
        self._purpose = (ctx.operation.name, ctx.caller.id, selection)
        self._seen: tuple[Visible | None, str] = None, ""

    def to(self, number: int, visible: Visible | None) -> str:
        """The token that leads to what follows the change with this number, for a caller who may see that."""
        return page_token.seal(self._secret, self._purpose, Position(number, self._digest(visible)))

    def number_in(self, token: str, visible: Visible | None) -> int:
        """The number in a token.

        Raises:
            InvalidArgument: it is damaged, or another watch's or caller's.
            OutOfRange: the caller may see other resources than it might then.
        """
        position = page_token.unseal(self._secret, self._purpose, token)
        if position is None:
            raise InvalidArgument("resume_token", "value is not a token of this watch")
        if position.key != self._digest(visible):
            raise sees_others()
        return position.sequence

    def _digest(self, visible: Visible | None) -> str:
        """Of what may be thousands of ids; made once for each."""
        if self._seen[0] is not visible:
            self._seen = visible, _digest(visible)
        return self._seen[1]


def _digest(visible: Visible | None) -> str:
    if visible is None:
        return ""
    parts = [sorted([int(owner.scope), owner.id] for owner in visible.owners), sorted(visible.ids)]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
