"""Whoever reads slowly, sends without end or asks for much gets what is theirs, and costs the others nothing."""

from __future__ import annotations

import asyncio
import gc
import gzip
import time
import weakref

import pytest
from raw_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, frame, grpc_request, header_block, message

from .client import DEFAULT_WINDOW, INITIAL_WINDOW
from .service import CHAT, COLLECT, PATIENCE, POUR, UNARY, answering, until

KIB, MIB = 1024, 1024 * 1024
LARGEST_WINDOW = 2**31 - 1
RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED = 8, 4
GZIP = ("grpc-encoding", "gzip")


@pytest.fixture
def quick_ticks(monkeypatch):
    """Connections are looked after fifty times a second."""
    monkeypatch.setattr("stigmer.transport.server._TICK", 0.02)


async def test_a_handler_waits_for_its_reader(serve, service, dial):
    """When more than ``buffered_bytes`` of a stream are unsent its handler waits until the client takes them."""
    sent = []

    async def pouring(stream):
        for each in range(20):
            await stream.send_message(bytes(4000))
            sent.append(each)

    service.pour = pouring
    client = await dial(await serve(buffered_bytes=10_000), {INITIAL_WINDOW: 0})
    client.call(1, POUR, b"x")
    assert await client.wait(lambda: bool(client.seen(1).headers))
    assert await client.ping()
    assert len(sent) == 2
    client.window_update(1, 12_015)
    await until(lambda: len(sent) == 5)
    assert await client.ping()
    assert len(sent) == 5
    client.window_update(1, LARGEST_WINDOW // 2)
    client.window_update(0, LARGEST_WINDOW // 2)
    assert (await client.answer(1)).messages == [bytes(4000)] * 20


@pytest.mark.parametrize("how", ["reset", "abort"])
async def test_a_waiting_handler_ends_with_its_client(serve, service, dial, how):
    """A handler that waits for a reader is cancelled when the reader goes."""
    server = await serve(buffered_bytes=10_000)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, POUR, b"100 50000")
    await until(lambda: server.statistics.answer_bytes > 0)
    if how == "reset":
        client.reset(1)
    else:
        client.abort()
    await until(lambda: server.statistics.calls == server.statistics.answer_bytes == 0)


async def test_the_room_for_answers(serve, service, dial):
    """Beyond ``answer_bytes`` of unread answers the next is RESOURCE_EXHAUSTED; what is read makes room again."""
    service.unary = answering(bytes(40_000))
    server = await serve(answer_bytes=200_000)
    client = await dial(server, {INITIAL_WINDOW: 0})
    for stream in (1, 3, 5):
        client.call(stream, UNARY, b"x")
    assert (await client.answer(5)).grpc_status == RESOURCE_EXHAUSTED
    assert server.statistics.answer_bytes == 80_000
    for stream in (1, 3):
        client.window_update(stream, MIB)
    client.window_update(0, MIB)
    assert [(await client.answer(stream)).messages for stream in (1, 3)] == [[bytes(40_000)]] * 2
    await until(lambda: server.statistics.answer_bytes == 0)
    client.call(7, UNARY, b"x")
    client.window_update(7, MIB)
    assert (await client.answer(7)).messages == [bytes(40_000)]
    assert server.statistics.limited["answer_bytes"] == 1


@pytest.mark.parametrize("how", ["reset", "abort", "close"])
async def test_room_is_given_back(serve, service, dial, how):
    """An answer that is never read gives its room back when its stream, its connection or the server ends."""
    service.unary = answering(bytes(40_000))
    server = await serve(answer_bytes=100_000)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, UNARY, b"x")
    await until(lambda: server.statistics.answer_bytes == 40_000)
    if how == "close":
        server.close()
    elif how == "reset":
        client.reset(1)
    else:
        client.abort()
    await until(lambda: server.statistics.answer_bytes == 0)


