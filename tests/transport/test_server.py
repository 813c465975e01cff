"""A server listens wherever it is told to, on either engine, and answers calls there."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

import grpc.aio
import grpclib.events
import grpclib.metadata
import grpclib.protocol
import grpclib.server
import pytest
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.utils import graceful_exit

from stigmer.transport import engine as engines
from stigmer.transport.codec import BytesCodec
from stigmer.transport.refusal import Reason
from stigmer.transport.server import Server

from .service import CHAT, COLLECT, POUR, UNARY


async def test_bytes_come_back(serve, channel):
    """A message goes through as it is, small, large or empty."""
    call = (await channel(await serve())).unary_unary(UNARY)
    for message in (b"hello", b"", bytes(300_000)):
        assert await call(message) == message


async def test_all_four_kinds(serve, channel):
    """Either side may send one message or many."""
    client = await channel(await serve())
    assert await client.unary_unary(UNARY)(b"one") == b"one"
    assert await client.stream_unary(COLLECT)(iter([b"ab", b"", b"cde"])) == b"5"
    assert [message async for message in client.unary_stream(POUR)(b"3 2")] == [bytes(2)] * 3
    assert [message async for message in client.stream_stream(CHAT)(iter([b"a", b"b"]))] == [b"a", b"b"]


async def test_the_usual_codec(engine, channel):
    """Without a codec of its own, a server speaks google.protobuf as grpclib's does."""
    from grpclib.health.service import Health
    from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

    server = Server([Health()], engine=engine)
    await server.start("127.0.0.1", 0)
    call = (await channel(server)).unary_unary("/grpc.health.v1.Health/Check")
    answer = HealthCheckResponse.FromString(await call(HealthCheckRequest().SerializeToString()))
    assert answer.status == HealthCheckResponse.SERVING
    assert await server.drain(1)


async def test_what_a_handler_knows(serve, service, channel):
    """Metadata, the deadline, the user agent and the peer are there."""

    async def tell(stream):
        await stream.recv_message()
        assert stream.metadata["who"] == "me"
        assert stream.metadata["raw-bin"] == b"\0\xff"
        assert 50 < stream.deadline.time_remaining() <= 60
        assert "grpc-python-asyncio" in stream.user_agent
        assert stream.peer.addr()[0] == "127.0.0.1"
        assert stream.peer.cert() is None
        await stream.send_initial_metadata(metadata={"first": "1"})
        await stream.send_message(b"")
        await stream.send_trailing_metadata(metadata={"last-bin": b"\0"})

    service.unary = tell
    call = (await channel(await serve())).unary_unary(UNARY)(b"", metadata=[("who", "me"), ("raw-bin", b"\0\xff")], timeout=60)
    await call
    assert dict(await call.initial_metadata())["first"] == "1"
    assert dict(await call.trailing_metadata())["last-bin"] == b"\0"


async def cancelled(stream):
    await stream.recv_message()
    await stream.cancel()


async def failing(stream):
    raise GRPCError(Status.NOT_FOUND, "für immer fort")


async def buggy(stream):
    raise ZeroDivisionError("a secret")


async def silent(stream):
    await stream.recv_message()


async def answered_in_vain(stream):
    await stream.send_message(b"never seen")
    raise GRPCError(Status.ABORTED, "after all")


@pytest.mark.parametrize(
    ("handler", "code", "text"),
    [
        (failing, grpc.StatusCode.NOT_FOUND, "für immer fort"),
        (buggy, grpc.StatusCode.UNKNOWN, "Internal Server Error"),
        (silent, grpc.StatusCode.UNKNOWN, "Internal Server Error"),
        (answered_in_vain, grpc.StatusCode.ABORTED, "after all"),
        (cancelled, grpc.StatusCode.CANCELLED, None),
    ],
)
async def test_how_a_call_fails(serve, service, channel, *, handler, code, text):
    """A handler's error is the call's status; what is a bug of the handler's is not told to the client."""
    service.unary = handler
    call = (await channel(await serve())).unary_unary(UNARY)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"x")
    assert caught.value.code() is code
    assert text is None or caught.value.details() == text


