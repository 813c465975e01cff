"""Whatever is wrong, nobody gets in and nothing is written: every rpc, each way in which it can go wrong."""

import asyncio
import contextlib
import time

import pytest
from grpclib.const import Cardinality, Handler
from grpclib.server import Server
from pydantic import SecretStr

from stigmer import DataLoss, PermissionDenied, Unauthenticated, Unavailable, after, hookimpl
from stigmer.client import SessionClient
from stigmer.client.channel import Wire
from stigmer.store import Query

BODY = '"spec": {"agentInstanceId": "ain-1", "subject": "changed"}'
RPCS = {
    "session.create": '{"metadata": {"name": "New", "ownerScope": "organization", "org": "acme"}, ' + BODY + "}",
    "session.update": '{"metadata": {"id": "ID"}, ' + BODY + "}",
    "session.delete": '{"value": "ID"}',
    "session.apply": '{"metadata": {"name": "One", "ownerScope": "organization", "org": "acme"}, ' + BODY + "}",
    "session.get": '{"value": "ID"}',
    "session.batch_get": '{"ids": ["ID", "ID"]}',
    "session.get_by_reference": '{"slug": "one", "org": "acme"}',
    "session.list": "{}",
    "session.list_by_agent": '{"agentId": "ain-1"}',
}
FAILURES = ("down", "hangs", "garbage", "not_grpc", "empty", "no_store", "no_model")
REFUSED = {
    "session.create": "unauthorized to create session in this organization",
    "session.get": "unauthorized to get session",
    "session.batch_get": "unauthorized to get session",
    "session.get_by_reference": "unauthorized to get session",
    "session.delete": "unauthorized to delete session",
    "session.update": "unauthorized to update session",
    "session.apply": "unauthorized to update session",
}


class _Babbler:
    """Answers every rpc of OpenFGA with the same bytes."""

    def __init__(self, answer):
        self._answer = answer

    def __mapping__(self):
        rpcs = ("Check", "BatchCheck", "Read", "Write", "StreamedListObjects")
        handlers = {}
        for rpc in rpcs:
            kind = Cardinality.UNARY_STREAM if rpc.startswith("Streamed") else Cardinality.UNARY_UNARY
            handlers[f"/openfga.v1.OpenFGAService/{rpc}"] = Handler(self._babble, kind, Wire, Wire)
        return handlers

    async def _babble(self, stream):
        await stream.recv_message()
        await stream.send_message(Wire(self._answer))