async def test_streams_share_the_room(serve, service, dial):
    """When much waits for slow readers, the handler of a stream waits though little of it is its own; it is not refused."""
    sent = []

    async def pouring(stream):
        for each in range(5):
            await stream.send_message(bytes(1000))
            sent.append(each)

    service.unary, service.pour = answering(bytes(40_000)), pouring
    server = await serve(answer_bytes=80_000)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, UNARY, b"x")
    client.call(3, POUR, b"x")
    assert await client.wait(lambda: bool(client.seen(3).headers))
    assert await client.ping()
    assert sent == []
    client.window_update(1, MIB)
    assert (await client.answer(1)).messages == [bytes(40_000)]
    await until(lambda: len(sent) == 5)
    client.window_update(3, MIB)
    assert (await client.answer(3)).messages == [bytes(1000)] * 5


async def test_small_answers_are_not_counted(serve, service, dial):
    """Answers of up to 16 KiB are too many to count, and too small to matter."""
    service.unary = answering(bytes(16 * KIB))
    server = await serve(answer_bytes=1)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, UNARY, b"x")
    assert await client.wait(lambda: bool(client.seen(1).headers))
    assert server.statistics.answer_bytes == 0


@pytest.mark.parametrize("path", [UNARY, COLLECT])
async def test_the_room_for_requests(serve, dial, path):
    """Requests in flight hold what has come of them, not what they announce; what is too much is RESOURCE_EXHAUSTED."""
    server = await serve(request_bytes=500_000)
    client = await dial(server, {INITIAL_WINDOW: MIB})
    client.window_update(0, MIB)
    whole = message(bytes(100_000))
    for stream in (1, 3, 5):
        client.call(stream, path, end=False)
        client.data(stream, whole[:10])
    for stream in (1, 3, 5):
        for start in range(10, 99_000, 16_000):
            client.data(stream, whole[start : min(start + 16_000, 99_000)])
    assert (await client.answer(5)).grpc_status == RESOURCE_EXHAUSTED
    assert 198_000 <= server.statistics.request_bytes <= 250_000
    for stream in (1, 3):
        client.data(stream, whole[99_000:], end_stream=True)
    assert [(await client.answer(stream)).grpc_status for stream in (1, 3)] == [0, 0]
    await until(lambda: server.statistics.request_bytes == 0)
    assert server.statistics.limited["request_bytes"] == 1


async def test_an_announcement_holds_nothing(serve, dial):
    """Prefixes of large messages whose bytes never come keep nobody's requests out."""
    server = await serve()
    client = await dial(server)
    for stream in range(1, 61, 2):
        client.call(stream, COLLECT, end=False)
        client.data(stream, b"\0" + (10 * MIB).to_bytes(4, "big"))
    assert await client.ping(PATIENCE)
    assert server.statistics.request_bytes < 1000


@pytest.mark.parametrize("path", [UNARY, COLLECT])
async def test_unpacked_requests_are_counted(serve, dial, path):
    """A small message that unpacks to a large one holds what it has become."""
    server = await serve(request_bytes=300_000)
    client = await dial(server, {INITIAL_WINDOW: MIB})
    client.window_update(0, MIB)
    for stream, size, status in ((1, 200_000, RESOURCE_EXHAUSTED), (3, 100_000, 0)):
        client.call(stream, path, end=False, more=[GZIP])
        client.data(stream, message(gzip.compress(bytes(size)), flag=1), end_stream=True)
        assert (await client.answer(stream)).grpc_status == status
    await until(lambda: server.statistics.request_bytes == 0)