async def test_refusals_in_other_words(serve, channel):
    """Who serves may say in its own words, and with details, what the transport refuses."""
    told = []

    def describe(refusal):
        told.append(refusal.reason)
        return GRPCError(refusal.status, f"sorry: {refusal.text}")

    call = (await channel(await serve(describe=describe))).unary_unary("/test.Service/Nothing")
    with pytest.raises(grpc.aio.AioRpcError, match="sorry: Method not found"):
        await call(b"")
    assert told == [Reason.UNKNOWN_METHOD]


async def test_several_places(serve, channel):
    """A server may be started again, to listen elsewhere too; its addresses are in that order."""
    server = await serve()
    await server.start("127.0.0.1", 0)
    first, second = server.addresses
    assert first != second
    for number in range(2):
        assert await (await channel(server, number=number)).unary_unary(UNARY)(b"here") == b"here"


async def test_a_unix_socket(serve, channel, tmp_path):
    """A server listens on a path, whose clients have no address."""
    server = await serve(connections_per_address=1, calls_per_address=1)
    await server.start(path=str(tmp_path / "socket"))
    assert server.addresses[1] == f"unix:{tmp_path / 'socket'}"
    for _ in range(3):
        assert await (await channel(server, number=1)).unary_unary(UNARY)(b"here") == b"here"
    assert server.statistics.connections == 3
    assert sum(server.statistics.limited.values()) == 0


async def test_a_socket_that_is_there(serve, channel):
    """A server takes over a socket that somebody else has bound."""
    server = await serve()
    bound = socket.create_server(("127.0.0.1", 0))
    await server.start(sock=bound)
    assert server.addresses[1] == f"127.0.0.1:{bound.getsockname()[1]}"
    assert await (await channel(server, number=1)).unary_unary(UNARY)(b"here") == b"here"


async def test_ipv6(serve, channel):
    """An IPv6 address has its brackets, as clients want it."""
    server = await serve()
    try:
        await server.start("::1", 0)
    except OSError:
        pytest.skip("there is no IPv6 here")
    assert server.addresses[1].startswith("[::1]:")
    assert await (await channel(server, number=1)).unary_unary(UNARY)(b"here") == b"here"


async def test_a_path_stands_alone(serve, tmp_path):
    """A path beside a host or a port is a mistake."""
    server = await serve()
    with pytest.raises(ValueError, match="path"):
        await server.start("127.0.0.1", 0, path=str(tmp_path / "socket"))
    assert len(server.addresses) == 1


async def test_a_place_that_is_taken(serve):
    """Where somebody listens already the start fails, and the places before are still served."""
    server = await serve()
    port = int(server.addresses[0].rsplit(":", 1)[1])
    with pytest.raises(OSError, match="address already in use"):
        await server.start("127.0.0.1", port)
    assert len(server.addresses) == 1
    server.close()
    await server.wait_closed()


async def test_grpclib_s_way_to_end(serve):
    """Grpclib's ``graceful_exit`` and ``async with`` work as with its own server."""
    server = await serve()
    with graceful_exit([server], signals=()):
        assert isinstance(server, grpclib.server.Server)
    async with server:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await server.start("127.0.0.1", 0)


async def test_a_path_has_one_answer(service):
    """Two handlers that claim the same path are refused."""
    with pytest.raises(ValueError, match=f"two handlers answer {UNARY}"):
        Server([service, service], codec=BytesCodec())


@pytest.fixture
def without_ngh2(monkeypatch):
    """ngh2 cannot be imported."""
    monkeypatch.delitem(sys.modules, "stigmer.transport.ngh2_engine", raising=False)
    monkeypatch.setitem(sys.modules, "ngh2", None)


async def test_without_the_fast_engine(without_ngh2, service, channel, caplog):
    """Where ngh2 cannot be imported the other engine serves, and one warning says so."""
    caplog.set_level(logging.INFO)
    server = Server([service], codec=BytesCodec())
    await server.start("127.0.0.1", 0)
    for _ in range(2):
        assert await (await channel(server)).unary_unary(UNARY)(b"slowly") == b"slowly"
    assert await server.drain(1)
    warnings = [record.getMessage() for record in caplog.records if record.name == "stigmer.transport"]
    assert warnings == ["ngh2 cannot be imported: HTTP/2 is spoken in pure Python, several times slower"]


