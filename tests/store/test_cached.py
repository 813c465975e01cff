"""A cache in front of a store is a store, and never gives what is no longer so."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.session.kind import SESSION
from stigmer.store.cached import CachedStore
from stigmer.store.entries import OVERHEAD, Entries
from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS, StoreConformance, make_stored_session
from stigmer.testing.stored import ACME

ROOMY = 64 * 1024 * 1024


class TestCachedMemory(StoreConformance):
    """In front of a store in memory."""

    @pytest.fixture
    def store(self):
        return CachedStore(MemoryStore(KINDS), ROOMY)


@pytest.mark.parametrize("max_bytes", [0, 1, 3000, ROOMY])
class TestCachedSqlite(StoreConformance):
    """In front of a file, with room for everything, for something, and for nothing."""

    @pytest.fixture
    async def store(self, tmp_path, max_bytes):
        store = CachedStore(await open_sqlite(tmp_path / "stigmer.db", KINDS), max_bytes)
        yield store
        await store.close()


class Held(MemoryStore):
    """Reads what it is asked at once, and answers when the test says so."""

    def __init__(self):
        super().__init__(KINDS)
        self.holding = False
        self.held: list[asyncio.Event] = []

    async def _hold(self, answer):
        if self.holding:
            event = asyncio.Event()
            self.held.append(event)
            await event.wait()
        return answer

    async def get(self, kind, id_):
        return await self._hold(await super().get(kind, id_))

    async def changes(self, after):
        return await self._hold(await super().changes(after))

    def foreign_update(self, document, revision):
        """A write that does not tell the cache, as that of another process."""
        followers, self._followers = self._followers, []
        try:
            return asyncio.ensure_future(super().update(SESSION, document, revision))
        finally:
            asyncio.get_running_loop().call_soon(setattr, self, "_followers", followers)


@pytest.fixture
async def held():
    store = Held()
    await store.insert(SESSION, make_stored_session("ses-1"))
    return store


@pytest.fixture
async def warm(held):
    """A cache that has read the session, by id and by slug."""
    cache = CachedStore(held, ROOMY)
    document = make_stored_session("ses-1")
    await cache.get(SESSION, "ses-1")
    await cache.find(SESSION, document.owner, document.slug)
    return cache


async def quiet():
    """Lets everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_second_read_asks_nobody(warm, held):
    """What was read once is there, by id and by slug, as one entry; and is given without a turn of the loop."""
    held.holding = True
    document = make_stored_session("ses-1")
    by_id = warm.get(SESSION, "ses-1")
    with pytest.raises(StopIteration) as done:
        by_id.send(None)
    assert done.value.value == await warm.find(SESSION, document.owner, document.slug)
    assert (len(warm.entries), warm.entries.hits, warm.entries.misses) == (1, 2, 2)


async def test_own_writes_are_followed_without_a_question(warm, held):
    """After an update of this process the cache has the new state; after a delete it has none."""
    held.holding = True
    new = await warm.update(SESSION, make_stored_session("ses-1", subject="new"), 1)
    assert await warm.get(SESSION, "ses-1") == new
    await warm.delete(SESSION, "ses-1", 2)
    assert len(warm.entries) == 0
    held.holding = False
    assert await warm.get(SESSION, "ses-1") is None


async def test_writes_of_others_are_asked_for_once(warm, held):
    """All that read after a foreign write share one question, and get the new state."""
    new = await held.foreign_update(make_stored_session("ses-1", subject="new"), 1)
    held.holding = True
    reads = [asyncio.ensure_future(warm.get(SESSION, "ses-1")) for _ in range(10)]
    await quiet()
    assert len(held.held) == 1
    held.holding = False
    held.held[0].set()
    assert await asyncio.gather(*reads) == [new] * 10
    assert warm.entries.dropped == 1


async def test_a_read_that_began_before_a_write_is_not_remembered(held):
    """What a slow read brings is for its caller alone when somebody has written meanwhile."""
    cache = CachedStore(held, ROOMY)
    await cache.get(SESSION, "ses-none")
    held.holding = True
    slow = asyncio.ensure_future(cache.get(SESSION, "ses-1"))
    await quiet()
    held.holding = False
    new = await cache.update(SESSION, make_stored_session("ses-1", subject="new"), 1)
    held.held[0].set()
    assert (await slow).revision == 1
    assert await cache.get(SESSION, "ses-1") == new


