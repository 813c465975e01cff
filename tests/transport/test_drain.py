"""A server that stops tells its clients so, lets unary calls finish, and loses none that it took."""

from __future__ import annotations

import asyncio
import time

import grpc.aio
import pytest
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from raw_http2 import GOAWAY, HEADERS, message

from stigmer.transport.codec import BytesCodec
from stigmer.transport.server import Server

from .service import CHAT, COLLECT, PATIENCE, POUR, UNARY, until

LAST = 2**31 - 1
UNAVAILABLE = 14


@pytest.fixture
def impatient(monkeypatch):
    """Who is cancelled, and who has all answers, has little time to go."""
    monkeypatch.setattr("stigmer.transport.server._PARTING_SECONDS", 0.1)


@pytest.fixture
async def waiting(serve, service):
    """A server whose handlers wait."""
    service.unary = service.pour = service.chat = service.collect = service.waiting
    return await serve()


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def draining(server, grace=PATIENCE):
    return asyncio.create_task(server.drain(grace))


async def test_two_goaways(waiting, service, dial):
    """The first GOAWAY says that any stream is served, the second which one is the last."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    stopping = draining(waiting)
    assert await client.wait(lambda: len(client.goaways) == 2)
    assert client.goaways == [(LAST, 0), (1, 0)]
    service.go_on.set()
    assert await client.wait_closed()
    assert client.seen(1).messages == [b"x"]
    assert client.received[GOAWAY] == 2
    assert await stopping


async def test_calls_between_the_goaways_are_served(waiting, service, dial):
    """A call that the client sent before it had heard the first GOAWAY is served; its stream is the last one then."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    stopping = draining(waiting)
    assert await client.wait(lambda: bool(client.goaways))
    client.call(3, UNARY, b"on its way")
    assert await client.wait(lambda: len(client.goaways) == 2)
    assert client.goaways[1] == (3, 0)
    service.go_on.set()
    assert await client.wait_closed()
    assert [client.seen(stream).messages for stream in (1, 3)] == [[b"x"], [b"on its way"]]
    assert await stopping


async def test_later_calls_never_begin(waiting, service, dial):
    """A call after the second GOAWAY is not begun: the client may safely make it elsewhere."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    stopping = draining(waiting)
    assert await client.wait(lambda: len(client.goaways) == 2)
    client.call(3, UNARY, b"too late")
    assert await client.ping()
    service.go_on.set()
    assert await client.wait_closed()
    assert service.begun == [b"x"]
    assert client.seen(3).body == b""
    assert await stopping


async def test_a_body_on_its_way_is_awaited(waiting, service, dial):
    """A call whose headers came before the end is served, though its message comes after it."""
    client = await dial(waiting)
    client.call(1, UNARY, end=False)
    await client.ping()
    stopping = draining(waiting)
    assert await client.wait(lambda: len(client.goaways) == 2)
    client.data(1, message(b"here at last"), end_stream=True)
    service.go_on.set()
    assert await client.wait_closed()
    assert client.seen(1).messages == [b"here at last"]
    assert await stopping


async def test_grpcio_notices_nothing(waiting, service, channel):
    """Of many calls in flight none fails, and new ones are UNAVAILABLE."""
    client = await channel(waiting)
    calls = [asyncio.ensure_future(client.unary_unary(UNARY)(b"%d" % each)) for each in range(50)]
    await until(lambda: len(service.begun) == 50)
    stopping = draining(waiting)
    await until(lambda: waiting.serving.stopping)
    service.go_on.set()
    assert await asyncio.gather(*calls) == [b"%d" % each for each in range(50)]
    assert await stopping
    assert await code_of(client.unary_unary(UNARY)(b"x", wait_for_ready=False)) is grpc.StatusCode.UNAVAILABLE


async def test_grpclib_hears_it_last(waiting, service):
    """Grpclib's client drops its calls when it hears GOAWAY: it hears it when none is in flight."""
    host, port = waiting.addresses[0].rsplit(":", 1)
    async with Channel(host, int(port), codec=BytesCodec()) as client:
        calls = [asyncio.create_task(grpclib_call(client, b"%d" % each)) for each in range(5)]
        await until(lambda: len(service.begun) == 5)
        stopping = draining(waiting)
        await until(lambda: all(each._leaving for each in waiting.connections))
        service.go_on.set()
        assert await asyncio.gather(*calls) == [b"%d" % each for each in range(5)]
        assert await stopping


