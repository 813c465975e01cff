"""Watchers see what they may see, also as that changes, and nothing else."""

import asyncio

import grpc
import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.watch_pb import SessionEvent, WatchSessionsRequest
from stigmer.ownership import owner_of_state
from stigmer.session.kind import SESSION
from stigmer.store.document import make_document
from stigmer.watching import watch as watching

HIDDEN = '{"metadata": {"name": "hidden", "ownerScope": "organization", "org": "acme"}, "spec": {"agentInstanceId": "a"}}'
PATH = "/ai.stigmer.agentic.session.v1.SessionWatchController/watch"


class Watcher:
    """One call of watch over the network, by somebody."""

    def __init__(self, app, who, **fields):
        self._channel = grpc.aio.insecure_channel(app.address)
        rpc = self._channel.unary_stream(
            PATH, request_serializer=lambda each: each.to_binary(), response_deserializer=SessionEvent.from_binary
        )
        self._call = rpc(WatchSessionsRequest(**fields), metadata=(("x-user", who),))
        self.token = ""

    async def next(self):
        """The next event that is no bookmark: (type, id, subject)."""
        while (found := await self.read())[0] == "BOOKMARK":
            pass
        return found

    async def read(self):
        """The next event."""
        async with asyncio.timeout(20):
            event = await self._call.read()
        self.token = event.resume_token or self.token
        session = event.session or Session()
        return event.type.name, session.metadata.id if session.metadata else "", session.spec.subject if session.spec else ""

    async def failure(self):
        """The status with which the call ends."""
        try:
            while True:
                await self.read()
        except grpc.aio.AioRpcError as error:
            return error.code().name

    async def close(self):
        self._call.cancel()
        await self._channel.close()


@pytest.fixture
async def watch():
    """Begins to watch, and has begun when it returns."""
    opened = []

    async def begin(call, who, **fields):
        watcher = Watcher(call.app, who, **fields)
        opened.append(watcher)
        if not fields:
            assert (await watcher.read())[0] == "BOOKMARK"
        return watcher

    yield begin
    for watcher in opened:
        await watcher.close()


@pytest.fixture
def quick(monkeypatch):
    """What may be seen is asked again ten times a second while nothing happens."""
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.1)


async def test_only_what_one_may_see_is_told(server, world, watch):
    """A viewer of the organization hears of its sessions, a stranger of none, whoever made one of their own."""
    await world.grant("vera", "session_viewer", "organization:acme")
    async with server() as call:
        vera, eve = await watch(call, "vera"), await watch(call, "eve")
        id_ = await call.create("ann")
        assert await vera.next() == ("ADDED", id_, "the secret subject")
        other = await call.create(
            "eve", '{"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a"}}'
        )
        assert await eve.next() == ("ADDED", other, "")


async def test_what_one_creates_is_told_at_once(server, watch):
    """Nobody waits for a session of their own, though they see it for a reason of its own; its end is told without it."""
    async with server() as call:
        ann = await watch(call, "ann")
        id_ = await call.create("ann")
        assert await ann.next() == ("ADDED", id_, "the secret subject")
        again = await watch(call, "ann", resume_token=ann.token)
        await call("ann", "session.delete", f'{{"value": "{id_}"}}')
        for watcher in (ann, again):
            assert (await watcher.next())[:2] == ("DELETED", id_)


async def test_grants_and_revocations_are_told(server, world, watch, quick):
    """What somebody is shown is ADDED, what is taken away is DELETED with nothing but its id."""
    async with server() as call:
        id_, hidden = await call.create("ann"), await call.create("ann", HIDDEN)
        eve = await watch(call, "eve")
        await world.grant("eve", "viewer", f"session:{id_}")
        assert await eve.next() == ("ADDED", id_, "the secret subject")
        await world.revoke("eve", "viewer", f"session:{id_}")
        assert await eve.next() == ("DELETED", id_, "")
        await world.grant("eve", "viewer", f"session:{hidden}")
        assert await eve.next() == ("ADDED", hidden, "")


async def test_a_revocation_bites_before_anything_is_told(server, world, watch):
    """A change that comes after a revocation is not told, however short after."""
    async with server() as call:
        id_ = await call.create("ann")
        await world.grant("eve", "viewer", f"session:{id_}")
        eve = await watch(call, "eve")
        await world.revoke("eve", "viewer", f"session:{id_}")
        await call(
            "ann",
            "session.update",
            f'{{"metadata": {{"id": "{id_}"}}, "spec": {{"agentInstanceId": "a", "subject": "newer"}}}}',
        )
        assert await eve.next() == ("DELETED", id_, "")


async def test_whoever_comes_back_to_other_sights_lists_anew(server, world, watch):
    """A token from before a grant is OUT_OF_RANGE: what was granted meanwhile would be missing."""
    async with server() as call:
        id_ = await call.create("ann")
        eve = await watch(call, "eve")
        await world.grant("eve", "viewer", f"session:{id_}")
        assert await (await watch(call, "eve", resume_token=eve.token)).failure() == "OUT_OF_RANGE"
        listed = await watch(call, "eve", initial_list=True)
        assert await listed.next() == ("ADDED", id_, "the secret subject")


async def test_a_new_organization_is_listed_anew(server, world, watch, quick):
    """Who may suddenly see all of an organization is told to begin anew, and does not hear of it piece by piece."""
    async with server() as call:
        await call.create("ann")
        eve = await watch(call, "eve")
        await world.grant("eve", "session_viewer", "organization:acme")
        assert await eve.failure() == "OUT_OF_RANGE"


async def test_nothing_is_told_while_openfga_is_away(new_world, serve, own_openfga, watch):
    """A watch that cannot ask ends with UNAVAILABLE, and one cannot begin."""
    world = await new_world(own_openfga.address, timeout_seconds=0.5, list_timeout_seconds=0.5)
    await world.grant("ann", "member", "organization:acme")
    async with serve(world) as call:
        id_ = await call.create("ann")
        ann = await watch(call, "ann")
        own_openfga.stop()
        ctx_free = call.app.store
        stored = await ctx_free.get(call.pipelines["session.get"].operation.kind, id_)
        document = _changed(stored)
        await ctx_free.update(call.pipelines["session.get"].operation.kind, document, stored.revision)
        assert await ann.failure() == "UNAVAILABLE"
        assert await (await watch(call, "ann", initial_list=True)).failure() == "UNAVAILABLE"
    world.client.close()


def _changed(stored):
    """A newer state of a session, as somebody else's server would write it."""
    session = Session.from_binary(stored.wire)
    session.spec.subject = "newer"
    return make_document(SESSION, session, owner_of_state(session))