async def test_a_question_that_began_before_a_write_is_asked_again(warm, held):
    """A read that comes while the cache asks what has changed waits for the next answer: this one may be too old for it."""
    await held.foreign_update(make_stored_session("ses-1", subject="new"), 1)
    held.holding = True
    first = asyncio.ensure_future(warm.get(SESSION, "ses-1"))
    await quiet()
    newest = await held.foreign_update(make_stored_session("ses-1", subject="newest"), 2)
    second = asyncio.ensure_future(warm.get(SESSION, "ses-1"))
    await quiet()
    held.holding = False
    held.held[0].set()
    await first
    assert await second == newest


async def test_one_that_gives_up_leaves_the_others_waiting(warm, held):
    """When the call that asked is cancelled, the answer still reaches those who wait with it."""
    new = await held.foreign_update(make_stored_session("ses-1", subject="new"), 1)
    held.holding = True
    first, second = (asyncio.ensure_future(warm.get(SESSION, "ses-1")) for _ in range(2))
    await quiet()
    first.cancel()
    await quiet()
    held.holding = False
    held.held[0].set()
    assert await second == new
    assert first.cancelled()


async def test_a_store_that_cannot_tell_is_never_remembered(held, monkeypatch):
    """Without a version every read asks the store."""
    monkeypatch.setattr(held, "version", lambda: None)
    cache = CachedStore(held, ROOMY)
    for _ in range(3):
        assert await cache.get(SESSION, "ses-1") is not None
    assert (cache.entries.hits, len(cache.entries)) == (0, 0)


async def stored(number, size=1000):
    store = MemoryStore(KINDS)
    for each in range(number + 1):
        found = await store.insert(SESSION, make_stored_session(f"ses-{each}", slug=f"s-{each}", subject="x" * size))
    return found


async def test_the_least_wanted_goes_first():
    """When there is no room, what was asked for since it came up last stays, and what was not goes; the size is exact."""
    found = [await stored(number) for number in range(4)]
    one = len(found[0].wire) + OVERHEAD
    entries = Entries(3 * one + 10)
    for number in range(3):
        entries.put(("session", f"ses-{number}"), found[number])
    assert entries.get(("session", "ses-0")) == found[0]
    entries.put(("session", "ses-3"), found[3])
    assert [entries.get(("session", f"ses-{number}")) for number in range(4)] == [found[0], None, found[2], found[3]]
    assert (len(entries), entries.evicted) == (3, 1)
    assert entries.size == sum(len(each.wire) + OVERHEAD for each in (found[0], found[2], found[3]))


async def test_what_is_larger_than_all_room_does_not_stay():
    """One resource that is too large is not kept, and costs no other its place for long."""
    entries = Entries(3000)
    large = await stored(0, size=10_000)
    entries.put(("session", "ses-0"), large)
    assert (len(entries), entries.size) == (0, 0)
    entries.put(("session", "ses-0"), small := await stored(0, size=10))
    entries.put(("session", ACME, "s-0"), small)
    entries.renew(("session", 1), large)
    assert (len(entries), entries.size, entries.get(("session", ACME, "s-0"))) == (0, 0, None)


class Late(MemoryStore):
    """Tells of its writes when the test says so, and may be written to between the look at its version and the question."""

    def __init__(self):
        super().__init__(KINDS)
        self.untold = []
        self.before_question = None

    def follow(self, follower):
        super().follow(lambda commit: self.untold.append((follower, commit)))

    def tell(self):
        untold, self.untold = self.untold, []
        for follower, commit in untold:
            follower(commit)

    async def changes(self, after):
        work, self.before_question = self.before_question, None
        if work is not None:
            await work()
        return await super().changes(after)


async def test_a_write_right_before_the_question_is_counted_once():
    """It is in the answer, and comes after the version that was looked at: what comes next is not missed for that."""
    store = Late()
    cache = CachedStore(store, ROOMY)
    for id_ in ("ses-a", "ses-b"):
        await store.insert(SESSION, make_stored_session(id_))
    store.tell()
    await cache.get(SESSION, "ses-a")
    await store.update(SESSION, make_stored_session("ses-b", subject="1"), 1)
    store.before_question = lambda: store.update(SESSION, make_stored_session("ses-b", subject="2"), 2)
    await cache.get(SESSION, "ses-a")
    store.tell()
    assert (await cache.get(SESSION, "ses-a")).revision == 1
    await store.update(SESSION, make_stored_session("ses-a", subject="3"), 1)
    assert (await cache.get(SESSION, "ses-a")).revision == 2
