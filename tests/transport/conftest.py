"""What the transport's tests share: servers on each engine, and clients of theirs."""

from __future__ import annotations

import asyncio
import contextlib

import grpc.aio
import pytest

from stigmer.transport.codec import BytesCodec
from stigmer.transport.limits import Limits
from stigmer.transport.server import Server

from .client import Client
from .service import PATIENCE, Service, until

COUNTERS = ("connections", "calls", "streams", "request_bytes", "answer_bytes")


@pytest.fixture(params=["ngh2", "h2"])
def engine(request):
    """The name of each engine in turn."""
    return request.param


@pytest.fixture
def service():
    """The service that is served."""
    return Service()


@pytest.fixture
async def serve(engine, service, caplog):
    """Starts servers with the limits that are named; afterwards nothing may be left of what they counted."""
    servers = []

    async def start(*, handlers=None, codec=None, **options):
        limits = {name: options.pop(name) for name in list(options) if name in Limits.texts()}
        server = Server(handlers or [service], codec=codec or BytesCodec(), limits=Limits(**limits), engine=engine, **options)
        servers.append(server)
        await server.start("127.0.0.1", 0)
        return server

    yield start
    service.go_on.set()
    for server in servers:
        await server.drain(0)
        async with asyncio.timeout(PATIENCE):
            await server.wait_closed()
        assert counters(server) == dict.fromkeys(COUNTERS, 0)
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


def counters(server):
    """What a server has now."""
    return {name: getattr(server.statistics, name) for name in COUNTERS}


@pytest.fixture
async def dial():
    """Connects raw clients, that have said hello unless they are ``silent``."""
    clients = []

    async def connect(server, settings=None, *, silent=False, **options):
        host, port = server.addresses[0].rsplit(":", 1)
        client = await Client.connect(host, int(port), **options)
        clients.append(client)
        if not silent:
            client.preface(settings)
            assert await client.ping(PATIENCE)
        return client

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture
async def channel():
    """Opens channels of grpcio."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(server, *options, number=0):
            alone = ("grpc.use_local_subchannel_pool", 1)
            unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
            target = server.addresses[number]
            return await stack.enter_async_context(grpc.aio.insecure_channel(target, [alone, *unlimited, *options]))

        yield connect


@pytest.fixture
def connection():
    """The one connection of a server, once there is one."""

    async def find(server):
        await until(lambda: len(server.connections) == 1)
        return next(iter(server.connections))

    return find