def test_the_fast_engine_by_name(without_ngh2):
    """Who asks for ngh2 by its name gets nothing else."""
    with pytest.raises(ImportError):
        engines.load("ngh2")


def test_engines():
    """An engine is taken by name, ngh2 without one; there are no others."""
    assert engines.load() is engines.load("ngh2")
    assert engines.load("h2").__name__ == "H2Engine"
    with pytest.raises(ValueError, match="no engine 'nope'"):
        engines.load("nope")


async def test_grpclib_is_as_we_know_it(service):
    """The private names of grpclib that the transport uses are there: a new version must be looked at."""
    server = grpclib.server.Server([service], codec=BytesCodec())
    names = ("_mapping", "_codec", "_status_details_codec", "_loop", "_server", "_server_closed_fut", "__dispatch__")
    assert [name for name in names if not hasattr(server, name)] == []
    assert set(server._mapping) == set(service.__mapping__())
    assert server._server is server._server_closed_fut is None
    assert dict(server.__dispatch__._listeners) == {}
    await server.start("127.0.0.1", 0)
    assert isinstance(server._server, asyncio.Server)
    assert isinstance(server._server_closed_fut, asyncio.Future)
    server.close()
    await server.wait_closed()
    assert grpclib.metadata.Deadline(_timestamp=1.0) < grpclib.metadata.Deadline(_timestamp=2.0)
    assert grpclib.protocol.Peer(asyncio.Transport({"peername": "somebody"})).addr() == "somebody"
    assert Handler._fields == ("func", "cardinality", "request_type", "reply_type")
    assert Cardinality.STREAM_UNARY.client_streaming


def test_grpclib_s_stream_is_as_we_know_it():
    """All that handlers may call of grpclib's stream is answered by ours, which lacks what its own constructor makes."""
    from stigmer.transport.answer import Answering
    from stigmer.transport.stream import Stream
    from stigmer.transport.unary_request import UnaryRequest

    ours = {name for each in (UnaryRequest, Stream, Answering) for name in vars(each)}
    public = {name for name in dir(grpclib.server.Stream) if not name.startswith("_")}
    assert public - ours == set()
    attributes = {"metadata", "deadline", "peer", "user_agent"}
    assert attributes <= ours


def test_grpclib_s_reflection_is_as_we_know_it():
    """Reflection is grpclib's, over a pool of our own."""
    from inspect import signature

    from grpclib.reflection._deprecated import ServerReflection as ReflectionV1Alpha
    from grpclib.reflection.service import ServerReflection as ReflectionV1

    for each in (ReflectionV1, ReflectionV1Alpha):
        assert {"_service_names", "_pool"} <= set(signature(each.__init__).parameters)


def test_ngh2_is_as_we_know_it():
    """What the fast engine uses of ngh2 is there."""
    import ngh2

    methods = (
        *("initiate_connection", "set_local_window_size", "receive_data", "events", "data_to_send", "send_response"),
        *("send_data", "send_trailers", "reset_stream", "acknowledge_received_data", "queued_body_size"),
        *("local_window_size", "ping", "send_shutdown_notice", "send_goaway", "set_stream_priority"),
    )
    assert [name for name in methods if not hasattr(ngh2.Connection, name)] == []
    events = ("DataReceived", "RequestReceived", "StreamClosed", "ConnectionClosed", "TrailersReceived", "GoAwayReceived")
    controls = ("PingReceived", "SettingsReceived", "PriorityUpdateReceived", "WindowUpdated")
    assert [name for name in (*events, *controls) if not hasattr(ngh2.events, name)] == []
    assert issubclass(ngh2.DenialOfServiceError, ngh2.NGH2Error)


def test_h2_is_as_we_know_it():
    """What the other engine uses of h2 beside its interface is there."""
    from h2.config import H2Configuration
    from h2.connection import ConnectionState, H2Connection

    session = H2Connection(H2Configuration(client_side=False))
    names = ("streams", "state_machine", "decoder", "encoder", "local_settings", "max_inbound_frame_size")
    assert [name for name in names if not hasattr(session, name)] == []
    assert session.state_machine.state is ConnectionState.IDLE
    assert session.decoder.max_header_list_size > 0