@pytest.mark.parametrize("path", [COLLECT, CHAT])
async def test_credit_comes_with_reading(serve, service, dial, connection, path):
    """A client may send as much as the window of its stream; more when the handler has read that, not earlier."""
    service.collect = service.chat = lambda stream: _later(service, stream)
    server = await serve(stream_window=64 * KIB)
    client = await dial(server)
    client.call(1, path, end=False)
    await service.called.wait()
    while client.windows[1] > 0:
        client.data(1, bytes(min(16 * KIB, client.windows[1])))
    for _ in range(2):  # an answer to PING gets ahead of WINDOW_UPDATE
        assert await client.ping()
    assert client.windows[1] == 0
    (stream,) = (await connection(server)).streams.values()
    assert len(stream._buffer) == 64 * KIB
    service.go_on.set()
    assert await client.wait(lambda: client.windows[1] >= 32 * KIB)  # told by halves
    client.data(1, b"", end_stream=True)
    assert (await client.answer(1)).grpc_status == 13


async def _later(service, stream):
    service.called.set()
    await service.go_on.wait()
    while await stream.recv_message() is not None:
        pass
    # What came is 65536 zero bytes: empty messages, and one byte that is none.


@pytest.mark.parametrize("body", [b"", b"x" * 20], ids=["empty", "small"])
async def test_credit_for_small_messages_comes_with_reading(serve, service, dial, body):
    """Of thousands that come at once, one that is read makes room for one, not for as many as are still there."""
    window, read = 64 * KIB, asyncio.Semaphore(0)

    async def collecting(stream):
        count = 0
        while await stream.recv_message() is not None:
            count += 1
            await read.acquire()
        await stream.send_message(b"%d" % count)

    service.collect = collecting
    client = await dial(await serve(stream_window=window))
    client.call(1, COLLECT, end=False)
    one = message(body)
    many = window // len(one)
    while client.windows[1] >= len(one):
        client.data(1, one * min(16 * KIB // len(one), client.windows[1] // len(one)))
    some = many * 3 // 4
    for _ in range(some):
        read.release()
    assert await client.wait(lambda: client.windows[1] >= 32 * KIB)
    for _ in range(2):
        assert await client.ping()
    assert client.windows[1] <= (some + 2) * len(one)
    for _ in range(many):
        read.release()
    client.data(1, b"", end_stream=True)
    assert (await client.answer(1)).messages == [b"%d" % many]


async def test_who_ignores_the_window(serve, service, dial):
    """A client that sends more than the window loses its stream or its connection; no memory is spent on it."""
    service.collect = service.waiting
    server = await serve(stream_window=64 * KIB)
    client = await dial(server)
    client.call(1, COLLECT, end=False)
    client.data(1, message(b"x"))
    await service.called.wait()
    for _ in range(5):
        client.data(1, bytes(16 * KIB))
    answer = await client.answer(1)
    assert 3 in {answer.rst_code, answer.goaway}
    await until(lambda: server.statistics.calls == 0)


async def test_one_stream_leaves_the_others_their_window(serve, service, dial):
    """Streams that nobody reads use up their own windows; calls beside them get through."""
    service.collect = service.waiting
    server = await serve(stream_window=64 * KIB, connection_window=256 * KIB)
    client = await dial(server)
    for stream in (1, 3):
        client.call(stream, COLLECT, end=False)
        client.data(stream, message(length=MIB))
        await client.ping()
        while client.windows[stream] >= 16 * KIB:
            client.data(stream, bytes(16 * KIB))
    client.call(5, UNARY, b"beside")
    assert (await client.answer(5)).messages == [b"beside"]


@pytest.mark.parametrize("path", [UNARY, COLLECT, CHAT])
async def test_a_message_larger_than_the_window(serve, dial, path):
    """A message gets through that is many times the window, in either direction."""
    client = await dial(await serve(stream_window=64 * KIB, connection_window=64 * KIB), {INITIAL_WINDOW: 4 * MIB})
    client.window_update(0, 4 * MIB)
    client.call(1, path, end=False)
    assert await client.upload(1, message(bytes(2 * MIB)))
    answer = await client.answer(1, 10)
    assert answer.grpc_status == 0
    assert answer.messages == [b"%d" % (2 * MIB) if path == COLLECT else bytes(2 * MIB)]


@pytest.mark.parametrize("why", ["window", "socket"])
async def test_who_does_not_read_is_cut(serve, service, dial, quick_ticks, why):
    """A client that takes nothing of what waits for it, by flow control or from its socket, is cut after a while."""
    service.pour = _endless
    server = await serve(stall_seconds=0.2)
    client = await dial(server, {INITIAL_WINDOW: 0 if why == "window" else LARGEST_WINDOW})
    client.window_update(0, LARGEST_WINDOW - DEFAULT_WINDOW)
    if why == "socket":
        client._writer.transport.pause_reading()
    client.call(1, POUR, b"x")
    await until(lambda: server.statistics.limited["stall_seconds"] == 1)
    await until(lambda: server.statistics.connections == server.statistics.calls == server.statistics.answer_bytes == 0)


async def _endless(stream):
    while True:
        await stream.send_message(bytes(4000))


@pytest.mark.parametrize("step", [500, 4005])
async def test_who_reads_slowly_is_not_cut(serve, service, dial, quick_ticks, step):
    """A client that takes a little now and then is served for as long as it likes, also when its handler keeps pace."""
    service.pour = _endless
    server = await serve(stall_seconds=0.3, buffered_bytes=10_000)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, POUR, b"x")
    for turn in range(1, 16):
        client.window_update(1, step)
        client.window_update(0, step)
        assert await client.wait(lambda size=turn * step: len(client.seen(1).body) == size)
        assert await client.next_frame(0.05) is None
    assert server.statistics.limited["stall_seconds"] == 0


async def test_an_idle_window_is_no_stall(serve, service, dial, quick_ticks):
    """A client for which nothing waits is not behind, whatever its window is."""
    service.chat = service.waiting
    server = await serve(stall_seconds=0.05)
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, CHAT, end=False)
    client.data(1, message(b"x"))
    await service.called.wait()
    assert not await client.wait_closed(0.2)
    assert server.statistics.limited["stall_seconds"] == 0


