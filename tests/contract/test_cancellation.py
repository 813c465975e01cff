"""A client that gives up, or whose deadline passes, never leaves half a write."""

import asyncio
import random

import grpc
import pytest

from stigmer import hookimpl


class AroundPersist:
    """Holds calls before, during or after Persist."""

    def __init__(self, where):
        self.where = where
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()

    @hookimpl
    def wrap_step(self, op, step, call_next):
        if step not in {"Persist", "DeleteResource"}:
            return None

        async def run(ctx):
            if not ctx.info.metadata.get("x-held"):
                return await call_next(ctx)
            try:
                if self.where == "before":
                    self.arrived.set()
                    await asyncio.Event().wait()
                if self.where == "during":
                    self.arrived.set()
                await call_next(ctx)
                if self.where == "after":
                    self.arrived.set()
                    await asyncio.Event().wait()
            finally:
                self.left.set()

        return run


@pytest.mark.parametrize("where", ["before", "during", "after"])
@pytest.mark.parametrize("method", ["create", "update", "apply", "delete"])
async def test_cancelled_by_the_client(served, store_url, a_session, method, where):
    """A call that the client cancels around its write is written whole or not at all, and the next call succeeds."""
    from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId

    plugin = AroundPersist(where)
    wire = await served(plugin, store=store_url)
    old = await wire.create(a_session("Old", id="x"))
    request = {
        "create": a_session("New", id="y", tags=["t"]),
        "update": a_session("New", id="x", tags=["t"]),
        "apply": a_session("New", id="x", tags=["t"]),
        "delete": SessionId(value="x"),
    }[method]
    call = wire.call(method, request, metadata=(("x-held", "1"),))
    waiting = asyncio.ensure_future(call.code())
    await asyncio.wait_for(plugin.arrived.wait(), 10)
    call.cancel()
    assert await waiting in {grpc.StatusCode.CANCELLED, *([grpc.StatusCode.OK] if where == "during" else [])}
    await asyncio.wait_for(plugin.left.wait(), 10)
    names = await wire.names()
    untouched, changed = {
        "create": (["Old"], ["Old", "New"]),
        "update": (["Old"], ["New"]),
        "apply": (["Old"], ["New"]),
        "delete": (["Old"], []),
    }[method]
    assert names in {"before": [untouched], "during": [untouched, changed], "after": [changed]}[where]
    if names == untouched:
        assert await wire.get("x") == old
    elif method != "delete":
        session = (await wire.list()).entries[-1]
        assert (session.metadata.name, list(session.metadata.tags)) == ("New", ["t"])
    assert (await wire.apply(a_session("Next"))).metadata.slug == "next"
    assert list(await wire.app.store.check()) == []


async def test_deadlines_while_writing(wire, a_session):
    """Creates whose deadlines pass at any moment are each stored whole or not at all; afterwards all names can be settled."""
    chance = random.Random(7)

    async def attempt(number):
        try:
            await wire.create(a_session(f"n{number}", tags=["t"]), timeout=chance.uniform(0.0005, 0.02))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    first = await asyncio.gather(*(attempt(number) for number in range(200)))
    assert set(first) <= {"OK", "DEADLINE_EXCEEDED"}
    stored = set(await wire.names())
    second = []
    for number, outcome in enumerate(first):
        name = f"n{number}"
        if name in stored:
            assert (await wire.refused(wire.create(a_session(name)))).code == "ALREADY_EXISTS"
            assert list((await wire.get_by_reference(name, org="acme")).metadata.tags) == ["t"]
        else:
            assert outcome != "OK", "an acknowledged write is gone"
            second.append(await wire.create(a_session(name)))
    assert await wire.count() == 200
    assert list(await wire.app.store.check()) == []


async def test_deadline_of_a_waiting_call(served, a_session):
    """A call that waits for something is ended by its deadline: DEADLINE_EXCEEDED, and the step is cancelled."""
    plugin = AroundPersist("before")
    wire = await served(plugin)
    refusal = await wire.refused(wire.create(a_session(), timeout=0.2, metadata=(("x-held", "1"),)))
    assert refusal.code == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(plugin.left.wait(), 10)
    assert await wire.count() == 0
