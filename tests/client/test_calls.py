"""What a call is on the wire, and what each answer means: the same on libnghttp2 and through grpclib."""

from __future__ import annotations

import asyncio
import base64
import gc
import struct

import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from grpclib.exceptions import GRPCError, StreamTerminatedError
from h2.errors import ErrorCodes

from stigmer.client import DeadlineExceeded
from stigmer.client.calls import calls_to
from stigmer.client.connection import Connection
from stigmer.transport.codec import BytesCodec
from stigmer.transport.server import Server

pytestmark = pytest.mark.usefixtures("way")

PATH = "/a.Service/rpc"
HEAD = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]
LARGE = 9 * 1024 * 1024


def framed(*messages, flag=0):
    """Messages as they stand on the wire."""
    return b"".join(struct.pack(">BI", flag, len(message)) + message for message in messages)


def trailers(status, message="", *details):
    """A status with its text and details."""
    packed = ProtoStatusDetailsCodec().encode(Status(status), message, details)
    encoded = base64.b64encode(packed).decode().rstrip("=")
    return [("grpc-status", str(status)), ("grpc-message", message), ("grpc-status-details-bin", encoded)]


@pytest.fixture
def calls(scripted):
    """Calls to the scripted server, with metadata of both kinds."""
    opened = []

    def open_(**options):
        opened.append(calls_to(scripted.address, **options))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


async def answered(calls, scripted, *answer):
    """What a call gives that is answered so."""
    call = asyncio.create_task(calls().messages(PATH, b"x", None))
    connection, stream = await scripted.next()
    connection.say(stream, *answer)
    return await call


