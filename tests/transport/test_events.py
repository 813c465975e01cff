"""Listeners of grpclib's five events see and change what they do with grpclib's own server, and may end a call."""

from __future__ import annotations

import asyncio
import socket

import grpclib.server
import pytest
from grpclib.const import Status
from grpclib.events import RecvMessage, RecvRequest, SendInitialMetadata, SendMessage, SendTrailingMetadata, listen
from grpclib.exceptions import GRPCError
from raw_http2 import message

from stigmer.transport.codec import BytesCodec
from stigmer.transport.server import Server

from .client import Client
from .service import CHAT, COLLECT, PATHS, PATIENCE, POUR, UNARY, Service

EVENTS = (RecvRequest, RecvMessage, SendInitialMetadata, SendMessage, SendTrailingMetadata)
UNKNOWN, PERMISSION_DENIED = 2, 7


class Asked:
    """A server with a service; its client connects when the listeners are there."""

    def __init__(self, server, service, address):
        self.server, self.service, self.address = server, service, address
        self.told, self.client = [], None

    def remember(self):
        """Notes the name of each event."""
        for kind in EVENTS:
            listen(self.server, kind, self._note)

    async def _note(self, event):
        self.told.append(type(event).__name__)

    async def call(self, path=UNARY, body=b"x", *, messages=1, more=(), replace=None):
        """The answer to a call with so many messages."""
        self.client = await Client.connect(*self.address)
        self.client.preface()
        self.client.call(1, path, end=False, more=more, replace=replace)
        self.client.data(1, message(body) * messages, end_stream=True)
        return await self.client.answer(1)

    async def close(self):
        if self.client is not None:
            await self.client.close()
        self.server.close()
        async with asyncio.timeout(PATIENCE):
            await self.server.wait_closed()


def make(kind):
    service = Service()
    if kind == "stock":
        return service, grpclib.server.Server([service], codec=BytesCodec())
    return service, Server([service], codec=BytesCodec(), engine=kind)


@pytest.fixture(params=["stock", "ngh2", "h2"])
async def asked(request):
    """Ours on each engine, and grpclib's own, for comparison: every test holds for both."""
    service, server = make(request.param)
    bound = socket.create_server(("127.0.0.1", 0))
    await server.start(sock=bound)
    found = Asked(server, service, bound.getsockname())
    yield found
    await found.close()


CALLS = {
    UNARY: ["RecvRequest", "RecvMessage", "SendInitialMetadata", "SendMessage", "SendTrailingMetadata"],
    COLLECT: ["RecvRequest", "RecvMessage", "RecvMessage", "SendInitialMetadata", "SendMessage", "SendTrailingMetadata"],
    POUR: ["RecvRequest", "RecvMessage", "SendInitialMetadata", "SendMessage", "SendMessage", "SendTrailingMetadata"],
    CHAT: [
        *("RecvRequest", "RecvMessage", "SendInitialMetadata", "SendMessage"),
        *("RecvMessage", "SendMessage", "SendTrailingMetadata"),
    ],
}


@pytest.mark.parametrize("path", PATHS)
async def test_which_events_there_are(asked, path):
    """A call of each kind has its events in their order."""
    asked.remember()
    answer = await asked.call(path, b"2 1" if path == POUR else b"x", messages=2 if path in {COLLECT, CHAT} else 1)
    assert answer.grpc_status == 0
    assert asked.told == CALLS[path]


async def test_the_events_of_an_error(asked):
    """A call that fails before it has answered has no initial metadata, but trailing."""
    asked.service.unary = denying
    asked.remember()
    answer = await asked.call()
    assert (answer.grpc_status, answer.grpc_message) == (PERMISSION_DENIED, "no")
    assert asked.told == ["RecvRequest", "SendTrailingMetadata"]


async def denying(*_):
    raise GRPCError(Status.PERMISSION_DENIED, "no")


async def failing(*_):
    raise ZeroDivisionError


async def test_what_a_request_brings(asked):
    """A listener of requests sees the method, the metadata, the deadline, the client and its peer."""
    seen = []

    async def look(event):
        seen.append(event)

    listen(asked.server, RecvRequest, look)
    await asked.call(more=[("who", "me"), ("grpc-timeout", "20S"), ("user-agent", "test/1")])
    (event,) = seen
    assert event.method_name == UNARY
    assert event.metadata["who"] == "me"
    assert 15 < event.deadline.time_remaining() <= 20
    assert (event.content_type, event.user_agent) == ("application/grpc", "test/1")
    assert event.peer.addr()[0] == "127.0.0.1"


