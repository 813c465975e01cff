"""A call ends when its time is over, whatever its handler and its client do."""

from __future__ import annotations

import asyncio
import time

import grpc.aio
import pytest
from raw_http2 import HEADERS, RST_STREAM, message

from .client import INITIAL_WINDOW
from .service import CHAT, COLLECT, PATHS, POUR, UNARY, answering, until

DEADLINE_EXCEEDED, CANCEL, NO_ERROR = 4, 8, 0


def timeout(text):
    return [("grpc-timeout", text)]


@pytest.fixture
async def waiting(serve, service):
    """A server whose handlers wait."""
    service.unary = service.pour = service.chat = service.collect = service.waiting
    return await serve()


@pytest.mark.parametrize("path", PATHS)
async def test_a_deadline_of_the_client_s(waiting, service, dial, path):
    """A call of any kind whose client gives it a time is DEADLINE_EXCEEDED after that, and its handler is cancelled."""
    client = await dial(waiting)
    client.call(1, path, end=False, more=timeout("100m"))
    client.data(1, message(b"x"), end_stream=path in {UNARY, POUR})
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.grpc_message) == (DEADLINE_EXCEEDED, "Deadline exceeded")
    await until(lambda: service.cancelled == 1)
    assert sum(waiting.statistics.limited.values()) == 0


async def test_grpcio_s_deadline(waiting, channel):
    """The clocks of client and server may differ: both find that the time is over."""
    call = (await channel(waiting)).unary_unary(UNARY)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"x", timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: waiting.statistics.calls == 0)


@pytest.mark.parametrize("text", ["0n", "0S", "00000000H", "1n", "999n"])
@pytest.mark.parametrize("path", [UNARY, COLLECT])
async def test_no_time_at_all(waiting, service, dial, path, text):
    """A call without time is over before its handler begins."""
    client = await dial(waiting)
    client.call(1, path, b"x", more=timeout(text))
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED
    assert service.begun == []


async def test_the_usual_deadline(serve, service, dial):
    """A unary call whose client gives it no time has the default one, which is counted."""
    service.unary = service.waiting
    server = await serve(default_deadline_seconds=0.1)
    client = await dial(server)
    client.call(1, UNARY, b"x")
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED
    assert service.cancelled == 1
    assert server.statistics.limited["default_deadline_seconds"] == 1


async def test_more_than_the_usual_deadline(serve, service, dial):
    """Who gives a call more time than the default gets it."""
    service.unary = service.waiting
    client = await dial(await serve(default_deadline_seconds=0.05))
    client.call(1, UNARY, b"x", more=timeout("1M"))
    client.call(3, UNARY, b"y")
    assert (await client.answer(3)).grpc_status == DEADLINE_EXCEEDED
    service.go_on.set()
    assert (await client.answer(1)).messages == [b"x"]


@pytest.mark.parametrize("path", [COLLECT, POUR, CHAT])
async def test_streams_may_live_for_ever(serve, service, dial, path):
    """Streaming calls without a deadline have none, and one of their own may be as long as they like."""
    service.pour = service.chat = service.collect = service.waiting
    client = await dial(await serve(default_deadline_seconds=0.05, largest_deadline_seconds=0.05))
    for stream, more in ((1, []), (3, timeout("1H"))):
        client.call(stream, path, end=False, more=more)
        client.data(stream, message(b"x"), end_stream=True)
    await until(lambda: len(service.begun) == 2)
    service.unary = service.stubborn
    client.call(5, UNARY, b"x")
    assert (await client.answer(5)).grpc_status == DEADLINE_EXCEEDED
    service.go_on.set()
    assert [(await client.answer(stream)).grpc_status for stream in (1, 3)] == [0, 0]


async def test_a_handler_that_takes_no_notice(serve, service, dial):
    """A handler that swallows its cancellation does not keep its client waiting; its late answer goes nowhere."""
    service.unary = service.stubborn
    server = await serve()
    client = await dial(server)
    client.call(1, UNARY, b"x", more=timeout("50m"))
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED
    assert server.statistics.calls == 1
    service.go_on.set()
    await until(lambda: server.statistics.calls == 0)
    client.call(3, COLLECT, b"abc")
    assert (await client.answer(3)).messages == [b"3"]
    assert client.seen(1).body == b""