FAILURES = {
    "http status": (([(":status", "503")],), Status.UNAVAILABLE, "Received :status = '503'"),
    "odd http status": (([(":status", "418")], b"tea"), Status.UNKNOWN, "Received :status = '418'"),
    "no content-type": (([(":status", "200")], b"x"), Status.UNKNOWN, "Missing content-type header"),
    "html": (([(":status", "200"), ("content-type", "text/html")], b"x"), Status.UNKNOWN, "Invalid content-type: 'text/html'"),
    "trailers only": ((HEAD + trailers(5, "not there"),), Status.NOT_FOUND, "not there"),
    "after a message": ((HEAD, framed(b"x"), trailers(8, "full")), Status.RESOURCE_EXHAUSTED, "full"),
    "quoted": ((HEAD, None, trailers(5, "n%C3%B6 100%25")), Status.NOT_FOUND, "nö 100%"),
    "no status": ((HEAD, framed(b"x"), [("other", "1")]), Status.UNKNOWN, "Missing grpc-status header"),
    "unknown status": ((HEAD, None, [("grpc-status", "2053")]), Status.UNKNOWN, "Invalid grpc-status: '2053'"),
    "no number": ((HEAD, None, [("grpc-status", "ok")]), Status.UNKNOWN, "Invalid grpc-status: 'ok'"),
    "compressed": (
        (HEAD, framed(b"x", flag=1), OK),
        Status.INTERNAL,
        "the answer is compressed, which was not asked for",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_answers_that_are_failures(calls, scripted, name):
    """Each answer that is none means one status and one text."""
    answer, status, message = FAILURES[name]
    with pytest.raises(GRPCError) as caught:
        await answered(calls, scripted, *answer)
    assert (caught.value.status, caught.value.message) == (status, message)


async def test_details_are_read(calls, scripted):
    """The details of a status are google.rpc's."""
    with pytest.raises(GRPCError) as caught:
        await answered(calls, scripted, HEAD, None, trailers(5, "gone", ErrorInfo(reason="GONE")))
    assert caught.value.details == [ErrorInfo(reason="GONE")]


@pytest.mark.parametrize("messages", [(), (b"",), (b"x",), (b"one", b"", b"three")])
async def test_all_messages_are_given(calls, scripted, messages):
    """An answer may hold any number of messages."""
    assert await answered(calls, scripted, HEAD, framed(*messages), OK) == list(messages)


async def test_what_is_sent(calls, scripted):
    """A call carries its path, what gRPC asks for, its deadline and the metadata, binary values in base64."""
    opened = calls(metadata={"x-name": "ann", "x-raw-bin": b"\xff\x00"})
    loop = asyncio.get_running_loop()
    call = asyncio.create_task(opened.messages(PATH, b"x", loop.time() + 5.5))
    connection, stream = await scripted.next()
    connection.answer(stream)
    await call
    head = connection.heads[stream]
    assert head.pop(b"user-agent").startswith(b"grpc-python-stigmer")
    assert 4000 < int(head.pop(b"grpc-timeout").removesuffix(b"m")) <= 5500
    assert head == {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": PATH.encode(),
        b":authority": scripted.address.encode(),
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        b"x-name": b"ann",
        b"x-raw-bin": b"/wA",
    }


@pytest.mark.parametrize("metadata", [{"Upper": "x"}, {"x": "ü"}, {"grpc-x": "x"}, {"te": "x"}])
async def test_bad_metadata_is_a_value_error(scripted, metadata):
    """Metadata that cannot be sent is refused when it would be."""
    connection = Connection(scripted.address, metadata=metadata)
    with pytest.raises(ValueError, match="Invalid metadata"):
        await connection.call(PATH, b"", repeatable=True)
    connection.close()


async def test_who_stops_waiting_resets_the_stream(calls, scripted):
    """A call whose caller is cancelled is cancelled on the server, and the connection works on."""
    opened = calls()
    call = asyncio.create_task(opened.messages(PATH, b"x", None))
    connection, stream = await scripted.next()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(10):
        assert (await connection.resets.get())[0] == stream
    again = asyncio.create_task(opened.messages(PATH, b"x", None))
    same, stream = await scripted.next()
    same.answer(stream)
    assert await again == [b""]
    assert same is connection


async def test_who_runs_out_of_time_resets_the_stream(scripted):
    """A call that is not answered in time is cancelled on the server."""
    client = Connection(scripted.address, timeout=0.3)
    call = asyncio.create_task(client.call(PATH, b"x", repeatable=False))
    connection, stream = await scripted.next()
    with pytest.raises(DeadlineExceeded):
        await call
    async with asyncio.timeout(10):
        assert (await connection.resets.get())[0] == stream
    client.close()


async def test_a_status_before_a_reset_counts(calls, scripted):
    """A server that answers and then resets the stream has answered."""
    call = asyncio.create_task(calls().messages(PATH, b"x", None))
    connection, stream = await scripted.next()
    connection.say(stream, HEAD + trailers(7, "no"))
    with pytest.raises(GRPCError, match="no"):
        await call


@pytest.mark.parametrize("code", [ErrorCodes.CANCEL, ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR])
async def test_a_reset_ends_a_call(calls, scripted, code):
    """A stream that the server resets ends its call, and no other."""
    opened = calls()
    first, second = (asyncio.create_task(opened.messages(PATH, b"x", None)) for _ in range(2))
    (connection, one), (_, two) = await scripted.next(), await scripted.next()
    connection.reset(one, code)
    connection.answer(two)
    with pytest.raises(StreamTerminatedError):
        await first
    assert await second == [b""]


async def test_calls_at_once_are_written_at_once(calls, scripted, way):
    """On libnghttp2 the calls of one turn of the loop reach the server in one piece."""
    if way == "grpclib":
        pytest.skip("grpclib writes each of them for itself")
    opened = calls()
    first = asyncio.create_task(opened.messages(PATH, b"x", None))
    connection, stream = await scripted.next()
    connection.answer(stream)
    await first
    await connection.seen()
    before = connection.reads
    many = [asyncio.create_task(opened.messages(PATH, b"x", None)) for _ in range(50)]
    arrived = [await scripted.next() for _ in many]
    assert connection.reads == before + 1
    for _, stream in arrived:
        connection.answer(stream)
    assert await asyncio.gather(*many) == [[b""]] * 50


class _Large:
    """Answers with what it gets, and refuses without reading."""

    def __mapping__(self):
        return {
            PATH: Handler(self._echo, Cardinality.UNARY_UNARY, bytes, bytes),
            "/a.Service/many": Handler(self._many, Cardinality.UNARY_STREAM, bytes, bytes),
        }

    async def _echo(self, stream):
        await stream.send_message(await stream.recv_message())

    async def _many(self, stream):
        message = await stream.recv_message()
        for _ in range(20):
            await stream.send_message(message)


@pytest.fixture(params=["tcp", "unix"])
async def large(request, tmp_path):
    server = Server([_Large()], codec=BytesCodec())
    if request.param == "tcp":
        await server.start("127.0.0.1", 0)
    else:
        await server.start(path=str(tmp_path / "s"))
    yield server
    server.close()
    await server.wait_closed()


async def test_large_messages_pass_both_ways(large):
    """Requests and answers larger than any window pass, beside one another, over TCP and a Unix socket."""
    opened = calls_to(large.addresses[0])
    request = bytes(range(256)) * (LARGE // 256)
    try:
        assert await asyncio.gather(*(opened.messages(PATH, request, None) for _ in range(3))) == [[request]] * 3
        assert await opened.messages("/a.Service/many", request[: LARGE // 20], None) == [request[: LARGE // 20]] * 20
        with pytest.raises(GRPCError) as caught:
            await opened.messages(PATH, request * 2, None)
        assert caught.value.status is Status.RESOURCE_EXHAUSTED
        assert await opened.messages(PATH, b"still", None) == [b"still"]
    finally:
        opened.close()


async def test_calls_leave_no_cycles(scripted, way):
    """Neither an answer nor a failure keeps anything that only the garbage collector would find."""
    if way == "grpclib":
        pytest.skip("grpclib's own calls leave some")
    client = Connection(scripted.address)

    async def call(number):
        task = asyncio.create_task(client.call(PATH, b"x", repeatable=False))
        connection, stream = await scripted.next()
        connection.say(stream, HEAD, framed(b"x"), trailers(number % 2 * 5, "no"))
        await asyncio.gather(task, return_exceptions=True)

    await call(0)
    await call(1)
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            await call(number)
        assert [each for each in _found() if "stigmer.client" in type(each).__module__] == []
    finally:
        gc.enable()
    client.close()


def _found():
    """What only the garbage collector finds."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return gc.garbage.copy()
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
