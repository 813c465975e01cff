"""A client that gives up, or whose deadline passes, never leaves half a write."""

import asyncio
import random

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived

from stigmer import hookimpl

CREATE = "/ai.stigmer.agentic.session.v1.SessionCommandController/create"


class AroundPersist:
    """Holds calls before, during or after Persist."""

    def __init__(self, where):
        self.where = where
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()

    @hookimpl
    def wrap_step(self, op, step, call_next):
        if step not in {"Persist", "DeleteResource"}:
            return None

        async def run(ctx):
            if not ctx.info.metadata.get("x-held"):
                return await call_next(ctx)
            try:
                if self.where == "before":
                    self.arrived.set()
                    await asyncio.Event().wait()
                if self.where == "during":
                    self.arrived.set()
                await call_next(ctx)
                if self.where == "after":
                    self.arrived.set()
                    await asyncio.Event().wait()
            finally:
                self.left.set()

        return run


@pytest.mark.parametrize("where", ["before", "during", "after"])
@pytest.mark.parametrize("method", ["create", "update", "apply", "delete"])
async def test_cancelled_by_the_client(served, store_url, a_session, method, where):
    """A call that the client cancels around its write is written whole or not at all, and the next call succeeds."""
    from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId

    plugin = AroundPersist(where)
    wire = await served(plugin, store=store_url)
    old = await wire.create(a_session("Old", id="x"))
    request = {
        "create": a_session("New", id="y", tags=["t"]),
        "update": a_session("New", id="x", tags=["t"]),
        "apply": a_session("New", id="x", tags=["t"]),
        "delete": SessionId(value="x"),
    }[method]
    call = wire.call(method, request, metadata=(("x-held", "1"),))
    waiting = asyncio.ensure_future(call.code())
    await asyncio.wait_for(plugin.arrived.wait(), 10)
    call.cancel()
    assert await waiting in {grpc.StatusCode.CANCELLED, *([grpc.StatusCode.OK] if where == "during" else [])}
    await asyncio.wait_for(plugin.left.wait(), 10)
    names = await wire.names()
    untouched, changed = {
        "create": (["Old"], ["Old", "New"]),
        "update": (["Old"], ["New"]),
        "apply": (["Old"], ["New"]),
        "delete": (["Old"], []),
    }[method]
    assert names in {"before": [untouched], "during": [untouched, changed], "after": [changed]}[where]
    if names == untouched:
        assert await wire.get("x") == old
    elif method != "delete":
        session = (await wire.list()).entries[-1]
        assert (session.metadata.name, list(session.metadata.tags)) == ("New", ["t"])
    assert (await wire.apply(a_session("Next"))).metadata.slug == "next"
    assert list(await wire.app.store.check()) == []


async def test_deadlines_while_writing(wire, a_session):
    """Creates whose deadlines pass at any moment are each stored whole or not at all; afterwards all names can be settled."""
    chance = random.Random(7)

    async def attempt(number):
        try:
            await wire.create(a_session(f"n{number}", tags=["t"]), timeout=chance.uniform(0.0005, 0.02))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    first = []
    for begin in range(0, 200, 50):  # over 100 at once grpcio itself never ends some of those that have run out
        first += await asyncio.gather(*(attempt(number) for number in range(begin, begin + 50)))
    assert set(first) <= {"OK", "DEADLINE_EXCEEDED"}
    names = [f"n{number}" for number in range(200)]
    assert {name for name, outcome in zip(names, first, strict=True) if outcome == "OK"} <= set(await wire.names())
    # A write that went on when its client was gone may also come now, between a look and a second attempt.
    second = await asyncio.gather(*(wire.create(a_session(name, tags=["t"])) for name in names), return_exceptions=True)
    assert {error.code().name for error in second if isinstance(error, Exception)} <= {"ALREADY_EXISTS"}
    entries = [entry for page in await wire.pages() for entry in page.entries]
    assert sorted(entry.metadata.name for entry in entries) == sorted(names)
    assert all(list(entry.metadata.tags) == ["t"] and entry.spec.subject == "ship it" for entry in entries)
    assert list(await wire.app.store.check()) == []


async def test_deadline_of_a_waiting_call(served, a_session):
    """A call that waits for something is ended by its deadline: DEADLINE_EXCEEDED, and the step is cancelled."""
    plugin = AroundPersist("before")
    wire = await served(plugin)
    refusal = await wire.refused(wire.create(a_session(), timeout=0.2, metadata=(("x-held", "1"),)))
    assert refusal.code == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(plugin.left.wait(), 10)
    assert await wire.count() == 0


async def raw_call(address: str, request: bytes, headers: dict[str, str]) -> dict[str, str]:
    """Calls create by hand, since no client sends a call whose time is over, and gives headers and trailers of the answer."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    http, answer = H2Connection(H2Configuration(header_encoding="utf-8")), {}
    http.initiate_connection()
    fixed = {":method": "POST", ":scheme": "http", ":path": CREATE, ":authority": "test", "te": "trailers"}
    http.send_headers(1, [*fixed.items(), ("content-type", "application/grpc"), *headers.items()])
    http.send_data(1, b"\0" + len(request).to_bytes(4) + request, end_stream=True)
    ended = False
    while not ended:
        writer.write(http.data_to_send())
        for event in http.receive_data(await reader.read(65536)):
            if isinstance(event, ResponseReceived | TrailersReceived):
                answer |= dict(event.headers)
            ended = ended or isinstance(event, StreamEnded)
            assert not isinstance(event, DataReceived), "a message came"
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("left", ["0S", "1n", "999u", "1m", "50m"])
async def test_deadline_that_is_over_on_arrival(served, a_session, left):
    """A call whose time is over when it arrives, or soon after, is answered DEADLINE_EXCEEDED and writes nothing."""
    wire = await served(AroundPersist("before"))
    headers = {"x-held": "1", "grpc-timeout": left}
    answer = await asyncio.wait_for(raw_call(wire.address, a_session().to_binary(), headers), 10)
    assert answer["grpc-status"] == "4"
    assert await wire.count() == 0
