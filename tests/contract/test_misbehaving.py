"""Plugins that do what no plugin should: their call fails clearly, the log says which step it was, and the server goes on."""

from __future__ import annotations

import asyncio
import sys

import pytest
from loguru import logger

from stigmer import RESPONSE, after, before, hookimpl, last
from stigmer.context import Slot

JUNK: Slot[object] = Slot("junk")


class Surprise(BaseException):
    """Neither an error nor a cancellation."""


def raising(error):
    async def misdeed(_):
        raise error

    return misdeed


async def stops_iterating(_):
    next(iter(()))


async def exits(_):
    sys.exit("enough")


async def cancels_itself(_):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


async def cancels_and_goes_on(_):
    asyncio.current_task().cancel()


async def swallows_a_cancellation(_):
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise ValueError from None


async def reads_what_nobody_wrote(ctx):
    ctx[JUNK]


FAILING = {
    "raises": (raising(ZeroDivisionError("secret")), "INTERNAL"),
    "runs out of memory": (raising(MemoryError()), "INTERNAL"),
    "exits": (exits, "INTERNAL"),
    "is interrupted": (raising(KeyboardInterrupt()), "INTERNAL"),
    "closes": (raising(GeneratorExit()), "INTERNAL"),
    "surprises": (raising(Surprise("secret")), "INTERNAL"),
    "stops": (stops_iterating, "INTERNAL"),
    "stops asynchronously": (raising(StopAsyncIteration()), "INTERNAL"),
    "recurses": (raising(RecursionError()), "INTERNAL"),
    "raises a group": (raising(ExceptionGroup("secret", [ValueError()])), "INTERNAL"),
    "times out": (raising(TimeoutError()), "INTERNAL"),
    "reads nothing": (reads_what_nobody_wrote, "INTERNAL"),
    "swallows": (swallows_a_cancellation, "INTERNAL"),
    "says it is cancelled": (raising(asyncio.CancelledError()), "CANCELLED"),
    "cancels itself": (cancels_itself, "CANCELLED"),
}


class Bad:
    """A plugin whose step misbehaves in calls that ask for it."""

    def __init__(self, misdeed, place):
        self.misdeed = misdeed
        self.place = place
        self.undone = 0

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "create":
            yield before("ResolveSlug", Undoable(self))
            yield self.place(Misstep(self.misdeed))


class Undoable:
    """Counts how often it is taken back."""

    name = "Undoable"

    def __init__(self, plugin):
        self.plugin = plugin

    async def __call__(self, ctx):
        await asyncio.sleep(0)

    async def undo(self, ctx):
        self.plugin.undone += 1


class Misstep:
    """Misbehaves."""

    name = "Misstep"

    def __init__(self, misdeed):
        self.misdeed = misdeed

    async def __call__(self, ctx):
        if ctx.info.metadata.get("x-bad"):
            await self.misdeed(ctx)


class Tangled(Misstep):
    """Misbehaves when it is taken back."""

    name = "Tangled"

    async def __call__(self, ctx):
        await asyncio.sleep(0)

    async def undo(self, ctx):
        await super().__call__(ctx)


BAD = (("x-bad", "1"),)


@pytest.fixture
def said():
    """What is logged while the test runs."""
    lines = []
    number = logger.add(lambda line: lines.append(str(line)), level="DEBUG")
    yield lines
    logger.remove(number)


async def goes_on(wire, a_session):
    """The same connection still serves."""
    stored = await wire.create(a_session("Good"))
    assert await wire.get(stored.metadata.id) == stored


@pytest.mark.parametrize(("misdeed", "code"), FAILING.values(), ids=FAILING)
async def test_a_step_before_the_commit(served, a_session, said, misdeed, code):
    """Nothing is written, what was done is taken back, and the client learns nothing but the status."""
    plugin = Bad(misdeed, lambda step: before("Persist", step))
    wire = await served(plugin, log="plain")
    beside = [wire.create(a_session(f"Beside {number}")) for number in range(5)]
    refusal, *_ = await asyncio.gather(wire.refused(wire.create(a_session("Bad"), metadata=BAD)), *beside)
    assert refusal.code == code
    assert "secret" not in refusal.text
    assert plugin.undone == 1
    assert await wire.count() == 5
    await goes_on(wire, a_session)
    if code == "INTERNAL":
        assert any("Misstep" in line for line in said)


