"""Watch: what happens to sessions, as it happens: in order, without gaps, nothing twice."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest
from protobuf.wkt import FieldMask

from stigmer.store.feed import Retention

from .watching import TYPES, watch


async def test_a_watcher_hears_of_each_change(wire, a_session):
    """Of a create, an update and a delete: what, with the session, its time, and a token; of what was before, nothing."""
    await wire.create(a_session("Before"))
    watcher = await watch(wire).begun()
    created = await wire.create(a_session("One"))
    updated = await wire.update(a_session("Uno", id=created.metadata.id))
    await wire.delete(created.metadata.id)
    events = [await watcher.next() for _ in range(3)]
    assert [event.type for event in events] == [TYPES.ADDED, TYPES.MODIFIED, TYPES.DELETED]
    assert [event.session.to_binary() for event in events] == [created.to_binary(), *[updated.to_binary()] * 2]
    assert all(event.resume_token for event in events)
    assert events[0].time.to_json() == created.status.audit.spec_audit.created_at.to_json()


async def test_a_change_that_is_none_is_not_told(wire, a_session):
    """Refused writes, and an apply that changes nothing, reach nobody."""
    session = await wire.create(a_session("One"))
    watcher = await watch(wire).begun()
    await wire.refused(wire.create(a_session("One")))
    await wire.apply(a_session("One"))
    await wire.apply(a_session("Two", id=session.metadata.id))
    assert await watcher.take(1) == [("MODIFIED", "Two")]


async def test_an_initial_list_comes_first(wire, a_session):
    """Everything that is there as ADDED, then a BOOKMARK, then what happens; only the BOOKMARK can be resumed from."""
    for number in range(5):
        await wire.create(a_session(f"n{number}"))
    watcher = watch(wire, initial_list=True)
    listed = [await watcher.next() for _ in range(6)]
    assert [event.type for event in listed] == [TYPES.ADDED] * 5 + [TYPES.BOOKMARK]
    assert [bool(event.resume_token) for event in listed] == [False] * 5 + [True]
    await wire.create(a_session("n5"))
    assert await watcher.take(1) == [("ADDED", "n5")]
    assert sorted(each.metadata.name for each in watcher.state.values()) == [f"n{number}" for number in range(6)]


async def test_a_watcher_goes_on_where_it_was(wire, a_session):
    """From the token of any event on, also of a bookmark: everything that followed, once."""
    watcher = await watch(wire).begun()
    tokens = [watcher.token]
    for number in range(4):
        await wire.create(a_session(f"n{number}"))
        tokens.append((await watcher.next()).resume_token)
    await watcher.stop()
    await wire.create(a_session("n4"))
    for number, token in enumerate(tokens):
        again = watch(wire, resume_token=token)
        assert await again.take(5 - number) == [("ADDED", f"n{each}") for each in range(number, 5)]
        await again.stop()


async def test_tokens_outlive_the_server(served, sqlite_url, a_session):
    """A token leads on after a restart."""
    first = await served(store=sqlite_url)
    watcher = await watch(first).begun()
    await first.create(a_session("One"))
    await first.app.stop()
    assert (await watcher.failure()).code() == grpc.StatusCode.UNAVAILABLE
    second = await served(store=sqlite_url)
    await second.create(a_session("Two"))
    assert await watch(second, resume_token=watcher.token).take(1 if watcher.state else 2) == (
        [("ADDED", "Two")] if watcher.state else [("ADDED", "One"), ("ADDED", "Two")]
    )


@pytest.mark.parametrize(
    ("fields", "inside", "outside"),
    [
        ({"filter": 'labels.team = "a"'}, {"labels": {"team": "a"}}, {"labels": {"team": "b"}}),
        ({"tags": ["x", "y"]}, {"tags": ["y", "x", "z"]}, {"tags": ["x"]}),
        ({"query": "deploy"}, {"name": "Deploy it"}, {"name": "Leave it"}),
    ],
)
async def test_only_what_is_selected_is_told(wire, a_session, fields, inside, outside):
    """What begins to be selected is ADDED, what ceases to be is DELETED as it was, and what never was is nobody's affair."""
    watcher = await watch(wire, **fields).begun()
    session = a_session(**{"name": "Other", **outside})
    id_ = (await wire.create(session)).metadata.id
    for change in (inside, {**inside, "annotations": {"n": "1"}}, outside, inside):
        await wire.update(a_session(**{"id": id_, **change}))
    events = [await watcher.next() for _ in range(4)]
    assert [event.type.name for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert events[2].session.to_binary() == events[1].session.to_binary()
    await wire.delete(id_)
    assert (await watcher.next()).type == TYPES.DELETED


async def test_sessions_of_an_agent(wire, a_session):
    """``agent_id`` selects as in listByAgent."""
    watcher = await watch(wire, agent_id="ain-1").begun()
    other = a_session("Other")
    other.spec.agent_instance_id = "ain-2"
    await wire.create(other)
    await wire.create(a_session("Mine"))
    assert await watcher.take(1) == [("ADDED", "Mine")]


async def test_a_read_mask_narrows_events(wire, a_session):
    """Only its fields are sent; the version is told beside them."""
    watcher = await watch(wire, read_mask=FieldMask(paths=["metadata.name"])).begun()
    created = await wire.create(a_session("One"))
    event = await watcher.next()
    assert (event.session.metadata.name, event.session.metadata.id, event.session.spec) == ("One", "", None)
    version = created.metadata.version
    assert event.version_id == (version.id if version else "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"filter": "nonsense ="}, "filter"),
        ({"resume_token": "nonsense"}, "resume_token"),
        ({"read_mask": FieldMask(paths=["nothing"])}, "read_mask"),
    ],
)
async def test_bad_requests_are_refused(wire, fields, field):
    """INVALID_ARGUMENT, naming the field."""
    error = await watch(wire, **fields).failure()
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in error.details()


