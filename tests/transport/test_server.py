"""The transport lets calls finish, and takes no message over the limit."""

import asyncio
import contextlib
import gzip
import inspect
import struct

import grpc
import grpc.aio
import grpclib.protocol
import grpclib.server
import pytest
from grpclib.const import Cardinality, Handler

from stigmer.transport import Server, receive_unary

LIMIT = 1000
PATH = "/test.Service/Call"


class Service:
    """Answers with what it got, once it may."""

    def __init__(self):
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.called = asyncio.Event()

    def __mapping__(self):
        return {
            PATH: Handler(self.call, Cardinality.UNARY_UNARY, bytes, bytes),
            "/test.Service/Forever": Handler(self.forever, Cardinality.UNARY_STREAM, bytes, bytes),
        }

    async def call(self, stream):
        message = await receive_unary(stream, LIMIT)
        await self.before_answer(message)
        await stream.send_message(message)

    async def before_answer(self, message):
        self.called.set()
        await self.may_answer.wait()

    async def forever(self, stream):
        self.called.set()
        await asyncio.Event().wait()


@pytest.fixture
def service():
    """The service that is served."""
    return Service()


@pytest.fixture
async def server(service):
    """A server on a free port."""
    server = Server([service])
    await server.start("127.0.0.1", 0)
    yield server
    await server.drain(0)


@pytest.fixture
async def call(server):
    """Calls the service from grpcio; the channel stays open."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel.unary_unary(PATH)


async def status_of(call, *args, **kwargs):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(*args, **kwargs)
    return caught.value.code()


async def raw(server, body: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """The status of a call whose framing is made by hand."""
    async with grpclib_channel(server) as channel, channel.request(PATH, Cardinality.UNARY_UNARY, bytes, bytes) as stream:
        await stream.send_request()
        prefix = struct.pack(">BI", flag, len(body) if length is None else length)
        await stream._stream.send_data(prefix + body, end_stream=True)
        stream._end_done = stream._send_message_done = True
        return await stream.recv_message()


def grpclib_channel(server):
    from grpclib.client import Channel
    from grpclib.encoding.base import CodecBase

    class Bytes(CodecBase):
        __content_subtype__ = "proto"

        def encode(self, message, message_type):
            return message

        def decode(self, data, message_type):
            return data

    host, port = server.address.rsplit(":", 1)
    return Channel(host, int(port), codec=Bytes())


async def test_bytes_come_back(call):
    """A message goes through as it is, also an empty one."""
    assert await call(b"hello") == b"hello"
    assert await call(b"") == b""


async def test_a_message_at_the_limit_passes_and_one_over_it_is_refused(call):
    """The limit is inclusive; beyond it the status is RESOURCE_EXHAUSTED and the connection goes on working."""
    assert await call(b"x" * LIMIT) == b"x" * LIMIT
    assert await status_of(call, b"x" * (LIMIT + 1)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await call(b"still here") == b"still here"


async def test_gzip_requests_are_understood(call):
    """A compressed request is answered like a plain one."""
    assert await call(b"x" * LIMIT, compression=grpc.Compression.Gzip) == b"x" * LIMIT


async def test_a_gzip_bomb_is_refused(call):
    """What is over the limit only once it is unpacked is refused."""
    assert await status_of(call, b"x" * 100_000, compression=grpc.Compression.Gzip) is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("body", "flag", "length"),
    [
        (b"abc", 0, 10),
        (b"abc", 1, None),
        (gzip.compress(b"abc" * 50)[:-4], 1, None),
        (b"abc", 7, None),
    ],
    ids=["ends early", "not gzip", "gzip ends early", "unknown flag"],
)
async def test_broken_framing_is_internal(server, body, flag, length):
    """A message that is cut off, is not what its flag says, or has an unknown flag is answered INTERNAL."""
    with pytest.raises(grpclib.GRPCError) as caught:
        await raw(server, body, flag=flag, length=length)
    assert caught.value.status is grpclib.const.Status.INTERNAL


async def test_calls_in_flight_finish_while_the_server_drains(server, service, call):
    """A call that is under way when the server is told to stop is answered; then the connection is closed."""
    service.may_answer.clear()
    under_way = asyncio.ensure_future(call(b"finish me"))
    await service.called.wait()
    draining = asyncio.create_task(server.drain(10))
    assert await status_of(call, b"too late") is grpc.StatusCode.UNAVAILABLE
    service.may_answer.set()
    assert await under_way == b"finish me"
    assert await draining is True


async def test_a_call_that_does_not_finish_is_cancelled(server, service, call):
    """After the grace period what is left is cancelled, and ``drain`` says so."""
    service.may_answer.clear()
    under_way = asyncio.ensure_future(call(b"never"))
    await service.called.wait()
    assert await server.drain(0.01) is False
    with pytest.raises(grpc.aio.AioRpcError):
        await under_way


async def test_streams_do_not_hold_up_the_end(server, service):
    """A stream that lives for ever, such as a health watch, is not waited for."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stream = channel.unary_stream("/test.Service/Forever")(b"")
        reading = asyncio.ensure_future(stream.read())
        await service.called.wait()
        assert await server.drain(60) is True
        with pytest.raises(grpc.aio.AioRpcError):
            await reading


async def test_a_call_that_swallows_its_cancellation_does_not_hold_up_the_end(server, service):
    """A handler that will not be cancelled is left behind after a while."""

    async def stubborn(message):
        service.called.set()
        while not service.may_answer.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await service.may_answer.wait()

    service.may_answer.clear()
    service.before_answer = stubborn
    async with grpc.aio.insecure_channel(server.address) as channel:
        under_way = asyncio.ensure_future(channel.unary_unary(PATH)(b""))
        await service.called.wait()
        assert await server.drain(0.01) is False
        service.may_answer.set()
        with pytest.raises(grpc.aio.AioRpcError):
            await under_way


async def test_a_server_that_never_started_drains():
    """Stopping before starting does nothing."""
    assert await Server([]).drain(1) is True


def test_grpclib_is_as_we_know_it():
    """The private names of grpclib that the transport relies on are there: a new version must be looked at."""
    assert list(inspect.signature(grpclib.protocol.Stream.recv_data).parameters) == ["self", "size"]
    assert "_stream" in inspect.getsource(grpclib.server.Stream.__init__)
    assert list(inspect.signature(grpclib.server.Server._protocol_factory).parameters) == ["self"]
    assert "_mapping" in inspect.getsource(grpclib.server.Server._protocol_factory)
    assert hasattr(grpclib.protocol.Connection, "close")
    assert "_transport" in inspect.getsource(grpclib.protocol.Connection.__init__)
    assert list(inspect.signature(grpclib.protocol.H2Protocol.connection_lost).parameters) == ["self", "exc"]
    assert list(inspect.signature(grpclib.server.Handler.accept).parameters) == ["self", "stream", "headers", "release_stream"]
