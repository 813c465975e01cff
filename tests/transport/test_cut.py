"""Connections that are cut in whatever state they are leave nothing behind: no stream, task, byte or descriptor."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import logging
import socket
import struct
import time
from pathlib import Path

import pytest
from attacked import CHAT, COLLECT, COUNTERS, FAIL, HANG, IGNORE, LARGE, POUR, UNARY, Attacked, PlainBytes
from attacker import INITIAL_WINDOW
from raw_http2 import DATA, END_HEADERS, HEADERS, MAGIC, PING, SETTINGS, RawClient, frame, grpc_request, header_block, message

from stigmer.transport.limits import Limits
from stigmer.transport.server import Server

PATIENCE = 10.0
MIB = 1024 * 1024
UNARY_HEAD = frame(HEADERS, END_HEADERS, 1, header_block(grpc_request(UNARY)))
BOMB = message(gzip.compress(bytes(10 * MIB)), flag=1)


class Scene:
    """A server, one connection to it, and what there was before."""

    def __init__(self, server, client):
        self.server, self.client, self.statistics = server, client, server.statistics

    async def until(self, so):
        """Waits until that is so, and fails when it does not become so."""
        end = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < end, f"this never came: {counters(self.server)}"
            await asyncio.sleep(0.002)

    async def read_so_far(self):
        """Waits until the server has read what was written."""
        assert await self.client.ping(PATIENCE)

    async def call(self, path, body=b"", *, streams=1, more=(), end=True):
        """Begins calls, and waits until their handlers run."""
        for stream in range(1, 2 * streams, 2):
            self.client.headers(stream, grpc_request(path, more))
            self.client.data(stream, body, end_stream=end)
        await self.until(lambda: self.statistics.calls == streams)


async def silent(scene):
    """Nothing was sent."""


async def within_the_magic(scene):
    """Half of the first bytes were sent."""
    scene.client.write(MAGIC[:10])


async def after_the_magic(scene):
    """SETTINGS are missing."""
    scene.client.write(MAGIC)


async def greeted(scene):
    """Both sides have said hello."""
    scene.client.preface()
    await scene.read_so_far()


async def within_a_frame_head(scene):
    """Five bytes of nine."""
    await greeted(scene)
    scene.client.write(UNARY_HEAD[:5])


async def within_headers(scene):
    """Half of a header block."""
    await greeted(scene)
    scene.client.write(UNARY_HEAD[: len(UNARY_HEAD) // 2])


async def before_a_continuation(scene):
    """Headers of which the rest was promised."""
    await greeted(scene)
    scene.client.write(frame(HEADERS, 0, 1, header_block(grpc_request(UNARY))[:20]))


async def before_the_body(scene):
    """Headers, and no message yet."""
    await greeted(scene)
    scene.client.headers(1, grpc_request(UNARY))
    await scene.read_so_far()


async def within_the_prefix(scene):
    """Three bytes of a message's five."""
    await before_the_body(scene)
    scene.client.data(1, message(b"hello")[:3])
    await scene.read_so_far()


async def within_the_body(scene):
    """A message of which half is there."""
    await before_the_body(scene)
    scene.client.data(1, message(bytes(500), length=1000))
    await scene.read_so_far()


async def within_a_data_frame(scene):
    """Half of a DATA frame."""
    await before_the_body(scene)
    scene.client.write(frame(DATA, 0, 1, message(bytes(1000)))[:500])


async def within_a_large_body(scene):
    """A message that counts among the bytes in flight."""
    await before_the_body(scene)
    scene.client.data(1, message(bytes(16000), length=MIB))
    await scene.until(lambda: scene.statistics.request_bytes > 0)


async def running(scene):
    """A handler that does not answer."""
    await greeted(scene)
    await scene.call(HANG, message())


async def hundred_running(scene):
    """As many handlers as a connection may have."""
    await greeted(scene)
    await scene.call(HANG, message(), streams=100)


async def before_a_deadline(scene):
    """A handler whose time will soon be over."""
    await greeted(scene)
    await scene.call(HANG, message(), more=[("grpc-timeout", "300m")])


async def unpacking(scene):
    """A message that takes a while to unpack."""
    await greeted(scene)
    await scene.call(COLLECT, BOMB, more=[("grpc-encoding", "gzip")])


async def large_answer_without_a_window(scene):
    """An answer that the client does not let come."""
    scene.client.preface({INITIAL_WINDOW: 0})
    scene.client.headers(1, grpc_request(LARGE))
    scene.client.data(1, message(), end_stream=True)
    await scene.until(lambda: scene.statistics.answer_bytes > MIB)


async def stream_without_a_window(scene):
    """A handler that waits until the client lets its messages come."""
    scene.client.preface({INITIAL_WINDOW: 0})
    await scene.call(POUR, message())
    await scene.until(lambda: scene.statistics.answer_bytes > 0)


async def stream_that_flows(scene):
    """Messages on their way."""
    scene.client.preface({INITIAL_WINDOW: 2**31 - 1})
    scene.client.window_update(0, 2**31 - 65536)
    await scene.call(POUR, message())
    assert await scene.client.wait(lambda: len(scene.client.seen(1).body) > MIB, PATIENCE)


async def stream_that_is_not_read(scene):
    """Messages that fill the buffers of both sides."""
    await stream_that_flows(scene)
    scene.client._writer.transport.pause_reading()
    await scene.until(lambda: scene.statistics.answer_bytes > 0)


async def upload_that_waits(scene):
    """A handler that waits for the next message."""
    await greeted(scene)
    await scene.call(COLLECT, message(b"one") + message(b"two"), end=False)