@contextlib.asynccontextmanager
async def babbling(answer):
    """The address of an OpenFGA that talks nonsense."""
    server = Server([_Babbler(answer)])
    await server.start("127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server._server.sockets[0].getsockname()[1]}"  # noqa: SLF001 - grpclib does not tell the port
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def listening(answer=b""):
    """The address of something that accepts connections, says ``answer`` and nothing else."""
    writers = []

    async def accept(_reader, writer):
        writers.append(writer)
        writer.write(answer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def broken(how):
    """The settings that lead to an OpenFGA which is broken like that."""
    if how == "down":
        yield {"address": "127.0.0.1:1"}
    elif how in {"no_store", "no_model"}:
        yield {{"no_store": "store_id", "no_model": "model_id"}[how]: "01H00000000000000000000000"}
    else:
        where = {
            "hangs": listening(),
            "not_grpc": listening(b"HTTP/1.1 200 OK\r\n\r\nhello"),
            "garbage": babbling(b"\xff\xff\xff\xff"),
            "empty": babbling(b""),
        }
        async with where[how] as address:
            yield {"address": address}


@pytest.fixture
async def stored(server, tmp_path):
    """A store that holds one session; (URL, the session's id, its bytes)."""
    url = f"sqlite:///{tmp_path}/s.db"
    async with server(store=url) as call:
        id_ = await call.create()
        (entry,) = (await call.store.page(call.pipelines["session.get"].operation.kind, Query())).entries
    return url, id_, entry.wire


async def unchanged(call, before):
    """Whether the store holds what it held."""
    found = await call.store.page(call.pipelines["session.get"].operation.kind, Query())
    return [entry.wire for entry in found.entries] == [before]


@pytest.mark.parametrize("how", FAILURES)
async def test_no_clear_answer_is_unavailable(server, stored, world, how):
    """While OpenFGA is broken each rpc is UNAVAILABLE within its time, for the owner too, and nothing is done."""
    url, id_, wire = stored
    tuples = await world.tuples()
    async with broken(how) as settings, server(store=url, timeout_seconds=0.3, list_timeout_seconds=0.3, **settings) as call:
        for rpc, json in RPCS.items():
            began = time.monotonic()
            kind, text = await call.failure("ann", rpc, json.replace("ID", id_))
            assert time.monotonic() - began < 2
            if how == "empty" and kind is PermissionDenied:
                continue  # an empty answer to Check is the answer no
            assert (issubclass(kind, Unavailable), "secret" in text) == (True, False), rpc
        assert await unchanged(call, wire)
    assert await world.tuples() == tuples


@pytest.mark.parametrize("rpc", RPCS)
@pytest.mark.parametrize("who", ["", "bad"])
async def test_without_an_identity_nothing_is_answered(server, stored, rpc, who):
    """No identity, or a bad one, is UNAUTHENTICATED for each rpc."""
    url, id_, wire = stored
    async with server(store=url) as call:
        assert (await call.failure(who, rpc, RPCS[rpc].replace("ID", id_)))[0] is Unauthenticated
        assert await unchanged(call, wire)


@pytest.mark.parametrize("who", ["eve", "nobody", "*", "identity_account:*", "ann#x", " ann", "", "x" * 600, "system"])
async def test_who_holds_nothing_gets_nothing(server, stored, who):
    """Somebody of another organization, without any relation, or with an odd name, is refused by each rpc and sees no list."""
    url, id_, wire = stored
    async with server(store=url) as call:
        for rpc, json in RPCS.items():
            if who in {"", "system"} or len(who) > 500:
                assert (await call.failure(who, rpc, json.replace("ID", id_)))[0] is Unauthenticated
            elif rpc in REFUSED:
                assert await call.failure(who, rpc, json.replace("ID", id_)) == (PermissionDenied, REFUSED[rpc])
            else:
                assert await call.total(who, rpc, json) == 0
        assert await unchanged(call, wire)


async def test_over_the_wire(server, stored):
    """Statuses, texts and reasons reach clients as they are; a refusal carries no body."""
    url, id_, _ = stored
    async with server(store=url) as call:
        for who, code in (("eve", "PERMISSION_DENIED"), ("bad", "UNAUTHENTICATED")):
            async with SessionClient(call.app.address, metadata={"x-user": who}) as client:
                with pytest.raises(Exception, match=r"unauthorized to get session|no identity") as failed:
                    await client.get(id_)
                assert failed.value.status.name == code
                assert "secret" not in str(failed.value)
        async with SessionClient(call.app.address, metadata={"x-user": "ann"}) as client:
            assert (await client.get(id_)).metadata.id == id_
    async with (
        server(store=url, address="127.0.0.1:1") as call,
        SessionClient(call.app.address, metadata={"x-user": "ann"}) as client,
    ):
        with pytest.raises(Exception, match="who may do what") as failed:
            await client.get(id_)
        assert (failed.value.status.name, failed.value.reason) == ("UNAVAILABLE", "AUTHORIZATION_UNAVAILABLE")


class _Raising:
    """A plugin whose steps fail before each write and each answer."""

    class _Bug:
        name = "Bug"

        async def __call__(self, ctx):
            raise ZeroDivisionError

    @hookimpl
    def contribute_steps(self, op):
        yield after("Authorize", self._Bug())


async def test_a_plugin_that_raises(server, stored):
    """A plugin that fails behind Authorize fails the call; nothing is done."""
    url, id_, wire = stored
    async with server(store=url, zzz_plugin=_Raising()) as call:
        for rpc, json in RPCS.items():
            with pytest.raises(ZeroDivisionError):
                await call("ann", rpc, json.replace("ID", id_))
        assert await unchanged(call, wire)


async def test_the_callers_deadline_counts(server):
    """No question outlives the call: a deadline before the setting's ends it."""
    async with listening() as address, server(address=address, timeout_seconds=30, list_timeout_seconds=30) as call:
        for rpc, json in RPCS.items():
            if rpc != "session.update":
                began = time.monotonic()
                kind, _ = await call.failure("ann", rpc, json.replace("ID", "ses-1"), deadline=began + 0.1)
                assert issubclass(kind, Unavailable)
                assert time.monotonic() - began < 5


async def test_comes_back(own_openfga, new_world, serve):
    """When OpenFGA is there again calls are answered again, on a new connection."""
    world = await new_world(own_openfga.address)
    await world.grant("ann", "member", "organization:acme")
    async with serve(world, timeout_seconds=1) as call:
        id_ = await call.create()
        own_openfga.stop()
        assert issubclass((await call.failure("ann", "session.get", f'{{"value": "{id_}"}}'))[0], Unavailable)
        own_openfga.start()  # empty: its store is gone, which is no reason to let anybody in
        assert issubclass((await call.failure("ann", "session.get", f'{{"value": "{id_}"}}'))[0], Unavailable)
        again = await new_world(own_openfga.address)
        assert await again.tuples() == []
    world.client.close()
    again.client.close()


async def test_a_dead_connection_is_given_up(new_world, shared_openfga, serve):
    """A connection on which nothing comes back is left after one call, so that the next one reaches who listens now."""
    world = await new_world(shared_openfga.address)
    async with relaying(shared_openfga.address) as address, serve(world, address=address, timeout_seconds=0.5) as call:
        assert issubclass((await call.failure("ann", "session.get", '{"value": "x"}'))[0], Unavailable)
        assert (await call.failure("ann", "session.get", '{"value": "x"}'))[0] is PermissionDenied
    world.client.close()


@contextlib.asynccontextmanager
async def relaying(upstream):
    """The address of something that swallows its first connection and passes on all others to ``upstream``."""
    writers, host_port = [], upstream.split(":")

    async def relay(reader, writer):
        writers.append(writer)
        if len(writers) > 1:
            there = await asyncio.open_connection(*host_port)
            writers.append(there[1])
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


async def _pump(reader, writer):
    """Copies bytes until there are no more."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class _Damaged:
    """A plugin for which everything that is loaded is damaged."""

    @hookimpl
    def wrap_step(self, op, step, origin, call_next, settings):
        async def damaged(ctx):
            await call_next(ctx)
            raise DataLoss("the stored session is damaged")

        return damaged if step.startswith("Load") else None


async def test_damage_is_told_to_those_who_may_know(server, stored):
    """The owner of a damaged session is told; a stranger hears what strangers hear."""
    url, id_, _ = stored
    async with server(store=url, zzz_plugin=_Damaged()) as call:
        for rpc in ("session.get", "session.delete", "session.update"):
            json = RPCS[rpc].replace("ID", id_)
            assert (await call.failure("ann", rpc, json))[0] is DataLoss
            assert await call.failure("eve", rpc, json) == (PermissionDenied, REFUSED[rpc])


async def test_a_key(new_world, serve, keyed_openfga):
    """With a pre-shared key OpenFGA answers those who send it, and nobody else is let in."""
    world = await new_world(keyed_openfga.address, token="sesame")
    await world.grant("ann", "member", "organization:acme")
    async with serve(world) as call:
        assert await call.create()
    async with serve(world, token=SecretStr("wrong")) as call:
        assert issubclass((await call.failure("ann", "session.get", '{"value": "x"}'))[0], Unavailable)
    world.client.close()
