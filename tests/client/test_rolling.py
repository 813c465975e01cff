"""Servers that take over from one another under a client that never pauses."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket

import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.exceptions import GRPCError

from stigmer.client import ApiResourceMetadata, ResourceExhausted, Session, SessionClient, Unavailable
from stigmer.transport.codec import BytesCodec
from stigmer.transport.limits import Limits
from stigmer.transport.server import Server

pytestmark = pytest.mark.usefixtures("way")

PACKAGE = "/ai.stigmer.agentic.session.v1"
WORKERS, SECONDS = 100, 30


class Sessions:
    """Answers creates with what they bring, and lists with nothing.

    Attributes:
        created: how often each request came.
        calls: that were begun.
        peers: where they came from.
        opened: calls wait for it.
        failing: so many of the next calls fail, because the server stops.
    """

    def __init__(self):
        self.created = collections.Counter()
        self.calls = self.failing = 0
        self.peers = set()
        self.opened = asyncio.Event()
        self.opened.set()

    def __mapping__(self):
        rpcs = {"SessionCommandController/create": self._create, "SessionQueryController/list": self._list}
        return {f"{PACKAGE}.{rpc}": Handler(func, Cardinality.UNARY_UNARY, bytes, bytes) for rpc, func in rpcs.items()}

    async def _create(self, stream):
        request = await self._request(stream)
        self.created[request] += 1
        await self.opened.wait()
        await stream.send_message(request)

    async def _list(self, stream):
        await self._request(stream)
        await self.opened.wait()
        await stream.send_message(b"")

    async def _request(self, stream):
        request = await stream.recv_message()
        self.calls += 1
        self.peers.add(stream.peer.addr())
        if self.failing:
            self.failing -= 1
            raise GRPCError(Status.UNAVAILABLE, "the server is stopping", [ErrorInfo(reason="CUT_OFF")])
        return request


@pytest.fixture
def service():
    return Sessions()


@pytest.fixture(params=["ngh2", "h2"])
async def serve(request, service):
    """Starts one more server of the service, on the same port as the others, and gives it."""
    with socket.socket() as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
        async with contextlib.AsyncExitStack() as stack:

            async def start(**limits):
                server = Server(
                    [service],
                    codec=BytesCodec(),
                    status_details_codec=ProtoStatusDetailsCodec(),
                    limits=Limits(**limits),
                    engine=request.param,
                )
                await server.start("127.0.0.1", port, reuse_port=True)
                stack.push_async_callback(server.wait_closed)
                stack.callback(server.close)
                return server

            yield start


class Load:
    """Workers that create one session after the other.

    Attributes:
        done: creates that were answered.
    """

    def __init__(self, client):
        self._client = client
        self._enough = False
        self.done = 0

    async def __aenter__(self):
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(WORKERS)]
        return self

    async def __aexit__(self, *_):
        self._enough = True
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*self._tasks)

    async def _work(self, worker):
        number = 0
        while not self._enough:
            session = Session(metadata=ApiResourceMetadata(name=f"{worker}-{number}"))
            assert await self._client.create(session) == session
            number, self.done = number + 1, self.done + 1


async def until(condition):
    """Waits until ``condition()`` is true, by looking often."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what servers count has no events
            await asyncio.sleep(0.005)


async def test_a_rolling_restart_is_not_noticed(serve, service):
    """While one server after the other takes over under 100 calls in flight, each write succeeds, and is made once."""
    server = await serve()
    async with SessionClient(server.addresses[0]) as client, Load(client) as load:
        for _ in range(4):
            before = load.done
            await until(lambda: load.done > before + WORKERS)  # noqa: B023 - it is over before the next turn
            after = await serve()
            assert await server.drain(SECONDS)
            assert not server.connections
            server = after
    assert set(service.created.values()) == {1}
    assert len(service.created) == load.done


async def test_old_connections_are_replaced_unnoticed(serve, service, monkeypatch):
    """Connections that reach their age under 100 calls in flight are replaced, and no call fails."""
    monkeypatch.setattr("stigmer.transport.server._TICK", 0.05)
    server = await serve(age_seconds=0.2)
    async with SessionClient(server.addresses[0]) as client, Load(client) as load:
        await until(lambda: server.statistics.limited["age_seconds"] >= 4)
    assert set(service.created.values()) == {1}
    assert len(service.created) == load.done


async def test_a_full_server_is_tried_again(serve, service):
    """Calls that a full server refuses succeed once there is room."""
    server = await serve(calls=10)
    service.opened.clear()
    async with SessionClient(server.addresses[0]) as client:
        calls = [asyncio.create_task(client.create(Session(metadata=ApiResourceMetadata(name=str(n))))) for n in range(20)]
        await until(lambda: server.statistics.limited["calls"] >= 10)
        assert service.calls == 10
        service.opened.set()
        await asyncio.gather(*calls)
    assert list(service.created.values()) == [1] * 20


async def test_a_server_that_stays_full_fails_the_call(serve, service, monkeypatch):
    """A call that finds no room time after time fails as ResourceExhausted, which says so; those that run are not touched."""
    monkeypatch.setattr("stigmer.client.again._FIRST_PAUSE", 0.001)
    server = await serve(calls=1)
    service.opened.clear()
    async with SessionClient(server.addresses[0]) as client:
        running = asyncio.create_task(client.list())
        await until(lambda: service.calls == 1)
        with pytest.raises(ResourceExhausted, match="the server is full"):
            await client.list()
        service.opened.set()
        await running
    assert server.statistics.limited["calls"] == 6


async def test_a_read_is_made_again_when_its_server_stops(serve, service):
    """A read that ends because its server does is made again, on a new connection."""
    server = await serve()
    async with SessionClient(server.addresses[0]) as client:
        await client.list()
        service.failing = 1
        await client.list()
        assert (service.calls, len(service.peers)) == (3, 2)
        service.failing = 2
        with pytest.raises(Unavailable, match="the server is stopping"):
            await client.list()


async def test_a_write_is_not_made_again_when_its_server_stops(serve, service):
    """A write that ends because its server does may have been begun: it fails as Unavailable."""
    server = await serve()
    service.failing = 1
    async with SessionClient(server.addresses[0]) as client:
        with pytest.raises(Unavailable, match="the server is stopping"):
            await client.create(Session())
    assert service.calls == 1
