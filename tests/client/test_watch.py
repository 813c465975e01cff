"""Watching with the client: it goes on by itself, whatever happens to connections and servers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from stigmer.client import (
    Aborted,
    ApiResourceMetadata,
    ApiResourceOwnerScope,
    InvalidArgument,
    OutOfRange,
    Session,
    SessionClient,
    SessionEventType,
    SessionSpec,
    Unreachable,
)
from stigmer.session.kind import SESSION
from stigmer.store.feed import Retention
from stigmer.testing.server import serving

pytestmark = pytest.mark.usefixtures("way")


def a_session(name, **metadata):
    metadata = {"org": "acme", "owner_scope": ApiResourceOwnerScope.organization, **metadata}
    return Session(metadata=ApiResourceMetadata(name=name, **metadata), spec=SessionSpec(agent_instance_id="ain-1"))


async def take(events, count):
    """(type, name) of so many events."""
    async with asyncio.timeout(30):
        found = [await anext(events) for _ in range(count)]
    return [(event.type.name, event.session.metadata.name) for event in found]


@pytest.fixture
async def restartable(tmp_path, unused_tcp_port):
    """Starts the same server again and again: same address, same store."""
    running = []

    async def start():
        stack = contextlib.AsyncExitStack()
        app = await stack.enter_async_context(
            serving(store=f"sqlite:///{tmp_path}/stigmer.db", listen=(f"127.0.0.1:{unused_tcp_port}",), drain_seconds=1)
        )
        running.append(stack)
        return app

    async def stop():
        await running.pop().aclose()

    start.stop = stop
    yield start
    while running:
        await stop()


async def test_events_come_as_they_happen(client):
    """After an initial list each change follows; bookmarks are shown to those who ask for them."""
    await client.create(a_session("One"))
    async with contextlib.aclosing(client.watch(initial_list=True)) as events:
        assert await take(events, 1) == [("ADDED", "One")]
        created = await client.create(a_session("Two"))
        await client.delete(created.metadata.id)
        assert await take(events, 2) == [("ADDED", "Two"), ("DELETED", "Two")]
    async with contextlib.aclosing(client.watch(bookmarks=True)) as events:
        assert (await anext(events)).type == SessionEventType.BOOKMARK


async def test_a_selection_is_watched(client):
    """Filter, tags and read mask are those of the request."""
    async with contextlib.aclosing(
        client.watch(tags=["a"], filter='name = "T*"', read_mask=["metadata.name"], bookmarks=True)
    ) as events:
        await anext(events)
        await client.create(a_session("Two"))
        await client.create(a_session("Three", tags=["a"]))
        event = await anext(events)
    assert (event.session.metadata.name, event.session.spec) == ("Three", None)


async def test_it_goes_on_when_the_server_restarts(restartable):
    """What happens while nobody is connected is told after, and nothing twice."""
    app = await restartable()
    async with SessionClient(app.address) as client, contextlib.aclosing(client.watch(initial_list=True)) as events:
        await client.create(a_session("n0"))
        assert await take(events, 1) == [("ADDED", "n0")]
        for number in range(1, 4):
            await restartable.stop()
            app = await restartable()
            async with SessionClient(app.address) as other:
                await other.create(a_session(f"n{number}"))
            assert await take(events, 1) == [("ADDED", f"n{number}")]


async def test_a_place_can_be_kept(client):
    """From the token of any event another watch goes on."""
    async with contextlib.aclosing(client.watch(bookmarks=True)) as events:
        token = (await anext(events)).resume_token
    await client.create(a_session("One"))
    async with contextlib.aclosing(client.watch(resume_token=token)) as events:
        assert await take(events, 1) == [("ADDED", "One")]


async def test_a_place_that_is_lost_is_an_error(server, client):
    """OutOfRange, with its reason: what follows is for the caller to decide. A bad token is InvalidArgument."""
    async with contextlib.aclosing(client.watch(bookmarks=True)) as events:
        token = (await anext(events)).resume_token
    for number in range(3):
        await client.create(a_session(f"n{number}"))
    await server.store.compact(SESSION, Retention(changes=1, seconds=3600, versions=1), 0)
    with pytest.raises(OutOfRange) as caught:
        await anext(client.watch(resume_token=token))
    assert caught.value.reason == "CHANGES_COMPACTED"
    with pytest.raises(InvalidArgument):
        await anext(client.watch(resume_token="nonsense"))


async def test_live_sessions_follow(client):
    """The mapping holds what a list would, from the first time on; with a read mask only that of each."""
    await client.create(a_session("One"))
    async with contextlib.aclosing(client.live(read_mask=["metadata.name"])) as states:
        there = await anext(states)
        assert [session.metadata.name for session in there.values()] == ["One"]
        two = await client.create(a_session("Two"))
        assert len(await anext(states)) == 2
        await client.update(a_session("Zwei", id=two.metadata.id))
        assert (await anext(states))[two.metadata.id].metadata.name == "Zwei"
        await client.delete(two.metadata.id)
        assert [session.metadata.name for session in (await anext(states)).values()] == ["One"]


async def test_closing_a_watch_ends_the_call(server, client):
    """Nothing of it is left on the server, nor here."""
    events = client.watch(bookmarks=True)
    await anext(events)
    (hub,) = server._hubs._hubs.values()
    assert len(hub) == 1
    await events.aclose()
    async with asyncio.timeout(10):
        while len(hub):  # noqa: ASYNC110 - the server notices when it does
            await asyncio.sleep(0.005)


async def test_a_watch_that_is_not_read_holds_nobody_up(client):
    """Calls of the same client go on, and everything is there when somebody reads."""
    async with contextlib.aclosing(client.watch(bookmarks=True)) as events:
        await anext(events)
        large = a_session("n")
        large.spec.subject = "x" * 400_000
        for number in range(30):
            large.metadata.name = f"n{number}"
            await client.create(large)
        assert [name for _, name in await take(events, 30)] == [f"n{number}" for number in range(30)]


async def test_nobody_to_watch_at(unused_tcp_port):
    """A server that was never there is waited for; who does not want that sets a time."""
    async with SessionClient(f"127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(client.watch())
        with pytest.raises(Unreachable):
            await client.get("x")


async def test_history(client):
    """Versions are listed, and one of them is restored; only if nobody came in between, where that is asked."""
    first = await client.create(a_session("One"))
    id_ = first.metadata.id
    second = await client.update(a_session("Two", id=id_))
    assert [each.version.id async for each in client.versions(id_)] == [second.metadata.version.id, first.metadata.version.id]
    with pytest.raises(Aborted) as caught:
        await client.restore(id_, first.metadata.version.id, current_version_id=first.metadata.version.id)
    assert caught.value.reason == "VERSION_NOT_CURRENT"
    assert (await client.restore(id_, first.metadata.version.id)).metadata.name == "One"


async def test_writes_that_are_repeated_or_tried(client):
    """A key makes two writes one; what is only validated is not there."""
    one = await client.create(a_session("One"), idempotency_key="k")
    assert await client.create(a_session("One"), idempotency_key="k") == one
    await client.create(a_session("Two"), validate_only=True)
    assert (await client.list()).total_count == 1


async def test_modify_loses_no_change(client):
    """However many change a session at once, each change counts."""
    id_ = (await client.create(a_session("One"))).metadata.id

    def count(session):
        session.metadata.annotations["n"] = str(int(session.metadata.annotations.get("n", "0")) + 1)

    await asyncio.gather(*(client.modify(id_, count) for _ in range(12)))
    assert (await client.get(id_)).metadata.annotations["n"] == "12"
