"""The relay: every committed change reaches the sink, at least once, those of a resource in order, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time

import pytest
from loguru import logger

from stigmer.errors import IdTaken
from stigmer.identity import SystemClock
from stigmer.publishing import Relay, TryAgain, relay
from stigmer.session.kind import SESSION
from stigmer.store import Cause
from stigmer.store.feed import Claim, Retention
from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.stored import KINDS, OTHER, make_stored_session


@dataclasses.dataclass
class Recorder:
    """A sink that writes down what it takes, and refuses what it is told to."""

    events: list = dataclasses.field(default_factory=list)
    down: bool = False
    refuse: set = dataclasses.field(default_factory=set)
    broken: bool = False
    slow: float = 0.0
    busy: int = 0
    most: int = 0
    closed: int = 0

    async def send(self, event):
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await asyncio.sleep(self.slow)
            if self.broken:
                raise RuntimeError("a bug")
            if self.down or event.subject in self.refuse:
                raise TryAgain("not now")
            self.events.append(event)
        finally:
            self.busy -= 1

    async def close(self):
        self.closed += 1

    def of(self, subject):
        """What was told of one resource: (verb, version)."""
        return [
            (e.attributes["type"].rpartition(".")[2], e.attributes.get("versionid"))
            for e in self.events
            if e.subject == subject
        ]


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    found = MemoryStore(KINDS) if request.param == "memory" else await open_sqlite(tmp_path / "stigmer.db", KINDS)
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing takes as long as it does in earnest."""
    monkeypatch.setattr("stigmer.publishing.backoff._FIRST_SECONDS", 0.005)
    monkeypatch.setattr("stigmer.publishing.backoff._LONGEST_SECONDS", 0.05)
    monkeypatch.setattr(relay, "_RENEW_SECONDS", 0.05)
    monkeypatch.setattr(relay, "_NOTE_SECONDS", 0.02)


@pytest.fixture
async def started(store):
    """Starts relays on the store; all are stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(sink, name="relay", on=None):
            made = Relay(sink, name, "/test")
            await made.start(on or store, KINDS, SystemClock())
            stack.push_async_callback(made.stop)
            return made

        yield start


async def until(condition):
    """Waits until it is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def lives(store, id_, updates=3):
    """A resource is created, updated some times, and deleted."""
    stored = await store.insert(SESSION, make_stored_session(id_, version=f"{id_}-0", updated=5), Cause(actor="ann"))
    for number in range(1, updates + 1):
        stored = await store.update(SESSION, make_stored_session(id_, version=f"{id_}-{number}"), stored.revision)
    await store.delete(SESSION, id_, stored.revision, Cause(time=7_000_000))
    return [
        ("created", f"{id_}-0"),
        *(("updated", f"{id_}-{n}") for n in range(1, updates + 1)),
        ("deleted", f"{id_}-{updates}"),
    ]


async def test_each_change_is_published_once_and_in_order(store, started):
    """Of many resources at once; none comes twice while nothing fails."""
    sink = Recorder(slow=0.001)
    await started(sink)
    ids = [f"ses-{number}" for number in range(30)]
    told = await asyncio.gather(*(lives(store, id_) for id_ in ids))
    await until(lambda: len(sink.events) >= 30 * 5)
    assert [sink.of(id_) for id_ in ids] == told
    assert len({event.id for event in sink.events}) == len(sink.events)
    assert 1 < sink.most <= 64


async def test_what_an_event_says(store, started):
    """The attributes of CloudEvents, and the resource as JSON."""
    sink = Recorder()
    await started(sink)
    stored = await store.insert(
        SESSION, make_stored_session("ses-1", version="ver-1", updated=1_500_000), Cause("ann", "00-a-b-01")
    )
    await store.delete(SESSION, "ses-1", stored.revision, Cause(actor="bob", time=2_000_000))
    await until(lambda: len(sink.events) == 2)
    created, deleted = sink.events
    assert dict(created.attributes) == {
        "specversion": "1.0",
        "id": "ver-1",
        "source": "/test",
        "type": "ai.stigmer.session.created",
        "subject": "ses-1",
        "time": "1970-01-01T00:00:01.500000Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000001",
        "actor": "ann",
        "versionid": "ver-1",
        "traceparent": "00-a-b-01",
    }
    assert json.loads(created.data)["metadata"]["id"] == json.loads(deleted.data)["metadata"]["id"] == "ses-1"
    assert (deleted.id, deleted.attributes["actor"], deleted.attributes["time"]) == (
        "ver-1.deleted",
        "bob",
        "1970-01-01T00:00:02Z",
    )


async def test_what_was_refused_is_not_published(store, started):
    """A write that raised is told to nobody; neither is what was there before the relay's first start."""
    await store.insert(SESSION, make_stored_session("ses-0"))
    sink = Recorder()
    await started(sink)
    await store.insert(SESSION, make_stored_session("ses-1"))
    with pytest.raises(IdTaken):
        await store.insert(SESSION, make_stored_session("ses-1"))
    await store.insert(OTHER, make_stored_session("agt-1", kind=OTHER))
    await until(lambda: len(sink.events) == 2)
    assert sorted(event.attributes["type"] for event in sink.events) == [
        "ai.stigmer.agent.created",
        "ai.stigmer.session.created",
    ]


