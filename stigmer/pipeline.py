"""Assembles the steps of an operation, once, and runs them for each call."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from loguru import logger

from stigmer.context import RESPONSE, RequestContext, Slot
from stigmer.errors import Internal, Stale
from stigmer.operation import Operation
from stigmer.payload import Payload

Run = Callable[[RequestContext], Awaitable[None]]
Handle = Callable[[RequestContext], Awaitable[Payload[Any]]]

MAX_RUNS = 1000
"""A write that has lost this many races in a row is given up: ABORTED. Each lost race is another write that was won."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedStep:
    """A step in its place.

    Attributes:
        name: the place's name; a replacing step takes over the name of the one it replaces.
        run: the step, with whatever is wrapped around it.
        undo: the step's ``undo``, if it has one.
        requires: slots it reads.
        provides: slots it writes.
        origin: the plugin that brought it.
        why: how it came to stand here, such as ``after Persist``; empty for the operation's own.
        commits: it is the one that writes.
        foresees: it only refuses early what the commit refuses as well.
    """

    name: str
    run: Run
    undo: Run | None
    requires: frozenset[Slot[Any]]
    provides: frozenset[Slot[Any]]
    origin: str
    why: str = ""
    commits: bool = False
    foresees: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Pipeline:
    """The assembled steps of an operation. Calling it runs them."""

    operation: Operation
    steps: tuple[PlacedStep, ...]
    restart: int | None = None

    async def __call__(self, ctx: RequestContext) -> Payload[Any]:
        """Runs the steps in order and gives what they left in ``RESPONSE``.

        When the write finds that the resource has changed since it was loaded, the run begins again at the Load step.

        Raises:
            StigmerError: what a step raised.
        """
        start = 0
        for _ in range(MAX_RUNS):
            try:
                await self._run(ctx, start)
            except _LostRaceError:
                start = self.restart or 0
            else:
                return ctx[RESPONSE]
        await self._take_back(ctx, 0, start)
        raise Stale

    async def repeat(self, ctx: RequestContext, answer: Payload[Any]) -> Payload[Any]:
        """What the caller gets who is to be given, again, what the commit has answered: nothing runs but what changes answers.

        Raises:
            StigmerError: what a step raised.
        """
        ctx[RESPONSE] = answer
        await self._answer(ctx, 1 + max((at for at, step in enumerate(self.steps) if step.commits), default=-1))
        return ctx[RESPONSE]

    async def run(self, ctx: RequestContext, start: int, end: int) -> None:
        """Runs the steps in [start, end), none of which writes.

        Raises:
            StigmerError: what a step raised.
        """
        for step in self.steps[start:end]:
            ctx.step = step.name
            try:
                await step.run(ctx)
            except BaseException as error:
                error.add_note(f"in step {step.name} ({step.origin}) of {self.operation.name}")
                raise

    async def _run(self, ctx: RequestContext, start: int) -> None:
        """Runs the steps from ``start``; on failure takes back what was done."""
        at = start
        try:
            for at, step in enumerate(self.steps[start:], start):
                ctx.step = step.name
                await step.run(ctx)
                if ctx.committed:
                    break
                if ctx.rehearsed:
                    await self._answer(ctx, at + 1)
                    break
        except BaseException as error:
            if isinstance(error, Stale) and self._can_restart(ctx, at):
                await self._take_back(ctx, self.restart or 0, at)
                raise _LostRaceError from error
            error.add_note(f"in step {self.steps[at].name} ({self.steps[at].origin}) of {self.operation.name}")
            if not ctx.committed:
                await self._take_back(ctx, 0, at)
            raise
        if ctx.committed and (at + 1 < len(self.steps) or ctx.has_after_commit):
            await _to_its_end(self._finish(ctx, at + 1))
        elif ctx.rehearsed:
            await self._undo_all(ctx, at)

    def _can_restart(self, ctx: RequestContext, at: int) -> bool:
        """Whether the step at ``at`` lost a race that running again from the Load step can win."""
        return self.restart is not None and at >= self.restart and not ctx.committed

    async def _answer(self, ctx: RequestContext, start: int) -> None:
        """Runs those of the steps from ``start`` on that change the answer."""
        for step in self.steps[start:]:
            if RESPONSE in step.provides:
                ctx.step = step.name
                await step.run(ctx)

    async def _take_back(self, ctx: RequestContext, first: int, end: int) -> None:
        """Takes back the steps in [first, end), and what they left in the context."""
        await self._undo_all(ctx, end, first)
        ctx.forget(slot for step in self.steps[first:] for slot in step.provides)

    async def _undo_all(self, ctx: RequestContext, end: int, first: int = 0) -> None:
        """Takes back what the steps in [first, end) did outside the context."""
        if any(step.undo is not None for step in self.steps[first:end]):
            await _to_its_end(self._undo(ctx, first, end))
        ctx.take_after_commit()

    async def _undo(self, ctx: RequestContext, first: int, end: int) -> None:
        """Undoes the steps in [first, end), the last one first. A failing undo is logged: the others still run."""
        for step in reversed(self.steps[first:end]):
            if step.undo is not None:
                try:
                    await step.undo(ctx)
                except BaseException:  # noqa: BLE001 - the first failure is what the client hears of
                    logger.exception("undo of step {} failed in {}", step.name, self.operation.name)

    async def _finish(self, ctx: RequestContext, start: int) -> None:
        """Runs what follows the commit. Nothing here is undone; only a step that makes the answer can fail the call."""
        await self._call_back(ctx)
        try:
            for step in self.steps[start:]:
                await self._run_after_commit(ctx, step)
        finally:
            await self._call_back(ctx)

    async def _run_after_commit(self, ctx: RequestContext, step: PlacedStep) -> None:
        ctx.step = step.name
        try:
            await step.run(ctx)
        except BaseException as error:  # nobody cancels this task: a cancellation too is the step's own doing
            logger.exception("step {} ({}) failed after the commit of {}", step.name, step.origin, self.operation.name)
            if RESPONSE in step.provides:
                raise Internal(error) from error

    async def _call_back(self, ctx: RequestContext) -> None:
        for callback in ctx.take_after_commit():
            try:
                await callback()
            except BaseException:  # noqa: BLE001 - the write is durable: that is what the client must hear
                logger.exception("after_commit callback failed in {}", self.operation.name)


class _LostRaceError(Exception):
    """The write found that the resource has changed; the run can begin again."""


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Runs ``work`` to its end, however often the call is cancelled meanwhile; the cancellation comes after.

    What takes back or follows a commit must not be cut off by a deadline: half of it would be worse than either.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    if not task.cancelled():  # else a step has cancelled its own task, and is the only one that could
        task.result()
