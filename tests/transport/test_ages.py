"""A connection that is old, or long without a call, ends; its calls do not."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import GRPCError, StreamTerminatedError
from raw_http2 import message

from stigmer.transport.codec import BytesCodec

from .service import CHAT, UNARY, until


@pytest.fixture
async def waiting(serve, service):
    """A server whose handlers of unary calls wait."""
    service.unary = service.waiting
    return await serve()


def aged(connection, seconds):
    """Puts into the past what happened on a connection, and lets it look at the clock."""
    connection.lifetime.made -= seconds
    connection.lifetime.called -= seconds
    connection.tick(time.monotonic())


@pytest.mark.parametrize(("limit", "seconds"), [("age_seconds", 4000), ("idle_seconds", 301)])
async def test_connections_end(waiting, service, dial, connection, *, limit, seconds):
    """A connection that is old, or long without a call, is told GOAWAY, and closed."""
    client = await dial(waiting)
    if limit == "age_seconds":
        client.call(1, UNARY, b"x")
        await service.called.wait()
    else:
        client.call(1, "/no/such", b"x")
        await client.answer(1)
        client.call(3, UNARY, end=False)
        client.reset(3)
        await client.ping()
    aged(await connection(waiting), seconds)
    assert await client.wait(lambda: bool(client.goaways))
    service.go_on.set()
    assert await client.wait_closed()
    assert client.goaways[-1][1] == 0
    assert client.seen(1).messages == ([b"x"] if limit == "age_seconds" else [])
    assert waiting.statistics.limited[limit] == 1


async def test_calls_after_the_age(waiting, service, dial, connection):
    """Calls that an old connection has in flight finish, streams too, and it takes no others."""
    client = await dial(waiting)
    client.call(1, CHAT, end=False)
    client.call(3, UNARY, b"x")
    await service.called.wait()
    aged(await connection(waiting), 4000)
    assert await client.wait(lambda: bool(client.goaways))
    assert client.goaways == [(3, 0)]
    client.call(5, UNARY, b"too late")
    client.data(1, message(b"still"))
    assert await client.wait(lambda: client.seen(1).messages == [b"still"])
    service.go_on.set()
    client.data(1, b"", end_stream=True)
    assert await client.wait_closed()
    assert [client.seen(stream).grpc_status for stream in (1, 3, 5)] == [0, 0, None]
    assert service.begun == [b"x"]


async def test_grpclib_ends_by_age_without_loss(waiting, service, connection):
    """Grpclib's client hears of its age only when it has no call in flight."""
    host, port = waiting.addresses[0].rsplit(":", 1)
    async with Channel(host, int(port), codec=BytesCodec()) as client:
        under_way = asyncio.create_task(UnaryUnaryMethod(client, UNARY, bytes, bytes)(b"x"))
        await service.called.wait()
        aged(await connection(waiting), 4000)
        service.go_on.set()
        assert await under_way == b"x"
        await until(lambda: waiting.statistics.connections == 0)
        with contextlib.suppress(StreamTerminatedError, GRPCError):
            assert await UnaryUnaryMethod(client, UNARY, bytes, bytes)(b"y") == b"y"
