"""What clients may ask of any write, with request metadata: that repeating it does no harm, and that it is only tried out."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stigmer.context import Repeatable, RequestContext, fits_a_line
from stigmer.errors import InvalidArgument, StigmerError
from stigmer.payload import Payload
from stigmer.pipeline import Handle, Pipeline
from stigmer.store.feed import Answer
from stigmer.store.map_order import put_in_order

IDEMPOTENCY_KEY = "idempotency-key"
VALIDATE_ONLY = "validate-only"
_TRUTHS = {"true": True, "false": False}
_DIGEST = 32


def writing(pipeline: Pipeline) -> Handle:
    """``pipeline`` for calls that may carry such metadata; as it is when it writes nothing."""
    if not pipeline.operation.writes:
        return pipeline

    async def handle(ctx: RequestContext) -> Payload[Any]:
        metadata = ctx.info.metadata
        if VALIDATE_ONLY in metadata:
            ctx.validate_only = _truth(metadata)
        if IDEMPOTENCY_KEY not in metadata:
            return await pipeline(ctx)
        key = _key(metadata)
        if ctx.validate_only:
            return await pipeline(ctx)
        ctx.repeatable = _repeatable(ctx, key)
        return await _once(pipeline, ctx, ctx.repeatable)

    return handle


async def _once(pipeline: Pipeline, ctx: RequestContext, asked: Repeatable) -> Payload[Any]:
    """Runs the pipeline if the call has not been answered before.

    Of several at once one writes; whatever keeps the others from it, they are answered as that one was.
    """
    answer = await ctx.store.answer(asked.key)
    if answer is None:
        try:
            return await pipeline(ctx)
        except StigmerError:
            answer = await ctx.store.answer(asked.key)
            if answer is None:
                raise
    return await pipeline.repeat(ctx, _given(ctx, asked, answer))


def _given(ctx: RequestContext, asked: Repeatable, answer: Answer) -> Payload[Any]:
    """What was answered to this very request."""
    if answer.request != asked.request:
        raise InvalidArgument(IDEMPOTENCY_KEY, "value was given with another request")
    return Payload(ctx.operation.response, wire=answer.wire)


def _repeatable(ctx: RequestContext, key: str) -> Repeatable:
    """Two requests count as the same when they say the same, in whatever order their maps came."""
    scope = json.dumps((ctx.caller.id, ctx.operation.name, key)).encode()
    request = copy.deepcopy(ctx.request)
    put_in_order(request)
    return Repeatable(_digest(scope), _digest(request.to_binary()))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _key(metadata: Mapping[str, str | bytes]) -> str:
    key = metadata[IDEMPOTENCY_KEY]
    if not isinstance(key, str) or not fits_a_line(key):
        raise InvalidArgument(IDEMPOTENCY_KEY, "value must be 1 to 128 printable ASCII characters")
    return key


def _truth(metadata: Mapping[str, str | bytes]) -> bool:
    truth = _TRUTHS.get(str(metadata[VALIDATE_ONLY]))
    if truth is None:
        raise InvalidArgument(VALIDATE_ONLY, "value must be `true` or `false`")
    return truth
