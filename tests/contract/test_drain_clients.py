"""Clients of every make lose nothing when the server that holds their calls is told to stop, and little when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal

import pytest
from grpclib.client import Channel, UnaryUnaryMethod

from stigmer.client import ConnectionLost, SessionClient
from stigmer.client import Session as ClientSession
from stigmer.client.channel import Wire as Encoded

CREATE = "/ai.stigmer.agentic.session.v1.SessionCommandController/create"
CALLS, CONNECTIONS = 200, 2
"""Clients open a hundred streams on a connection at most."""
EACH = CALLS // CONNECTIONS
SECONDS = 60
HOLDING = """
import asyncio
from pathlib import Path
from stigmer import before, hookimpl

class Wait:
    name = "Wait"

    async def __call__(self, ctx):
        with Path("arrived").open("a") as file:
            file.write("x")
        while not Path("go").exists():
            await asyncio.sleep(0.01)

@hookimpl
def contribute_steps(op):
    if op.verb in {"create", "get"}:
        yield before("Persist" if op.verb == "create" else "LoadTarget", Wait())
"""


async def _ours(address, requests):
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SessionClient(address)) for _ in range(CONNECTIONS)]
        pairs = zip(requests, itertools.cycle(clients))
        return await asyncio.gather(*(client.create(ClientSession.parse(request)) for request, client in pairs))


async def _grpclib(address, requests):
    host, _, port = address.rpartition(":")
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(Channel(host, int(port))) for _ in range(CONNECTIONS)]
        methods = [UnaryUnaryMethod(channel, CREATE, Encoded, Encoded) for channel in channels]
        return await asyncio.gather(*(m(Encoded(r), timeout=SECONDS) for r, m in zip(requests, itertools.cycle(methods))))


@pytest.fixture
def clients(connect, monkeypatch):
    """Ways to make calls at once on several connections, by client; each gives the answers."""

    async def grpcio(address, requests):
        async with contextlib.AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(connect(address)) for _ in range(CONNECTIONS)]
            return await asyncio.gather(*(w.create(r, timeout=SECONDS) for r, w in zip(requests, itertools.cycle(wires))))

    async def without_ngh2(address, requests):
        monkeypatch.setattr("stigmer.client.calls.Lines", None)
        return await _ours(address, requests)

    return {"stigmer": _ours, "stigmer, grpclib": without_ngh2, "grpcio": grpcio, "grpclib": _grpclib}


@pytest.fixture
def held(tmp_path, eventually):
    """Waits until as many calls are held, or lets them go."""

    class Held:
        async def arrived(self, number):
            file = tmp_path / "arrived"
            await eventually(lambda: file.exists() and file.stat().st_size == number, SECONDS)

        def let_go(self):
            (tmp_path / "go").touch()

        def hold(self):
            (tmp_path / "go").unlink()
            (tmp_path / "arrived").unlink()

    return Held()


@pytest.fixture
async def holding(process, plugin_folder, sqlite_url):
    """Starts server processes that hold creates and gets and share one store."""
    folder = plugin_folder("stigmer_holding", HOLDING)

    async def start():
        return await process("--store", sqlite_url, "--plugins", "stigmer_holding", PYTHONPATH=str(folder))

    return start


async def _stopped_listening(address):
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # accepted as it stopped, and dropped
                continue
            writer.close()


@pytest.mark.parametrize("name", ["stigmer", "stigmer, grpclib", "grpcio", "grpclib"])
async def test_sigterm_with_200_calls_in_flight(holding, held, clients, a_session, name):
    """SIGTERM while 200 creates are held: all are written and answered OK, and the process ends with 0."""
    server = await holding()
    address = await server.address()
    requests = [a_session(f"n{number}").to_binary() for number in range(CALLS)]
    calls = asyncio.create_task(clients[name](address, requests))
    await held.arrived(CALLS)
    server.kill(signal.SIGTERM)
    await _stopped_listening(address)
    assert not calls.done()
    held.let_go()
    assert len(await calls) == CALLS
    assert (await server.ended())[0] == 0
    async with SessionClient(await (await holding()).address()) as client:
        assert (await client.list()).total_count == CALLS


class Relay:
    """Passes connections on to where it is told to.

    Attributes:
        address: where clients connect.
        target: where the next connection leads.
    """

    def __init__(self, target):
        self.target = target

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _accept(self, reader, writer):
        host, _, port = self.target.rpartition(":")
        there = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(source, target):
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
    target.close()


@pytest.mark.usefixtures("way")
async def test_kill_9_with_calls_in_flight(holding, held, a_session):
    """When the server is killed, reads are made again on the next one and writes fail as ConnectionLost, made at most once."""
    first, second = await holding(), await holding()
    await second.address()
    async with Relay(await first.address()) as relay, SessionClient(relay.address) as client:
        held.let_go()
        kept = await client.create(ClientSession.parse(a_session("kept").to_binary()))
        held.hold()
        reads = [asyncio.create_task(client.get(kept.metadata.id)) for _ in range(20)]
        drafts = [ClientSession.parse(a_session(f"n{number}").to_binary()) for number in range(20)]
        writes = [asyncio.create_task(client.create(draft)) for draft in drafts]
        await held.arrived(40)
        relay.target = await second.address()
        first.kill(signal.SIGKILL)
        failures = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(failure) for failure in failures} == {ConnectionLost}
        await held.arrived(60)
        held.let_go()
        assert await asyncio.gather(*reads) == [kept] * 20
        assert [session async for session in client.sessions()] == [kept]
