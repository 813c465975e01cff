"""Upkeep: what need not be kept goes, in the background."""

import asyncio
import time

import pytest
from loguru import logger

from stigmer import Unavailable
from stigmer import upkeep as module
from stigmer.errors import Compacted
from stigmer.session.kind import SESSION
from stigmer.store import Cause
from stigmer.store.feed import Answer
from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import open_sqlite
from stigmer.testing import make_settings, serving
from stigmer.testing.store import make_stored_session
from stigmer.upkeep import Upkeep

HOUR = 3_600_000_000


class At:
    """A clock that stands still."""

    def __init__(self, hours):
        self.hours = hours

    def now_ns(self):
        return self.hours * HOUR * 1000


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    """Each kind of store in turn."""
    opened = MemoryStore([SESSION]) if request.param == "memory" else await open_sqlite(tmp_path / "s.db", [SESSION])
    yield opened
    await opened.close()


def keeper(store, hours=0, seconds=3600.0, **settings):
    return Upkeep(store, [SESSION], At(hours), make_settings(**settings), seconds)


@pytest.fixture
def logged():
    """What is logged, as text."""
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)))
    yield lines
    logger.remove(sink)


async def fill(store, count=500, **fields):
    for number in range(count):
        await store.insert(SESSION, make_stored_session(f"ses-{number}", **fields))


async def first(store):
    """The number after which the feed is complete."""
    last = (await store.changes({SESSION.key: -1}))[SESSION.key].last
    for after in range(last + 1):
        try:
            await store.feed(SESSION, after)
        except Compacted:
            continue
        return after
    raise AssertionError


async def test_the_newest_changes_are_kept(store):
    """So many as the settings say."""
    await fill(store)
    await keeper(store, feed_changes=20).once()
    assert await first(store) == 480


async def test_old_changes_go(store):
    """All those that are older than the settings say, but the last one."""
    await fill(store, updated=HOUR)
    await keeper(store, hours=3, feed_hours=2.5).once()
    assert await first(store) == 0
    await keeper(store, hours=4, feed_hours=2.5).once()
    assert await first(store) == 499


async def test_versions_stay(store):
    """As many of each resource as the settings say, the newest."""
    stored = await store.insert(SESSION, make_stored_session("x", version="ver-0"))
    for number in range(1, 9):
        stored = await store.update(SESSION, make_stored_session("x", version=f"ver-{number}"), stored.revision)
    await store.insert(SESSION, make_stored_session("y"))
    await keeper(store, feed_changes=0, history_versions=3).once()
    assert [each.version for each in await store.versions(SESSION, "x")] == ["ver-8", "ver-7", "ver-6"]


async def test_old_answers_go(store):
    """Those that were given longer ago than the settings say."""
    for number in range(2):
        answer = Answer(bytes([number]) * 32, b"r" * 32, b"wire", number * 2 * HOUR)
        await store.insert(SESSION, make_stored_session(f"ses-{number}"), Cause(answer=answer))
    await keeper(store, hours=4, idempotency_hours=3).once()
    assert await store.answer(bytes(32)) is None
    assert await store.answer(b"\1" * 32) is not None


async def until(condition):
    deadline = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def test_in_the_background(store):
    """It is done at the start, and again every so often."""
    await fill(store, 20)
    working = keeper(store, seconds=0.01, feed_changes=5)
    working.start()

    async def shortened(to):
        return await first(store) == to

    await until(lambda: shortened(15))
    await store.insert(SESSION, make_stored_session("new"))
    await until(lambda: shortened(16))
    await working.stop()


async def test_after_many_writes(store, monkeypatch):
    """It does not wait when much is written."""
    monkeypatch.setattr(module, "WRITES", 10)
    working = keeper(store, feed_changes=5)
    working.start()
    await fill(store, 40)

    async def shortened():
        return await first(store) >= 20

    await until(shortened)
    await working.stop()


async def test_failures(store, monkeypatch, logged):
    """They are logged, and it is tried again."""
    await fill(store, 20)
    compact, failures = store.compact, [Unavailable("not now"), ZeroDivisionError()]

    async def failing(*arguments):
        if failures:
            raise failures.pop()
        return await compact(*arguments)

    monkeypatch.setattr(store, "compact", failing)
    working = keeper(store, seconds=0.01, feed_changes=5)
    working.start()

    async def shortened():
        return await first(store) == 15

    await until(shortened)
    await working.stop()
    assert len([line for line in logged if "could not be shortened" in line]) == 2


async def test_stop(store):
    """Whoever stops it can close the store: nothing is under way any more; to stop it twice, or unstarted, does nothing."""
    await fill(store)
    await keeper(store).stop()
    working = keeper(store, feed_changes=0)
    working.start()
    await asyncio.sleep(0)
    await working.stop()
    await working.stop()
    assert list(await store.check()) == []


async def test_writers_are_not_held_up(store):
    """While there is much to do, writes go on: none waits for it to come to its end."""
    await fill(store, 2000)
    working = keeper(store, feed_changes=0)
    working.start()
    await store.insert(SESSION, make_stored_session("meanwhile"))
    assert await first(store) < 2000
    await working.stop()


async def test_a_server_does_it(tmp_path):
    """A server begins with it when it starts, on what it finds in its file."""
    store = await open_sqlite(tmp_path / "s.db", [SESSION])
    await fill(store, 30)
    await store.close()
    async with serving(store=f"sqlite:///{tmp_path}/s.db", feed_changes=10, feed_hours=1e6) as app:

        async def shortened():
            return await first(app.store) == 20

        await until(shortened)
