"""Stopping: calls in flight are answered, new ones refused, and the process ends with 0."""

import asyncio
import signal
import sqlite3

import grpc
import pytest

from stigmer import before, hookimpl

SLOW = """
import asyncio
from pathlib import Path
from stigmer import before, hookimpl

class Wait:
    name = "Wait"

    async def __call__(self, ctx):
        Path("arrived").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.01)

@hookimpl
def contribute_steps(op):
    if op.verb == "create":
        yield before("Persist", Wait())
"""


class Hold:
    """Holds creates before they are written."""

    def __init__(self):
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()

    @hookimpl
    def contribute_steps(self, op):
        hold = self

        class Wait:
            name = "Wait"

            async def __call__(self, ctx):
                hold.arrived.set()
                await hold.opened.wait()

        if op.verb == "create":
            yield before("Persist", Wait())


async def _await(call):
    return await call


async def test_calls_in_flight_are_answered(served, store_url, a_session):
    """A server that stops waits for the calls it has, takes no new ones soon after it said so, and then is gone."""
    hold = Hold()
    wire = await served(hold, store=store_url)
    calls = [asyncio.ensure_future(_await(wire.create(a_session(f"n{number}")))) for number in range(5)]
    await asyncio.wait_for(hold.arrived.wait(), 10)
    stopping = asyncio.ensure_future(wire.app.stop())
    assert await asyncio.wait_for(_until_it_stops(wire), 10) == "UNAVAILABLE"
    assert not stopping.done()
    hold.opened.set()
    answers = await asyncio.gather(*calls)
    assert [answer.metadata.name for answer in answers] == [f"n{number}" for number in range(5)]
    await asyncio.wait_for(stopping, 10)
    assert (await wire.refused(wire.list())).code == "UNAVAILABLE"


async def test_calls_on_their_way_are_answered(served, a_session):
    """What a client sends before it can know that the server stops is served."""
    hold = Hold()
    wire = await served(hold)
    call = asyncio.ensure_future(_await(wire.create(a_session())))
    await asyncio.wait_for(hold.arrived.wait(), 10)
    on_its_way = asyncio.ensure_future(_await(wire.list()))
    stopping = asyncio.ensure_future(wire.app.stop())
    assert (await on_its_way).total_count == 0
    hold.opened.set()
    await call
    await stopping


async def test_calls_that_take_too_long_are_cancelled(served, a_session):
    """After ``drain_seconds`` what still runs is cancelled and answered UNAVAILABLE, and the server ends."""
    hold = Hold()
    wire = await served(hold, drain_seconds=0.2)
    call = asyncio.ensure_future(_await(wire.create(a_session())))
    await asyncio.wait_for(hold.arrived.wait(), 10)
    await asyncio.wait_for(wire.app.stop(), 10)
    refusal = await wire.refused(call)
    assert (refusal.code, refusal.text) == ("UNAVAILABLE", "the server is stopping")


async def test_idle_connections_do_not_hold_it_up(served):
    """Open connections without calls are closed at once."""
    wire = await served(drain_seconds=60)
    await wire.list()
    await asyncio.wait_for(wire.app.stop(), 5)


@pytest.fixture
async def slow(process, plugin_folder, sqlite_url, tmp_path, eventually):
    """A server process whose creates wait for a file ``go``; ``slow.arrived()`` waits until there is one that does."""
    folder = plugin_folder("stigmer_slow", SLOW)
    server = await process("--store", sqlite_url, "--plugins", "stigmer_slow", PYTHONPATH=str(folder))
    server.arrived = lambda: eventually((tmp_path / "arrived").exists)
    return server


async def _until_it_stops(wire) -> str:
    """Calls until a call fails, and gives that one's status."""
    while True:
        try:
            await wire.list()
        except grpc.aio.AioRpcError as error:
            return error.code().name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_finishes_what_is_in_flight(slow, connect, a_session, tmp_path, number):
    """SIGTERM and SIGINT let a call in flight be written and answered; then the process ends with 0."""
    async with connect(await slow.address()) as wire:
        call = asyncio.ensure_future(_await(wire.create(a_session(id="x"))))
        await slow.arrived()
        slow.kill(number)
        assert await asyncio.wait_for(_until_it_stops(wire), 10) == "UNAVAILABLE"
        assert not call.done()
        (tmp_path / "go").touch()
        assert (await call).metadata.id == "x"
    code, lines = await slow.ended()
    assert (code, [line for line in lines if "Traceback" in line]) == (0, [])
    with sqlite3.connect(tmp_path / "stigmer.db") as database:
        assert database.execute("SELECT count(*) FROM session WHERE id = 'x'").fetchone() == (1,)
    database.close()


async def test_signal_under_load(process, connect, a_session, sqlite_url):
    """A server that is stopped under load answers each call or says UNAVAILABLE, and keeps all that it acknowledged."""
    server = await process("--store", sqlite_url)
    acknowledged, refused, enough = set(), set(), asyncio.Event()

    async def write(worker, wire):
        for number in range(10_000):
            try:
                acknowledged.add((await wire.create(a_session(f"w{worker}-{number}"))).metadata.name)
            except grpc.aio.AioRpcError as error:
                refused.add(error.code().name)
                return
            if len(acknowledged) > 150:
                enough.set()

    async with connect(await server.address()) as wire:
        workers = [asyncio.ensure_future(write(worker, wire)) for worker in range(16)]
        await asyncio.wait_for(enough.wait(), 20)
        server.kill(signal.SIGTERM)
        await asyncio.gather(*workers)
    assert refused == {"UNAVAILABLE"}
    assert (await server.ended())[0] == 0
    again = await process("--store", sqlite_url)
    async with connect(await again.address()) as wire:
        assert acknowledged == set(await wire.names()), "a call was written but its answer never came"
