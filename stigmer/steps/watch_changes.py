"""WatchChanges: what happens to the resources that the request selects, as it happens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from protobuf.wkt import Timestamp

from stigmer import page_token
from stigmer.context import MESSAGES, RequestContext
from stigmer.errors import InvalidArgument
from stigmer.filtering import condition_of, words_of_query
from stigmer.payload import Payload, decode
from stigmer.read_mask import ReadMask
from stigmer.steps.answering import mask_of, narrowed
from stigmer.steps.slots import LOOK_AGAIN, VISIBLE
from stigmer.store import Position, Visible
from stigmer.store.feed import Most
from stigmer.watching import Begin, Happened, Happening, Selection, Watch, sees_others
from stigmer.wire import delimited

_MICROSECONDS = 1_000_000
_RESOURCE = 2
"""The number of the field of an event that holds the resource."""


class WatchChanges:
    """Provides an event for each change, beginning where the request says.

    Works for every event message with the fields ``type`` (numbers as in ``Happening``), the resource as number 2,
    ``version_id``, ``time`` and ``resume_token``.

    Args:
        agent_column: the column that the request's ``agent_id`` is compared with.
    """

    name = "WatchChanges"
    provides = frozenset({MESSAGES})

    def __init__(self, agent_column: str) -> None:
        self._agent_column = agent_column

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills MESSAGES; raises InvalidArgument for a bad token, OutOfRange for one that leads nowhere any more."""
        selection = self._selection(ctx)
        tokens = _Tokens(ctx, await ctx.store.secret(), selection.visible)
        after = tokens.number_in(ctx.request.resume_token) if ctx.request.resume_token else None
        if after is not None:
            await ctx.store.feed(
                ctx.operation.kind, after, Most(changes=1)
            )  # is refused now if it must be, and not in mid-stream
        watch = Watch(ctx.hubs.of(ctx.operation.kind), ctx.store, selection, ctx.get(LOOK_AGAIN))
        ctx[MESSAGES] = _events(ctx, watch, Begin(after, listed=ctx.request.initial_list), tokens)

    def _selection(self, ctx: RequestContext) -> Selection:
        request = ctx.request
        return Selection(
            equal=((self._agent_column, request.agent_id),) if request.agent_id else (),
            tags=tuple(dict.fromkeys(request.tags)),
            condition=condition_of(ctx.operation.kind, request.filter),
            words=words_of_query(request.query),
            visible=ctx.get(VISIBLE),
        )


async def _events(ctx: RequestContext, watch: Watch, begin: Begin, tokens: _Tokens) -> AsyncGenerator[Payload[Any], None]:
    mask, happenings = mask_of(ctx), watch.happenings(begin)
    try:
        async for happened in happenings:
            yield _event(ctx, mask, happened, tokens)
    finally:
        await happenings.aclose()


def _event(ctx: RequestContext, mask: ReadMask, happened: Happened, tokens: _Tokens) -> Payload[Any]:
    type_, kind = ctx.operation.response, ctx.operation.kind
    event = type_(type=happened.happening.value)
    if happened.number is not None:
        event.resume_token = tokens.to(happened.number)
    if happened.time:
        seconds, rest = divmod(happened.time, _MICROSECONDS)
        event.time = Timestamp(seconds=seconds, nanos=rest * 1000)
    if happened.happening is Happening.BOOKMARK or happened.wire is None:
        return Payload(type_, wire=event.to_binary())
    version = decode(kind.message, happened.wire).metadata.version
    event.version_id = version.id if version else ""
    resource = happened.wire if mask.kept is None else narrowed(kind, mask, happened.wire)
    return Payload(type_, wire=event.to_binary() + b"".join(delimited(_RESOURCE, resource)))


class _Tokens:
    """Resume tokens of one call: bound to operation, caller and selection, with a digest of what the caller may see."""

    def __init__(self, ctx: RequestContext, secret: bytes, visible: Visible | None) -> None:
        request = ctx.request
        selection = [request.filter, request.query, [*request.tags], request.agent_id]
        self._secret = secret
        self._purpose = (ctx.operation.name, ctx.caller.id, selection)
        self._seen = _digest(visible)

    def to(self, number: int) -> str:
        """The token that leads to what follows the change with this number."""
        return page_token.seal(self._secret, self._purpose, Position(number, self._seen))

    def number_in(self, token: str) -> int:
        """The number in a token.

        Raises:
            InvalidArgument: it is damaged, or another watch's or caller's.
            OutOfRange: the caller may see other resources than it might then.
        """
        position = page_token.unseal(self._secret, self._purpose, token)
        if position is None:
            raise InvalidArgument("resume_token", "value is not a token of this watch")
        if position.key != self._seen:
            raise sees_others()
        return position.sequence


def _digest(visible: Visible | None) -> str:
    if visible is None:
        return ""
    parts = [sorted([int(owner.scope), owner.id] for owner in visible.owners), sorted(visible.ids)]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
