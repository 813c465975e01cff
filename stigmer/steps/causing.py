"""Why something is written: what a commit tells the store beside the resource."""

from __future__ import annotations

import re

from stigmer.context import RequestContext
from stigmer.store import Cause
from stigmer.store.feed import Answer

_TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def cause_of(ctx: RequestContext, wire: bytes, *, time: int = 0) -> Cause:
    """The cause of the write that the call makes.

    Args:
        ctx: of the call.
        wire: what the call is answered, should it come again.
        time: of the write, in microseconds since 1970; 0 when the resource itself tells.
    """
    trace = ctx.info.metadata.get("traceparent")
    return Cause(ctx.caller.id, trace if isinstance(trace, str) and _TRACEPARENT(trace) else "", time, answer_of(ctx, wire))


def answer_of(ctx: RequestContext, wire: bytes) -> Answer | None:
    """The answer that is remembered in case that the call comes again; None when it said nothing of that."""
    if ctx.repeatable is None:
        return None
    return Answer(ctx.repeatable.key, ctx.repeatable.request, wire, microseconds(ctx))


def microseconds(ctx: RequestContext) -> int:
    """The time, in microseconds since 1970."""
    return ctx.clock.now_ns() // 1000