async def grpclib_call(client, body):
    from grpclib.client import UnaryUnaryMethod

    return await UnaryUnaryMethod(client, UNARY, bytes, bytes)(body)


@pytest.mark.parametrize("agent", ["grpc-python-grpclib/0.4.9", "another"])
async def test_who_hears_goaway_when(waiting, service, dial, agent):
    """The last bytes to grpclib's client are the answer and then GOAWAY; to others GOAWAY comes first."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x", more=[("user-agent", agent)])
    await service.called.wait()
    stopping = draining(waiting)
    await until(lambda: all(each._leaving for each in waiting.connections))
    service.go_on.set()
    assert await client.wait_closed()
    order = [kind for kind, _ in client.frames if kind in {GOAWAY, HEADERS}]
    assert order.index(GOAWAY) == (2 if agent.startswith("grpc-python") else 0)
    assert client.seen(1).messages == [b"x"]
    assert await stopping


@pytest.mark.parametrize("path", [COLLECT, POUR, CHAT])
async def test_streams_are_cut_off(waiting, service, dial, path):
    """Streaming calls, which may live for ever, end with UNAVAILABLE; nobody waits for them."""
    client = await dial(waiting)
    client.call(1, path, end=False)
    client.data(1, message(b"x"), end_stream=path == POUR)
    await service.called.wait()
    stopping = draining(waiting, 60)
    assert await client.wait_closed()
    answer = client.seen(1)
    assert (answer.grpc_status, answer.grpc_message) == (UNAVAILABLE, "the server is stopping")
    assert await stopping
    assert service.cancelled == 1


async def test_streams_go_on_while_unary_calls_do(waiting, service, dial):
    """As long as a unary call is waited for, streams are served too."""
    service.chat = echoing
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    client.call(3, CHAT, end=False)
    await service.called.wait()
    stopping = draining(waiting)
    assert await client.wait(lambda: len(client.goaways) == 2)
    client.data(3, message(b"still"))
    assert await client.wait(lambda: client.seen(3).messages == [b"still"])
    service.go_on.set()
    assert (await client.answer(1)).messages == [b"x"]
    assert await client.wait(lambda: client.seen(3).grpc_status == UNAVAILABLE)
    assert await stopping


async def echoing(stream):
    while (received := await stream.recv_message()) is not None:
        await stream.send_message(received)


async def test_the_grace_is_over(waiting, service, dial):
    """What takes longer than the grace is cancelled with UNAVAILABLE, and ``drain`` says so."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    assert await waiting.drain(0.01) is False
    assert (await client.answer(1)).grpc_status == UNAVAILABLE
    assert service.cancelled == 1


async def test_idle_connections_close_at_once(waiting, dial):
    """Nobody waits for clients that have no calls, only for them to hang up."""
    clients = [await dial(waiting) for _ in range(3)]
    began = time.monotonic()
    assert await waiting.drain(60) is True
    assert time.monotonic() - began < 10
    for client in clients:
        assert await client.wait_closed()
        assert client.goaways[-1] == (0, 0)


async def test_silent_connections_do_not_hold_it_up(waiting, dial):
    """Nor for those that have not even said hello."""
    await dial(waiting, silent=True)
    await until(lambda: waiting.statistics.connections == 1)
    assert await waiting.drain(60) is True


async def test_nobody_gets_in_any_more(waiting, service, dial):
    """From the first moment on, new connections are refused, while calls in flight go on."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    host, port = waiting.addresses[0].rsplit(":", 1)
    stopping = draining(waiting)
    await until(lambda: waiting.serving.stopping)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    service.go_on.set()
    assert await stopping


async def test_stubborn_handlers_are_left_behind(waiting, service, dial, impatient):
    """A handler that swallows its cancellation does not hold up the end; ``wait_closed`` waits for it, as grpclib's does."""
    service.unary = service.stubborn
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    assert await waiting.drain(0) is False
    assert (await client.answer(1)).grpc_status == UNAVAILABLE
    closing = asyncio.create_task(waiting.wait_closed())
    assert waiting.statistics.calls == 1
    assert not closing.done()
    service.go_on.set()
    await asyncio.wait_for(closing, PATIENCE)
    assert service.cancelled >= 1


