"""Runs the steps of an operation whose answer is any number of messages."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import Any

from stigmer.context import MESSAGES, RESPONSE, RequestContext
from stigmer.errors import TooSlow
from stigmer.payload import Payload
from stigmer.pipeline import Pipeline

SEND_SECONDS = 20.0
"""A client that does not take a message within this time is let go, so that nothing is kept for it."""


@dataclasses.dataclass(frozen=True, slots=True)
class StreamingPipeline(Pipeline):
    """The steps up to the one that provides the messages run once, those after it for each message."""

    async def __call__(self, ctx: RequestContext) -> Payload[Any]:
        """Runs the steps and sends what there is to send; gives an empty message at the end.

        Raises:
            StigmerError: what a step raised.
            TooSlow: the client does not read.
        """
        first = 1 + next(at for at, step in enumerate(self.steps) if MESSAGES in step.provides)
        await self.run(ctx, 0, first)
        async with contextlib.aclosing(ctx[MESSAGES]) as messages:
            async for message in messages:
                ctx[RESPONSE] = message
                await self.run(ctx, first, len(self.steps))
                await _send(ctx, ctx[RESPONSE].wire)
        return Payload.of(self.operation.response())


async def _send(ctx: RequestContext, wire: bytes) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await ctx.send(wire)
    except TimeoutError:
        raise TooSlow from None