async def test_a_body_that_comes_too_slowly(waiting, service, dial):
    """A call whose message does not come in time is over without a handler, and its client told to stop sending."""
    client = await dial(waiting)
    client.call(1, UNARY, end=False, more=timeout("100m"))
    client.data(1, message(bytes(200_000))[:1000])
    await client.ping()
    assert waiting.statistics.request_bytes > 0
    answer = await client.answer(1)
    assert answer.grpc_status == DEADLINE_EXCEEDED
    assert await client.wait(lambda: answer.rst_code == NO_ERROR)
    assert client.kinds(1) == [HEADERS, RST_STREAM]
    assert waiting.statistics.request_bytes == 0
    assert service.begun == []


async def test_a_body_that_comes_after_its_time(waiting, service, dial):
    """What comes for a call that is over disturbs nobody."""
    client = await dial(waiting)
    client.call(1, UNARY, end=False, more=timeout("50m"))
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED
    client.data(1, message(b"too late"), end_stream=True)
    assert await client.ping()
    assert service.begun == []
    assert client.goaways == []


@pytest.mark.parametrize(
    ("path", "text", "seconds"),
    [
        (UNARY, "20S", 20),
        (UNARY, None, 30),
        (UNARY, "2H", 600),
        (UNARY, "99999999H", 600),
        (POUR, "2H", 7200),
        (POUR, None, None),
    ],
)
async def test_what_handlers_know_of_it(serve, service, dial, *, path, text, seconds):
    """A handler can see how much time its call has: its client's, ours, or any."""
    found = []

    async def look(stream):
        found.append(stream.deadline and stream.deadline.time_remaining())
        await answering(b"")(stream)

    service.unary = service.pour = look
    client = await dial(await serve())
    client.call(1, path, b"x", more=timeout(text) if text else [])
    assert (await client.answer(1)).grpc_status == 0
    assert found == [None] if seconds is None else seconds - 5 < found[0] <= seconds


async def test_timers_are_set_late(waiting, service, dial, connection):
    """A call with much time has a timer only when the time is nearly over: most calls end before."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x", more=timeout("1M"))
    client.call(3, UNARY, b"x", more=timeout("1S"))
    await until(lambda: len(service.begun) == 2)
    long, short = (await connection(waiting)).streams.values()
    assert short._timer is not None
    long.watch(time.monotonic() + 50)
    assert long._timer is None
    long.expires = time.monotonic() + 0.05
    assert (await client.answer(3, 0.01)).grpc_status is None
    long.watch(time.monotonic())
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED


@pytest.mark.parametrize("how", ["answered", "reset", "abort"])
async def test_no_timer_outlives_its_call(waiting, service, dial, connection, how):
    """When a call ends in another way its timer is gone."""
    client = await dial(waiting)
    client.call(1, UNARY, b"x", more=timeout("2S"))
    await service.called.wait()
    (stream,) = (await connection(waiting)).streams.values()
    timer = stream._timer
    if how == "answered":
        service.go_on.set()
    elif how == "reset":
        client.reset(1)
    else:
        client.abort()
    await client.flush()
    await until(lambda: stream.gone)
    assert timer.cancelled()


@pytest.mark.parametrize("path", [UNARY, POUR])
async def test_an_answer_that_is_not_read(serve, service, dial, path):
    """When the time is over for an answer that its client does not read the stream is reset, and all is given back."""
    service.unary = service.pour = answering(bytes(100_000))
    server = await serve()
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, path, b"x", more=timeout("100m"))
    assert (await client.answer(1)).rst_code == CANCEL
    assert server.statistics.answer_bytes == 0


async def test_an_answer_in_pieces(serve, service, dial):
    """A stream that has sent messages ends with the status in its trailers."""

    async def pouring(stream):
        await stream.recv_message()
        await stream.send_message(b"one")
        await asyncio.Event().wait()

    service.pour = pouring
    client = await dial(await serve())
    client.call(1, POUR, b"x", more=timeout("100m"))
    answer = await client.answer(1)
    assert answer.messages == [b"one"]
    assert answer.trailers["grpc-status"] == "4"