async def test_a_sink_that_is_down_loses_nothing(store, started):
    """What happens meanwhile waits, and nobody who writes waits for it."""
    sink = Recorder(down=True)
    await started(sink)
    told = [await lives(store, f"ses-{number}") for number in range(5)]
    assert sink.events == []
    sink.down = False
    await until(lambda: len(sink.events) == 25)
    assert [sink.of(f"ses-{number}") for number in range(5)] == told


async def test_a_refused_event_holds_back_only_what_follows_it(store, started):
    """Other resources go on; those of the same one wait, and what was taken is not sent again."""
    sink = Recorder(refuse={"ses-1"})
    await started(sink)
    told = await asyncio.gather(*(lives(store, f"ses-{number}") for number in range(3)))
    await until(lambda: len(sink.events) == 10)
    assert sink.of("ses-1") == []
    sink.refuse.clear()
    await until(lambda: len(sink.events) == 15)
    assert [sink.of(f"ses-{number}") for number in range(3)] == told


async def test_a_sink_with_a_bug_loses_nothing(store, started):
    """Whatever it raises, the event is sent again."""
    sink = Recorder(broken=True)
    await started(sink)
    told = await lives(store, "ses-1")
    await until(lambda: sink.most)
    sink.broken = False
    await until(lambda: len(sink.events) == 5)
    assert sink.of("ses-1") == told


async def test_a_relay_goes_on_where_it_was(store, started):
    """What was published before a stop is not published again, what happens between is published after."""
    first = Recorder()
    stopped = await started(first)
    await lives(store, "ses-1")
    await until(lambda: len(first.events) == 5)
    await stopped.stop()
    assert first.closed == 1
    told = await lives(store, "ses-2")
    second = Recorder()
    await started(second)
    await until(lambda: len(second.events) == 5)
    assert (second.of("ses-1"), second.of("ses-2")) == ([], told)


async def test_relays_of_other_names_go_their_own_way(store, started):
    """Each gets everything."""
    sinks = [Recorder(), Recorder()]
    for number, sink in enumerate(sinks):
        await started(sink, f"relay-{number}")
    told = await lives(store, "ses-1")
    await until(lambda: all(len(sink.events) == 5 for sink in sinks))
    assert [sink.of("ses-1") for sink in sinks] == [told, told]


async def test_one_relay_of_a_name_works_at_a_time(store, started):
    """A second one waits until the first has ended, and takes over."""
    sinks = [Recorder(), Recorder()]
    first = await started(sinks[0])
    await started(sinks[1])
    before = await lives(store, "ses-1")
    await until(lambda: len(sinks[0].events) == 5)
    assert sinks[1].events == []
    await first.stop()
    after = await lives(store, "ses-2")
    await until(lambda: len(sinks[1].events) == 5)
    assert (sinks[0].of("ses-1"), sinks[1].of("ses-2")) == (before, after)


@pytest.fixture
def lost():
    """What the log says of claims that were lost."""
    found = []
    number = logger.add(found.append, filter=lambda record: "another server publishes" in record["message"])
    yield found
    logger.remove(number)


async def test_a_relay_that_has_lost_its_claim_sends_nothing(store, started, lost):
    """Who was held up for too long lets the other one go on, and comes back when that one is gone."""
    sink = Recorder()
    await started(sink)
    stored = await store.insert(SESSION, make_stored_session("ses-1"))
    await until(lambda: len(sink.events) == 1)
    later = (time.time_ns() // 1000) + 3_600_000_000
    thief = Claim("relay", "thief", later, 3600)
    assert await store.claim(thief) is not None
    await store.update(SESSION, make_stored_session("ses-1", subject="new"), stored.revision)
    await until(lambda: lost)
    count = len(sink.events)
    await store.insert(SESSION, make_stored_session("ses-2"))
    for _ in range(20):
        await store.get(SESSION, "ses-2")
    assert len(sink.events) == count
    await store.release(thief)
    await until(lambda: {event.subject for event in sink.events} == {"ses-1", "ses-2"})


async def test_changes_that_were_let_go_are_skipped(store, started):
    """A relay that was away for too long goes on with what is kept."""
    sink = Recorder()
    stopped = await started(sink)
    await stopped.stop()
    for number in range(5):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"))
    while await store.compact(SESSION, Retention(changes=2, seconds=0, versions=1), (time.time_ns() // 1000) + 10):
        pass
    kept = [change.id for change in await store.feed(SESSION, 4)]
    again = Recorder()
    await started(again)
    await until(lambda: [event.subject for event in again.events] == kept)


async def test_another_process_writes(tmp_path, started):
    """A write through another connection of the same file is published soon, too."""
    one, two = await open_sqlite(tmp_path / "two.db", KINDS), await open_sqlite(tmp_path / "two.db", KINDS)
    sink = Recorder()
    await started(sink, on=one)
    told = await lives(two, "ses-1")
    await until(lambda: len(sink.events) == 5)
    assert sink.of("ses-1") == told
