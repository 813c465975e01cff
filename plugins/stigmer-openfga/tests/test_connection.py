"""The connection to an OpenFGA that is restarted."""

import asyncio
import contextlib

import pytest
from grpclib.const import Cardinality, Handler
from stigmer_openfga.connection import Connection

from stigmer.transport.codec import BytesCodec
from stigmer.transport.server import Server

pytestmark = pytest.mark.usefixtures("way")


class Writes:
    """Answers writes with what they bring, once it may.

    Attributes:
        arrived: set when there is one.
        opened: they wait for it.
    """

    def __init__(self):
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()

    def __mapping__(self):
        return {"/openfga.v1.OpenFGAService/Write": Handler(self._write, Cardinality.UNARY_UNARY, bytes, bytes)}

    async def _write(self, stream):
        request = await stream.recv_message()
        self.arrived.set()
        await self.opened.wait()
        await stream.send_message(request)


@pytest.fixture
def writes():
    return Writes()


@pytest.fixture
async def server(writes):
    server = Server([writes], codec=BytesCodec())
    await server.start("127.0.0.1", 0)
    yield server
    server.close()
    await server.wait_closed()


@contextlib.contextmanager
def connected(port):
    """A connection to the port."""
    connection = Connection(f"127.0.0.1:{port}", tls=False, token="", in_flight=10)
    try:
        yield connection
    finally:
        connection.close()


def _port(server):
    return int(server.addresses[0].rpartition(":")[2])


async def test_calls_in_flight_are_answered_when_it_stops(server, writes):
    """An OpenFGA that stops, and says so, answers what it has: the plugin waits for it."""
    with connected(_port(server)) as connection:
        write = asyncio.create_task(connection.call("Write", b"tuple", 10, repeatable=False))
        await writes.arrived.wait()
        draining = asyncio.create_task(server.drain(10))
        await asyncio.sleep(0)
        writes.opened.set()
        assert await write == b"tuple"
        assert await draining


async def test_a_write_that_was_not_begun_is_made_again(server, writes):
    """A write whose connection OpenFGA closes before it says anything goes over the next one: nothing of it was sent."""
    writes.opened.set()
    seen = []

    async def accept(reader, writer):
        seen.append(writer)
        if len(seen) > 1:
            there = await asyncio.open_connection("127.0.0.1", _port(server))
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as relay:
        with connected(relay.sockets[0].getsockname()[1]) as connection:
            assert await connection.call("Write", b"tuple", 10, repeatable=False) == b"tuple"
    assert len(seen) == 2


async def _pump(source, target):
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
    target.close()