async def test_stubborn_streams_as_well(waiting, service, dial, impatient):
    """The same goes for handlers of streams."""
    service.chat = service.stubborn
    client = await dial(waiting)
    client.call(1, CHAT, end=False)
    await service.called.wait()
    assert await waiting.drain(60) is True
    assert (await client.answer(1)).grpc_status == UNAVAILABLE


async def test_twice(waiting, service, dial):
    """Who drains a second time finds that it is done."""
    assert await waiting.drain(1) is True
    assert await waiting.drain(1) is True
    waiting.close()
    await waiting.wait_closed()


async def test_at_the_same_time(waiting, service, dial):
    """Two that drain at the same time do not disturb each other: both return when it is over."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    both = [draining(waiting), draining(waiting)]
    assert await client.wait(lambda: len(client.goaways) == 2)
    assert [each.done() for each in both] == [False, False]
    service.go_on.set()
    assert await asyncio.gather(*both) == [True, True]
    assert (await client.answer(1)).messages == [b"x"]


async def test_before_the_start(service, engine):
    """What does not run is stopped already; closing it is an error, as with grpclib."""
    server = Server([service], engine=engine)
    assert await server.drain(1) is True
    with pytest.raises(RuntimeError, match="not started"):
        server.close()
    with pytest.raises(RuntimeError, match="not started"):
        await server.wait_closed()


async def test_close(waiting, service, dial):
    """``close`` ends everything at once: handlers are cancelled, connections told GOAWAY."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x")
    client.call(3, CHAT, end=False)
    client.data(3, message(b"y"))
    await until(lambda: len(service.begun) == 2)
    waiting.close()
    await asyncio.wait_for(waiting.wait_closed(), PATIENCE)
    assert service.cancelled == 2
    assert await client.wait_closed()
    assert [client.seen(stream).grpc_status for stream in (1, 3)] == [UNAVAILABLE] * 2
    assert client.goaways != []


async def test_wait_closed_waits(waiting):
    """``wait_closed`` returns after ``close``, not before."""
    closed = asyncio.create_task(waiting.wait_closed())
    await asyncio.sleep(0)
    assert not closed.done()
    waiting.close()
    waiting.close()
    await asyncio.wait_for(closed, PATIENCE)


async def test_a_client_that_does_not_read(waiting, service, dial, connection, impatient):
    """A client that has gone away without a word, or does not read its answer, does not hold up the end for ever."""

    async def flood(stream):
        while True:
            await stream.send_message(bytes(100_000))

    service.pour = flood
    client = await dial(waiting, {4: LAST})
    client.window_update(0, LAST - 65_535)
    client._writer.transport.pause_reading()
    client.call(1, POUR, b"x")
    found = await connection(waiting)
    await until(lambda: found._paused)
    began = time.monotonic()
    assert await waiting.drain(60) is True
    assert time.monotonic() - began < 5


async def test_reasons_of_refusals_while_stopping(serve, service, dial):
    """What a stopping server refuses or cuts off goes through ``describe`` with its reason."""
    from stigmer.transport.refusal import Reason

    told = []

    def describe(refusal):
        told.append(refusal.reason)
        return GRPCError(Status.UNAVAILABLE, "later")

    service.unary = service.waiting
    server = await serve(describe=describe)
    client = await dial(server)
    client.call(1, UNARY, b"x", more=[("user-agent", "grpc-python-grpclib/0.4.9")])
    await service.called.wait()
    stopping = draining(server)
    await until(lambda: all(each._leaving for each in server.connections))
    client.call(3, UNARY, b"too late")
    assert (await client.answer(3)).grpc_message == "later"
    service.go_on.set()
    assert await stopping
    assert told == [Reason.SERVER_STOPPING]
