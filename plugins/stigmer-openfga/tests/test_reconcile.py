"""Crashes at every step, and what reconciling makes of what they leave."""

import asyncio
import random
import time

import pytest
from stigmer_openfga import reconcile
from stigmer_openfga.background import Repairs
from stigmer_openfga.reconcile import Reconciliation, Report

from stigmer import AlreadyExists, ConfigurationError, PermissionDenied, Unavailable, hookimpl

KIND = "session.get"
LATER = 120 * 1_000_000_000


def run(world, call, *, later=0, **options):
    """One reconciliation, ``later`` nanoseconds from now."""
    kinds = [call.pipelines[KIND].operation.kind]
    return Reconciliation(world.client, call.store, now_ns=lambda: time.time_ns() + later, **options).run(kinds)


async def test_nothing_to_do(server, world):
    """When all agree nothing is changed."""
    async with server() as call:
        for number in range(3):
            await call.create("ann", SESSION.replace("One", str(number)))
        tuples = await world.tuples()
        report = await run(world, call, later=LATER)
        assert (report.resources, report.restored, report.removed, report.waiting, report.ownerless) == (3, 0, 0, 0, 0)
        assert await world.tuples() == tuples


SESSION = '{"metadata": {"name": "One", "ownerScope": "organization", "org": "acme"}, "spec": {"agentInstanceId": "ain-1"}}'
OWN = '{"metadata": {"name": "Own", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "ain-1"}}'


@pytest.mark.parametrize("json", [SESSION, OWN])
async def test_gives_a_locked_out_owner_back(server, world, json):
    """A session that has lost its tuples gets them from what is stored: the owner is in again; a dry run only counts."""
    async with server() as call:
        id_ = await call.create("ann", json)
        tuples = await world.tuples()
        await world.client.delete([held.relation async for held in world.client.read(f"session:{id_}")])
        assert (await call.failure("ann", "session.get", f'{{"value": "{id_}"}}'))[0] is PermissionDenied
        assert ((await run(world, call, dry=True)).restored, (await run(world, call)).restored) == (2, 2)
        assert await world.tuples() == tuples
        assert (await call("ann", "session.get", f'{{"value": "{id_}"}}')).metadata.id == id_


async def test_leaves_an_owner_whom_somebody_chose(server, world):
    """A session that was handed over keeps its new owner, and grants are left alone."""
    async with server() as call:
        id_ = await call.create()
        await world.grant("bob", "owner", f"session:{id_}")
        await world.revoke("ann", "owner", f"session:{id_}")
        await world.grant("eve", "viewer", f"session:{id_}")
        tuples = await world.tuples()
        assert (await run(world, call, later=LATER)).restored == 0
        assert await world.tuples() == tuples


async def test_removes_what_is_left(server, world):
    """Tuples of deleted sessions go at once, those of sessions that never came to be after a minute; others stay."""
    async with server() as call:
        await call.create()
        gone = await call.create("ann", SESSION.replace("One", "Two"))
        await call("ann", "session.delete", f'{{"value": "{gone}"}}')
        tuples = await world.tuples()
        await world.grant("ann", "owner", f"session:{gone}")
        await world.grant("ann", "owner", "session:never")
        report = await run(world, call)
        assert (report.removed, report.waiting) == (1, 1)
        assert await world.tuples("session:never") != []
        assert (await run(world, call, later=LATER, dry=True)).removed == 1
        assert (await run(world, call, later=LATER)).removed == 1
        assert await world.tuples() == tuples


async def test_does_not_race_a_create(server, world):
    """A create that stands between CreateIamPolicies and Persist keeps its tuples, also when a minute has passed meanwhile."""
    for later in (0, LATER):
        reached, on = asyncio.Event(), asyncio.Event()
        async with server(zzz_plugin=_Pause(reached, on)) as call:
            creating = asyncio.create_task(call.create("ann", SESSION))
            await reached.wait()
            if later:
                on.set()
                id_ = await creating
                await run(world, call, later=later)
            else:
                await run(world, call)
                on.set()
                id_ = await creating
            assert (await call("ann", "session.get", f'{{"value": "{id_}"}}')).metadata.id == id_


class _Pause:
    """A plugin that stops a create before Persist until it may go on."""

    def __init__(self, reached, on):
        self.reached, self.on = reached, on

    @hookimpl
    def wrap_step(self, op, step, origin, call_next, settings):
        async def paused(ctx):
            self.reached.set()
            await self.on.wait()
            await call_next(ctx)

        return paused if (op.verb, step) == ("create", "Persist") else None


async def test_refuses_another_stores_tuples(server, world):
    """An empty store that never kept what OpenFGA knows is taken for the wrong one, and nothing is removed."""
    await world.grant("ann", "owner", "session:of-another")
    async with server() as call:
        with pytest.raises(ConfigurationError, match="right store"):
            await run(world, call, later=LATER)
    assert await world.tuples("session:of-another") != []