async def test_metadata_and_handlers_can_be_exchanged(asked):
    """A listener of requests may give the call other metadata, and another handler."""
    found = []

    async def change(event):
        event.metadata["who"] = "somebody"
        handler = event.method_func

        async def around(stream):
            found.append(stream.metadata["who"])
            await handler(stream)
            found.append("after")

        event.method_func = around

    listen(asked.server, RecvRequest, change)
    assert (await asked.call()).messages == [b"x"]
    assert found == ["somebody", "after"]


@pytest.mark.parametrize("path", [UNARY, CHAT])
async def test_messages_can_be_exchanged(asked, path):
    """Listeners of messages may put others in their place, on both ways."""

    async def louder(event):
        event.message += b"!"

    listen(asked.server, RecvMessage, louder)
    listen(asked.server, SendMessage, louder)
    assert (await asked.call(path)).messages == [b"x!!"]


async def test_metadata_of_answers_can_be_added(asked):
    """Listeners may add to what goes out first and last."""

    async def add(event):
        event.metadata["by"] = type(event).__name__

    listen(asked.server, SendInitialMetadata, add)
    listen(asked.server, SendTrailingMetadata, add)
    answer = await asked.call()
    assert (answer.headers["by"], answer.trailers["by"]) == ("SendInitialMetadata", "SendTrailingMetadata")


async def test_what_trailers_tell(asked):
    """A listener of trailing metadata sees how the call ends."""
    seen = []

    async def look(event):
        seen.append((event.status, event.status_message))

    asked.service.unary = denying
    listen(asked.server, SendTrailingMetadata, look)
    await asked.call()
    assert seen == [(Status.PERMISSION_DENIED, "no")]


async def test_a_listener_may_stop_the_others(asked):
    """After ``interrupt`` the next listeners are not asked; the call goes on."""

    async def interrupt(event):
        event.interrupt()

    listen(asked.server, RecvRequest, interrupt)
    asked.remember()
    assert (await asked.call()).messages == [b"x"]
    assert "RecvRequest" not in asked.told


@pytest.mark.parametrize("kind", [RecvRequest, RecvMessage, SendInitialMetadata, SendMessage])
@pytest.mark.parametrize(("listener", "status"), [(denying, PERMISSION_DENIED), (failing, UNKNOWN)])
async def test_listeners_that_raise(asked, kind, listener, status):
    """What a listener raises ends the call as if its handler had; the next call is served."""
    listen(asked.server, kind, listener)
    answer = await asked.call()
    assert answer.grpc_status == status
    assert answer.messages == []


@pytest.mark.parametrize("asked", ["ngh2", "h2"], indirect=True)
@pytest.mark.parametrize("listener", [denying, failing])
async def test_listeners_of_the_end_that_raise(asked, listener):
    """Also when a listener of the status raises, the client hears a status."""
    listen(asked.server, SendTrailingMetadata, listener)
    assert (await asked.call()).grpc_status in {UNKNOWN, PERMISSION_DENIED}


@pytest.mark.parametrize("kind", EVENTS)
async def test_a_listener_may_take_its_time(asked, kind):
    """Listeners may await; meanwhile other calls go on."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_):
        waiting.set()
        await go_on.wait()

    listen(asked.server, kind, wait)
    under_way = asyncio.create_task(asked.call())
    await asyncio.wait_for(waiting.wait(), PATIENCE)
    go_on.set()
    assert (await under_way).messages == [b"x"]


@pytest.mark.parametrize("path", ["/no/such", UNARY])
async def test_what_no_listener_hears(asked, path):
    """Calls that no handler would get, for a path or a content-type, are refused without an event."""
    asked.remember()
    answer = await asked.call(path, replace={"content-type": "text/plain"} if path == UNARY else None)
    assert answer.ended
    assert asked.told == []


async def test_listeners_after_the_start(serve, dial):
    """Who listens only after the server was started hears of the connections that come then."""
    server = await serve()
    told = []

    async def hear(event):
        told.append(event.method_name)

    listen(server, RecvRequest, hear)
    client = await dial(server)
    client.call(1, UNARY, b"x")
    assert (await client.answer(1)).messages == [b"x"]
    assert told == [UNARY]