async def test_a_token_is_bound_to_what_is_watched(users, a_session):
    """Another caller's token, or that of another selection, is INVALID_ARGUMENT; another read mask is allowed."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    watcher = await watch(ann, tags=["a"]).begun()
    for caller, fields in ((bob, {"tags": ["a"]}), (ann, {"tags": ["b"]}), (ann, {"tags": ["a"], "filter": 'name = "x"'})):
        error = await watch(caller, resume_token=watcher.token, **fields).failure()
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    resumed = watch(ann, tags=["a"], resume_token=watcher.token, read_mask=FieldMask(paths=["metadata.name"]))
    await ann.create(a_session("One", tags=["a"]))
    assert await resumed.take(1) == [("ADDED", "One")]


async def test_a_list_goes_with_no_token(wire):
    """An initial list begins anew; together with a token it is refused."""
    watcher = await watch(wire).begun()
    error = await watch(wire, initial_list=True, resume_token=watcher.token).failure()
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_compacted_token_is_out_of_range(wire, a_session):
    """Whoever was away for longer than changes are kept is told so, and can begin with a list."""
    from stigmer.session.kind import SESSION

    watcher = await watch(wire).begun()
    for number in range(5):
        await wire.create(a_session(f"n{number}"))
    await wire.app.store.compact(SESSION, Retention(changes=1, seconds=3600, versions=1), 0)
    error = await watch(wire, resume_token=watcher.token).failure()
    assert error.code() == grpc.StatusCode.OUT_OF_RANGE
    again = await watch(wire, initial_list=True).begun()
    assert len(again.state) == 5


async def test_two_servers_on_one_file(served, sqlite_url, a_session):
    """What one server writes is heard by who watches at another."""
    one, two = await served(store=sqlite_url), await served(store=sqlite_url)
    watchers = [await watch(wire).begun() for wire in (one, two)]
    for number in range(6):
        await (one, two)[number % 2].create(a_session(f"n{number}"))
    for watcher in watchers:
        assert await watcher.take(6) == [("ADDED", f"n{number}") for number in range(6)]


async def test_a_thousand_writes_while_watchers_come_and_go(served, sqlite_url, a_session):
    """A watcher that is cut off and goes on twenty times sees each change once, and ends up with what a list shows."""
    wire, chance = await served(store=sqlite_url), random.Random(7)
    ids: list[str] = []

    async def write(worker: int) -> None:
        for number in range(125):
            dice = chance.random()
            if dice < 0.5 or not ids:
                ids.append((await wire.create(a_session(f"w{worker}-{number}"))).metadata.id)
            elif dice < 0.8:
                await wire.apply(a_session(f"w{worker}-{number} new", id=chance.choice(ids)))
            else:
                id_ = ids.pop(chance.randrange(len(ids)))
                await wire.delete(id_)

    async def writing() -> None:
        results = await asyncio.gather(*(write(worker) for worker in range(8)), return_exceptions=True)
        assert all(result is None or isinstance(result, grpc.aio.AioRpcError) for result in results)

    writers = asyncio.create_task(writing())
    watcher = await watch(wire, initial_list=True).begun()
    for _ in range(20):
        await watcher.take(chance.randrange(1, 20))
        await watcher.stop()
        state, wrong = watcher.state, watcher.wrong
        watcher = watch(wire, resume_token=watcher.token)
        watcher.state, watcher.wrong = state, wrong
    await writers
    await wire.create(a_session("the end"))
    while "the end" not in {session.metadata.name for session in watcher.state.values()}:
        await watcher.next()
    there = {entry.metadata.id: entry.to_binary() for page in await wire.pages() for entry in page.entries}
    assert watcher.wrong == []
    assert {id_: session.to_binary() for id_, session in watcher.state.items()} == there


async def test_an_initial_list_while_others_write(served, sqlite_url, a_session):
    """However long it takes, what it shows and what follows add up: nothing is missing, and nothing is told twice."""
    wire, chance = await served(store=sqlite_url), random.Random(3)
    ids = [(await wire.create(a_session(f"n{number}"))).metadata.id for number in range(450)]
    done = asyncio.Event()

    async def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            await wire.update(a_session(f"u{number}", id=chance.choice(ids)))
            ids.append((await wire.create(a_session(f"c{number}"))).metadata.id)
            await wire.delete(ids.pop(chance.randrange(len(ids))))

    writer = asyncio.create_task(write())
    watchers = [await watch(wire, initial_list=True, filter='name != "u7"').begun() for _ in range(3)]
    done.set()
    await writer
    await wire.create(a_session("the end"))
    for watcher in watchers:
        while "the end" not in {session.metadata.name for session in watcher.state.values()}:
            await watcher.next()
        there = {e.metadata.id: e.to_binary() for page in await wire.pages(filter='name != "u7"') for e in page.entries}
        assert watcher.wrong == []
        assert {id_: session.to_binary() for id_, session in watcher.state.items()} == there


async def test_who_does_not_read_costs_nothing_and_misses_nothing(served, sqlite_url, a_session):
    """A watcher that reads nothing for a while gets everything afterwards, however much waits for it then."""
    wire = await served(store=sqlite_url)
    watcher = await watch(wire).begun()
    text = "x" * 20_000
    for number in range(40):
        session = a_session(f"n{number}")
        session.spec.subject = text
        await asyncio.gather(*(wire.create(_renamed(session, f"n{number}-{copy}")) for copy in range(10)))
    hub = next(iter(wire.app._hubs._hubs.values()))
    (kept,) = hub._joined or (None,)
    assert kept is None or kept._waiting_bytes <= 2 * 1024 * 1024
    names = {name for _, name in await watcher.take(400)}
    assert names == {f"n{number}-{copy}" for number in range(40) for copy in range(10)}
    assert watcher.wrong == []


def _renamed(session, name):
    copy = type(session).from_binary(session.to_binary())
    copy.metadata.name = name
    return copy


async def test_who_never_reads_is_let_go(served, a_session, monkeypatch, eventually):
    """A client that takes nothing for too long is told so, and can go on from the last event that it has."""
    monkeypatch.setattr("stigmer.streaming.SEND_SECONDS", 0.2)
    wire = await served()
    watcher = await watch(wire).begun()
    session = a_session("large")
    session.spec.subject = "x" * 500_000
    for number in range(30):
        await wire.create(_renamed(session, f"n{number}"))
    hub = next(iter(wire.app._hubs._hubs.values()))
    await eventually(lambda: len(hub) == 0)
    error = await watcher.failure()
    assert error.code() == grpc.StatusCode.ABORTED
    seen = len(watcher.state)
    again = watch(wire, resume_token=watcher.token)
    again.state = watcher.state
    await again.take(30 - seen)
    assert (len(again.state), again.wrong) == (30, [])


async def test_a_watch_that_ends_leaves_nothing(wire, a_session, eventually):
    """Nobody is told of anything any more, and nobody reads the changes, once the last watcher is gone."""
    watchers = [await watch(wire).begun() for _ in range(5)]
    hub = next(iter(wire.app._hubs._hubs.values()))
    await eventually(lambda: len(hub) == 5)  # each is told where it begins before it joins
    for watcher in watchers:
        await watcher.stop()
    await wire.create(a_session("One"))
    await eventually(lambda: len(hub) == 0 and hub._reading is None)


async def test_steps_of_plugins_see_each_event(served, a_session):
    """A step that changes answers changes each event on its way out."""
    from stigmer import RESPONSE, Payload, hookimpl, last

    class Hide:
        name = "TransformResponse"
        requires = provides = frozenset({RESPONSE})

        async def __call__(self, ctx):
            event = ctx[RESPONSE].type.from_binary(ctx[RESPONSE].wire)
            if event.session is not None:
                event.session.spec.subject = ""
            ctx[RESPONSE] = Payload.of(event)

        @hookimpl
        def contribute_steps(self, op):
            if op.verb == "watch":
                yield last(self)

    wire = await served(Hide())
    watcher = await watch(wire).begun()
    for name in ("One", "Two"):
        await wire.create(a_session(name))
        assert (await watcher.next()).session.spec.subject == ""


async def test_an_idle_watcher_is_given_newer_tokens(wire, a_session, monkeypatch):
    """While nothing happens to what it watches a watcher gets bookmarks, so that its place is not let go."""
    monkeypatch.setattr("stigmer.watching.watch.QUIET_SECONDS", 0.05)
    watcher = await watch(wire, filter='name = "nothing"').begun()
    first = watcher.token
    await wire.create(a_session("One"))
    assert (await watcher.next()).type == TYPES.BOOKMARK
    assert watcher.token != first


async def test_a_bug_of_the_reader_ends_all_watches(served, a_session, monkeypatch):
    """Nobody waits for what will never come; who comes after is served again."""
    wire = await served()
    watcher = await watch(wire).begun()
    with monkeypatch.context() as broken:
        broken.setattr("stigmer.watching.hub.Told.of", lambda *_: 1 / 0)
        await wire.create(a_session("One"))
        assert (await watcher.failure()).code() == grpc.StatusCode.INTERNAL
    again = watch(wire, resume_token=watcher.token)
    assert await again.take(1) == [("ADDED", "One")]