class Crash(BaseException):
    """Ends a call as the end of the process would: nothing after it runs, undo included."""


class _Crashing:
    """A plugin that ends calls before or after any step, as told, for good."""

    def __init__(self):
        self.at = None

    @hookimpl
    def wrap_step(self, op, step, origin, call_next, settings):
        async def crashing(ctx):
            if self.at == (step, "before"):
                raise Crash
            await call_next(ctx)
            if self.at == (step, "after"):
                raise Crash

        return crashing


async def test_crashes_anywhere(server, world, monkeypatch):
    """Whatever step of create or delete a crash hits, no stranger gets in; after reconciling all agree."""
    monkeypatch.setattr("stigmer.pipeline.Pipeline._undo", _nothing)
    monkeypatch.setattr("stigmer.pipeline.Pipeline._run_after_commit", _unguarded)
    chance, crashing, kept = random.Random(7), _Crashing(), 0
    async with server(zzz_plugin=crashing) as call:
        points = [
            (verb, step.name, side)
            for verb in ("create", "delete")
            for step in call.pipelines[f"session.{verb}"].steps
            for side in ("before", "after")
        ]
        for number, (verb, step, side) in enumerate(chance.sample(points, len(points))):
            own_id = f'"id": "own-{number}", ' if number % 2 else ""
            json = SESSION.replace('"name": "One"', f'{own_id}"name": "n{number}"')
            id_ = await call.create("ann", json) if verb == "delete" else ""
            crashing.at = step, side
            with pytest.raises(Crash):
                await call("ann", f"session.{verb}", json if verb == "create" else f'{{"value": "{id_}"}}')
            crashing.at = None
            assert await call.total("eve") == 0
            kept = await call.total("ann")
            if own_id and verb == "create":
                await _stranger_takes(call, world, f"own-{number}")
        await run(world, call, later=LATER)
        await agree(call, world)
        assert await call.total("adam") >= kept > 0


async def _unguarded(self, ctx, step):
    await step.run(ctx)


async def _nothing(self, ctx, first, end):
    """No undo: the process is gone."""


async def _stranger_takes(call, world, id_):
    """Somebody else tries the same id: either it is refused, or it is theirs alone."""
    json = SESSION.replace('"name": "One"', f'"id": "{id_}", "name": "{id_}"').replace("acme", "other")
    try:
        await call.create("eve", json)
    except AlreadyExists:
        return
    assert (await call.failure("ann", "session.get", f'{{"value": "{id_}"}}'))[0] is PermissionDenied
    await call("eve", "session.delete", f'{{"value": "{id_}"}}')


async def agree(call, world):
    """Every session has its tuples, and no other object has any."""
    page = await call("adam", "session.list", '{"pageSize": 1000}')
    there = {f"session:{entry.metadata.id}" for entry in page.entries}
    held = {line.partition("#")[0] for line in await world.tuples() if line.startswith("session:")}
    assert held == there
    for name in there:
        relations = {line.partition("#")[2].partition("@")[0] for line in await world.tuples(name)}
        assert relations >= {"owner", "organization"}


async def test_runs_in_the_background(world, serve, monkeypatch):
    """The server repairs by itself: at the start, and again after the pause."""
    async with serve(world) as call:
        id_ = await call.create()
        await world.grant("ann", "owner", f"session:{id_}")
        await world.revoke("ann", "owner", f"session:{id_}")
        kinds, store = [call.pipelines[KIND].operation.kind], call.store
        repairs = Repairs(world.client)
        repairs.start(store, kinds, 0.01)
        await _until(world, f"session:{id_}#owner@identity_account:ann")
        await world.revoke("ann", "owner", f"session:{id_}")
        await _until(world, f"session:{id_}#owner@identity_account:ann")
        await repairs.stop()
        await repairs.stop()
        assert reconcile.GRACE_NS == 60_000_000_000


async def _until(world, line):
    """Waits until a tuple is there."""
    async with asyncio.timeout(10):
        while line not in await world.tuples():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0)


async def test_a_failure_does_not_end_the_repairs(monkeypatch):
    """Whatever a run fails with, the next one comes."""
    failures, came = [Unavailable("away"), ConfigurationError("another store"), ZeroDivisionError()], asyncio.Event()

    class Failing:
        def __init__(self, client, store):
            pass

        async def run(self, kinds):
            if failures:
                raise failures.pop()
            came.set()
            return Report(restored=1)

    monkeypatch.setattr("stigmer_openfga.background.Reconciliation", Failing)
    repairs = Repairs(None)
    repairs.start(None, [], 0.001)
    async with asyncio.timeout(10):
        await came.wait()
    await repairs.stop()
    assert failures == []