@pytest.mark.parametrize(("misdeed", "code"), FAILING.values(), ids=FAILING)
async def test_a_step_after_the_commit(served, a_session, said, misdeed, code):
    """The write is durable and the client hears so; the log names the step."""
    plugin = Bad(misdeed, lambda step: after("Persist", step))
    wire = await served(plugin)
    stored = await wire.create(a_session("Bad"), metadata=BAD)
    assert await wire.get(stored.metadata.id) == stored
    assert plugin.undone == 0
    await goes_on(wire, a_session)
    assert any("Misstep" in line for line in said)


@pytest.mark.parametrize(("misdeed", "code"), FAILING.values(), ids=FAILING)
async def test_an_undo(served, a_session, said, misdeed, code):
    """The client hears of the first failure, other undos still run, and the log names the step."""

    class Undone(Bad):
        @hookimpl
        def contribute_steps(self, op):
            yield from super().contribute_steps(op)
            if op.verb == "create":
                yield after("ResolveSlug", Tangled(misdeed))

    plugin = Undone(raising(ZeroDivisionError()), lambda step: before("Persist", step))
    wire = await served(plugin)
    refusal = await wire.refused(wire.create(a_session("Bad"), metadata=BAD))
    assert refusal.code == "INTERNAL"
    assert plugin.undone == 1
    await goes_on(wire, a_session)
    assert any("Tangled" in line for line in said)


async def test_a_step_that_cancels_its_call_and_goes_on(served, a_session):
    """The write is whole or absent, and the client hears which, if it comes to that; after the commit it always does."""
    early = await served(Bad(cancels_and_goes_on, lambda step: before("Persist", step)))
    code = (await early.call("create", a_session("Bad"), metadata=BAD).code()).name
    assert (code, await early.count()) in {("OK", 1), ("CANCELLED", 0)}
    await goes_on(early, a_session)
    late = await served(Bad(cancels_and_goes_on, lambda step: after("Persist", step)))
    await late.create(a_session("Bad"), metadata=BAD)
    assert await late.count() == 1


class Wrapping:
    """A plugin that misbehaves around a whole operation."""

    def __init__(self, misdeed):
        self.misdeed = misdeed

    @hookimpl
    def wrap_operation(self, op, call_next):
        async def handle(ctx):
            if ctx.info.metadata.get("x-bad"):
                await self.misdeed(ctx)
            return await call_next(ctx)

        return handle if op.verb == "get" else None


@pytest.mark.parametrize(("misdeed", "code"), FAILING.values(), ids=FAILING)
async def test_a_wrapper(served, a_session, misdeed, code):
    """The call fails, and the next one does not."""
    wire = await served(Wrapping(misdeed))
    stored = await wire.create(a_session("One"))
    assert (await wire.refused(wire.get(stored.metadata.id, metadata=BAD))).code == code
    await goes_on(wire, a_session)


@pytest.mark.parametrize("junk", [None, 7, "text", object(), b"bytes"], ids=lambda junk: type(junk).__name__)
async def test_junk_in_place_of_an_answer(served, a_session, junk):
    """INTERNAL: what cannot be sent is a bug of the plugin's."""

    class Swap:
        name = "TransformResponse"
        requires = provides = frozenset({RESPONSE})

        async def __call__(self, ctx):
            if ctx.info.metadata.get("x-bad"):
                ctx[RESPONSE] = junk

        @hookimpl
        def contribute_steps(self, op):
            if op.verb in {"get", "create"}:
                yield last(self)

    wire = await served(Swap())
    stored = await wire.create(a_session("One"))
    assert (await wire.refused(wire.get(stored.metadata.id, metadata=BAD))).code == "INTERNAL"
    assert (await wire.refused(wire.create(a_session("Two"), metadata=BAD))).code == "INTERNAL"
    await goes_on(wire, a_session)


async def test_a_step_that_hangs(served, a_session):
    """DEADLINE_EXCEEDED: nothing is written, what was done is taken back, and nothing is left of the call."""

    async def hangs(_):
        await asyncio.Event().wait()

    plugin = Bad(hangs, lambda step: before("Persist", step))
    wire = await served(plugin)
    tasks = len(asyncio.all_tasks())
    refusal = await wire.refused(wire.create(a_session("Bad"), metadata=BAD, timeout=0.2))
    assert refusal.code == "DEADLINE_EXCEEDED"
    assert await wire.count() == 0
    await goes_on(wire, a_session)
    assert plugin.undone == 1
    assert len(asyncio.all_tasks()) <= tasks