async def test_answers_beyond_their_deadline(serve, service, dial):
    """An answer that is not read in its time is dropped, and its room given back."""
    service.unary = answering(bytes(40_000))
    server = await serve()
    client = await dial(server, {INITIAL_WINDOW: 0})
    client.call(1, UNARY, b"x", more=[("grpc-timeout", "100m")])
    answer = await client.answer(1)
    assert answer.rst_code == 8
    assert server.statistics.answer_bytes == 0


async def test_busy_connections_take_turns(serve, service, dial):
    """The single call of one client does not wait for a hundred of another's to have run."""
    order = []

    async def slow(stream):
        order.append(await stream.recv_message())
        time.sleep(0.001)  # noqa: ASYNC251 - a handler that computes
        await stream.send_message(b"")

    service.unary = slow
    server = await serve(starts_per_turn=4)
    busy, single = await dial(server), await dial(server)
    head = header_block(grpc_request(UNARY))
    calls = [
        frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, message(b"busy"))
        for stream in range(1, 200, 2)
    ]
    busy.write(b"".join(calls))
    single.call(1, UNARY, b"single")
    assert (await single.answer(1)).grpc_status == 0
    assert (await busy.answer(199)).grpc_status == 0
    assert len(order) == 101
    assert order.index(b"single") <= 12


async def test_a_call_that_was_cancelled_is_gone_at_once(serve, service, dial):
    """With all that its client had sent, and not only when the garbage collector has its turn."""
    there = []

    async def waiting(stream):
        received = await stream.recv_message()
        there.append(weakref.ref(stream))
        await asyncio.Event().wait()
        await stream.send_message(received)

    service.unary = waiting
    client = await dial(await serve())
    gc.collect()
    gc.disable()
    try:
        for stream in range(1, 21, 2):
            client.call(stream, UNARY, bytes(1000))
        await until(lambda: len(there) == 10)
        client.abort()
        await until(lambda: not any(each() for each in there))
    finally:
        gc.enable()
