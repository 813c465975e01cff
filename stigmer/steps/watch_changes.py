"""WatchChanges: what happens to the resources that the request selects, as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from protobuf.wkt import Timestamp

from stigmer.context import MESSAGES, RequestContext
from stigmer.filtering import condition_of, words_of_query
from stigmer.payload import Payload, decode
from stigmer.read_mask import ReadMask
from stigmer.steps.answering import mask_of, narrowed
from stigmer.steps.resuming import ResumeTokens
from stigmer.steps.slots import LOOK_AGAIN, VISIBLE
from stigmer.store.feed import Most
from stigmer.watching import Begin, Happened, Happening, Selection, Sight, Watch
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
        tokens = ResumeTokens(ctx, await ctx.store.secret())
        given = ctx.request.resume_token
        after = tokens.number_in(given, selection.visible) if given else None
        if after is not None:
            await ctx.store.feed(
                ctx.operation.kind, after, Most(changes=1)
            )  # is refused now if it must be, and not in mid-stream
        look = ctx.get(LOOK_AGAIN)
        sight = None if look is None else Sight(ctx.caller.id, look)
        watch = Watch(ctx.hubs.of(ctx.operation.kind), ctx.store, selection, sight)
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


async def _events(ctx: RequestContext, watch: Watch, begin: Begin, tokens: ResumeTokens) -> AsyncGenerator[Payload[Any], None]:
    mask, happenings = mask_of(ctx), watch.happenings(begin)
    try:
        async for happened in happenings:
            token = "" if happened.number is None else tokens.to(happened.number, watch.selection.visible)
            yield _event(ctx, mask, happened, token)
    finally:
        await happenings.aclose()


def _event(ctx: RequestContext, mask: ReadMask, happened: Happened, token: str) -> Payload[Any]:
    type_, kind = ctx.operation.response, ctx.operation.kind
    event = type_(type=happened.happening.value, resume_token=token)
    if happened.time:
        seconds, rest = divmod(happened.time, _MICROSECONDS)
        event.time = Timestamp(seconds=seconds, nanos=rest * 1000)
    if happened.happening is Happening.BOOKMARK:
        return Payload(type_, wire=event.to_binary())
    version = decode(kind.message, happened.wire).metadata.version
    event.version_id = version.id if version else ""
    resource = happened.wire if mask.kept is None else narrowed(kind, mask, happened.wire)
    return Payload(type_, wire=event.to_binary() + b"".join(delimited(_RESOURCE, resource)))