async def upload_within_a_message(scene):
    """A handler that waits for the rest of a large message."""
    await greeted(scene)
    await scene.call(COLLECT, message(bytes(1000), length=MIB), end=False)
    await scene.until(lambda: scene.statistics.request_bytes > 0)


async def upload_that_is_not_read(scene):
    """A full window before a handler that does not read."""
    await greeted(scene)
    await scene.call(IGNORE, end=False)
    for _ in range(3):
        scene.client.data(1, bytes(16000))
    await scene.read_so_far()


async def chat(scene):
    """Messages in both directions."""
    await greeted(scene)
    await scene.call(CHAT, message(b"hello"), end=False)
    assert await scene.client.wait(lambda: scene.client.seen(1).messages == [b"hello"], PATIENCE)


async def chat_without_a_window(scene):
    """Messages in one direction, answers that may not be sent in the other."""
    scene.client.preface({INITIAL_WINDOW: 0})
    await scene.call(CHAT, message(bytes(10_000)), end=False)


async def answered(scene):
    """A call that is over."""
    await greeted(scene)
    scene.client.headers(1, grpc_request(FAIL))
    scene.client.data(1, message(), end_stream=True)
    assert (await scene.client.answer(1, PATIENCE)).grpc_status == 5


async def answered_early(scene):
    """A refusal of a request that the client has not sent to its end."""
    await before_the_body(scene)
    scene.client.data(1, message(b"x", length=2**32 - 1))
    assert (await scene.client.answer(1, PATIENCE)).grpc_status == 8


async def reset(scene):
    """Calls that the client has given up."""
    await running(scene)
    scene.client.reset(1)
    await scene.read_so_far()


async def reset_without_an_error(scene):
    """Calls that the client has given up with the code that says nothing is wrong."""
    await running(scene)
    scene.client.reset(1, 0)
    await scene.read_so_far()


async def leaving(scene):
    """A client that has said it goes, and still has a call."""
    await running(scene)
    scene.client.frame(0x7, 0, 0, bytes(8))
    await scene.until(lambda: scene.statistics.connections == 1)


async def expelled(scene):
    """A connection that was told GOAWAY for a flood."""
    await greeted(scene)
    scene.client.write(frame(PING, 0, 0, bytes(8)) * 5000)
    await scene.client.wait(lambda: bool(scene.client.goaways), PATIENCE)


async def flooding(scene):
    """SETTINGS by the thousand which the server has not all read."""
    await greeted(scene)
    scene.client.write(frame(SETTINGS, 0, 0) * 5000)


async def draining(scene):
    """A server that wants to stop, and waits for a call."""
    await running(scene)
    scene.draining = asyncio.create_task(scene.server.drain(PATIENCE))
    assert await scene.client.wait(lambda: bool(scene.client.goaways), PATIENCE)


STATES = [
    *(silent, within_the_magic, after_the_magic, greeted, within_a_frame_head, within_headers, before_a_continuation),
    *(before_the_body, within_the_prefix, within_the_body, within_a_data_frame, within_a_large_body),
    *(running, hundred_running, before_a_deadline, unpacking),
    *(large_answer_without_a_window, stream_without_a_window, stream_that_flows, stream_that_is_not_read),
    *(upload_that_waits, upload_within_a_message, upload_that_is_not_read, chat, chat_without_a_window),
    *(answered, answered_early, reset, reset_without_an_error, leaving, expelled, flooding, draining),
]


async def by_reset(client):
    """The network breaks: the server gets a TCP reset."""
    client._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await client.close()


async def by_close(client):
    """The client dies: its system closes the connection."""
    await client.close()


async def by_half_close(client):
    """The client says that it sends no more, and waits for the server to close."""
    with contextlib.suppress(RuntimeError):
        client._writer.transport.resume_reading()
    client.half_close()
    assert await client.wait_closed(PATIENCE)
    await client.close()


CUTS = [by_reset, by_close, by_half_close]


def counters(server):
    """What the server has now."""
    return {name: getattr(server.statistics, name) for name in COUNTERS}


def descriptors():
    """What this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(params=["ngh2", "h2"])
async def server(request):
    """A server with methods of all kinds, which patience is never tested."""
    server = Server([Attacked()], codec=PlainBytes(), limits=Limits(), engine=request.param)
    await server.start("127.0.0.1", 0)
    yield server
    await server.drain(0)


async def cut_in(server, state, cut):
    """Connects, goes to the state, cuts, and waits until there is what there was before."""
    tasks, open_before = asyncio.all_tasks(), descriptors()
    host, port = server.addresses[0].rsplit(":", 1)
    client = await RawClient.connect(host, int(port))
    scene = Scene(server, client)
    await scene.until(lambda: server.statistics.connections == 1)
    await state(scene)
    await client.flush()
    await cut(client)
    await scene.until(lambda: not any(counters(server).values()) and asyncio.all_tasks() <= tasks)
    stopping = getattr(scene, "draining", None)
    assert stopping is None or await stopping
    await scene.until(lambda: descriptors() <= open_before)
    assert len(server.connections) == 0


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_nothing_is_left(server, state, cut, caplog):
    """When a connection is cut its calls end, what they held is given back, and nothing is complained of."""
    await cut_in(server, state, cut)
    assert [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


async def test_no_object_is_left(server):
    """Neither is a connection kept alive by something that still refers to it."""
    from stigmer.transport.connection import Connection

    for state in STATES:
        if state is not draining:
            await cut_in(server, state, by_reset)
    gc.collect()
    found = [each for each in gc.get_objects() if isinstance(each, Connection) and each._server is server]
    assert found == []
