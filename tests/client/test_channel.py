"""A server that goes away politely, spoken frame by frame."""

from __future__ import annotations

import asyncio

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, StreamEnded
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from stigmer.client import ConnectionLost, Session, SessionClient, SessionList

EVERYTHING = 2**31 - 1


class Scripted:
    """Answers every call with an empty message, once it is told to.

    Attributes:
        address: where clients connect.
        arrived: calls whose request is complete, as (connection, stream).
    """

    def __init__(self):
        self.address = ""
        self.arrived: asyncio.Queue[tuple[_Connection, int]] = asyncio.Queue()
        self.connections: list[_Connection] = []

    async def open(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    async def next(self):
        """The connection and stream of the next call."""
        async with asyncio.timeout(10):
            return await self.arrived.get()

    async def close(self):
        self._server.close()
        for connection in self.connections:
            connection.transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, server):
        self._server = server
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self.lost = asyncio.Event()
        self.pong = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self._server.connections.append(self)
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1000})
        transport.write(self._h2.data_to_send())

    def connection_lost(self, exc):
        self.lost.set()

    def data_received(self, data):
        for event in self._h2.receive_data(data):
            if isinstance(event, DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._server.arrived.put_nowait((self, event.stream_id))
            elif isinstance(event, PingAckReceived):
                self.pong.set()
        self.transport.write(self._h2.data_to_send())

    def ping(self):
        self._h2.ping(b"--seen--")
        self.transport.write(self._h2.data_to_send())

    def answer(self, stream):
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self._h2.send_data(stream, bytes(5))
        self._h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        self.transport.write(self._h2.data_to_send())

    def go_away(self, last_stream):
        self.transport.write(GoAwayFrame(0, last_stream_id=last_stream).serialize())


@pytest.fixture
async def scripted():
    server = Scripted()
    await server.open()
    yield server
    await server.close()


async def test_calls_in_flight_are_answered_after_goaway(scripted):
    """A server that parts may still answer what it has, and does not get new calls."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        old, stream = await scripted.next()
        old.go_away(EVERYTHING)
        old.go_away(stream)
        await _seen(old)
        read = asyncio.create_task(client.list())
        new, second = await scripted.next()
        assert new is not old
        old.answer(stream)
        assert await write == Session()
        new.answer(second)
        assert await read == SessionList()


async def test_calls_that_will_not_be_answered_are_made_again(scripted):
    """A write above the last stream that the server promises to answer was not looked at: it goes over a new connection."""
    async with SessionClient(scripted.address) as client:
        first, second = (asyncio.create_task(client.create(Session())) for _ in range(2))
        old, kept = await scripted.next()
        await scripted.next()
        old.go_away(kept)
        new, again = await scripted.next()
        assert new is not old
        new.answer(again)
        assert await second == Session()
        old.answer(kept)
        assert await first == Session()


async def test_a_server_that_breaks_its_promise_is_connection_lost(scripted):
    """When the connection closes after GOAWAY without the answer, the write fails as usual."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        old, _ = await scripted.next()
        old.go_away(EVERYTHING)
        await _seen(old)
        old.transport.close()
        with pytest.raises(ConnectionLost):
            await write


async def test_an_idle_connection_is_closed_at_goaway(scripted):
    """With nothing in flight the client hangs up, and connects again for the next call."""
    async with SessionClient(scripted.address) as client:
        for number in range(2):
            read = asyncio.create_task(client.list())
            connection, stream = await scripted.next()
            connection.answer(stream)
            await read
            connection.go_away(EVERYTHING)
            async with asyncio.timeout(10):
                await connection.lost.wait()
            assert len(scripted.connections) == number + 1


async def test_closing_the_client_closes_what_is_parting(scripted):
    """A connection that waits for its last answer is closed with the client."""
    client = SessionClient(scripted.address)
    write = asyncio.create_task(client.create(Session()))
    old, _ = await scripted.next()
    old.go_away(EVERYTHING)
    read = asyncio.create_task(client.list())
    new, _ = await scripted.next()
    client.close()
    async with asyncio.timeout(10):
        await old.lost.wait()
        await new.lost.wait()
    results = await asyncio.gather(write, read, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionLost, ConnectionLost]


async def test_at_most_a_hundred_calls_are_under_way(scripted):
    """Further calls wait until one of them is answered: a server that takes a hundred streams refuses none."""
    async with SessionClient(scripted.address) as client:
        reads = [asyncio.create_task(client.list()) for _ in range(102)]
        waiting = [await scripted.next() for _ in range(100)]
        await _seen(waiting[0][0])
        assert scripted.arrived.empty()
        for connection, stream in waiting:
            connection.answer(stream)
        for connection, stream in [await scripted.next() for _ in range(2)]:
            connection.answer(stream)
        assert await asyncio.gather(*reads) == [SessionList()] * 102


async def _seen(connection):
    """Returns when the client has read all that was written: it answers a ping after that."""
    connection.pong.clear()
    connection.ping()
    async with asyncio.timeout(10):
        await connection.pong.wait()
