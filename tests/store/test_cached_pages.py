"""A cache remembers pages until anybody writes, and never gives one that is older."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from stigmer.session.kind import SESSION
from stigmer.store import Page, Query, Visible
from stigmer.store.cached import CachedStore
from stigmer.store.memory import MemoryStore
from stigmer.store.pages import ENTRY_BYTES, PAGE_BYTES, Pages, key_of, weight_of
from stigmer.store.selection import AnyOf, Compare, Operator, Order, Position, Tag, Word
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS, make_stored_session
from stigmer.testing.stored import ACME, OTHER

ROOMY = 64 * 1024 * 1024
OTHER_VALUES = {
    "equal": {"agent_instance_id": "ain-1"},
    "tags": ("red",),
    "visible": Visible(owners=frozenset({ACME})),
    "condition": Compare("name", Operator.EQUAL, "x"),
    "words": (Word("x"),),
    "order": Order("name"),
    "after": Position(1, ""),
    "limit": 7,
    "max_bytes": 1000,
    "as_of": True,
}


class Counted(MemoryStore):
    """Counts the pages that it is asked for; each waits until the test lets it go on."""

    def __init__(self):
        super().__init__(KINDS)
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def page(self, kind, query):
        self.asked += 1
        page = await super().page(kind, query)
        await self.go_on.wait()
        return page


@pytest.fixture
async def counted():
    store = Counted()
    for number in range(3):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"))
    return store


def ids(page):
    """The ids on a page."""
    return [SESSION.message.from_binary(entry.wire).metadata.id for entry in page.entries]


async def test_a_page_is_read_once_until_somebody_writes(counted):
    """The same query again asks nobody; after a write of this process or another one, each is read anew."""
    cache = CachedStore(counted, ROOMY)
    first = await cache.page(SESSION, Query())
    assert await cache.page(SESSION, Query(equal={})) is first
    assert counted.asked == 1
    await cache.insert(SESSION, make_stored_session("ses-3"))
    assert ids(await cache.page(SESSION, Query())) == ["ses-0", "ses-1", "ses-2", "ses-3"]
    await counted.delete(SESSION, "ses-0", 1)
    again = await cache.page(SESSION, Query())
    assert (ids(again), again.total) == (["ses-1", "ses-2", "ses-3"], 3)
    assert (counted.asked, cache.pages.hits, cache.pages.misses) == (3, 1, 3)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Query)])
async def test_every_part_of_a_query_counts(counted, field):
    """Queries that differ in anything are not taken for each other."""
    changed = dataclasses.replace(Query(), **{field: OTHER_VALUES[field]})
    assert key_of(SESSION, changed) != key_of(SESSION, Query())
    assert key_of(SESSION, changed) == key_of(SESSION, dataclasses.replace(changed))


async def test_kinds_are_not_taken_for_each_other(counted):
    """The same query about another kind is another one."""
    cache = CachedStore(counted, ROOMY)
    assert ids(await cache.page(SESSION, Query())) != []
    assert ids(await cache.page(OTHER, Query())) == []


async def test_a_page_that_somebody_may_have_written_into_is_not_remembered(counted):
    """When a write comes between its beginning and its end it is for its caller alone."""
    cache = CachedStore(counted, ROOMY)
    counted.go_on.clear()
    slow = asyncio.ensure_future(cache.page(SESSION, Query()))
    await asyncio.sleep(0)
    await cache.insert(SESSION, make_stored_session("ses-3"))
    counted.go_on.set()
    assert ids(await slow) == ["ses-0", "ses-1", "ses-2"]
    assert ids(await cache.page(SESSION, Query())) == ["ses-0", "ses-1", "ses-2", "ses-3"]


async def test_a_store_that_cannot_tell_is_never_remembered(counted, monkeypatch):
    """Without a version every page is read."""
    monkeypatch.setattr(counted, "version", lambda: None)
    cache = CachedStore(counted, ROOMY)
    for _ in range(3):
        await cache.page(SESSION, Query())
    assert (counted.asked, len(cache.pages)) == (3, 0)


async def page_of(count):
    """A page of as many sessions."""
    store = MemoryStore(KINDS)
    for number in range(count):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"))
    return await store.page(SESSION, Query())


def size_of(page: Page) -> int:
    return PAGE_BYTES + sum(len(entry.wire) + ENTRY_BYTES for entry in page.entries)


async def test_the_oldest_go_for_want_of_room():
    """The size is exact, and never more than there is room; a page that is larger than all of it is not kept."""
    small, large = await page_of(2), await page_of(30)
    pages = Pages(3 * size_of(small))
    assert pages.get("v", "0") is None
    for key in "01234":
        pages.put("v", key, small)
    pages.put("v", "large", large)
    assert [key for key in "01234" if pages.get("v", key) is small] == ["2", "3", "4"]
    assert (len(pages), pages.size, pages.get("v", "large")) == (3, 3 * size_of(small), None)


@pytest.mark.parametrize(
    "query",
    [
        Query(tags=("x" * 100_000,)),
        Query(tags=tuple(map(str, range(20_000)))),
        Query(equal={"agent_instance_id": "x" * 100_000}),
        Query(condition=AnyOf(tuple(Tag(str(number)) for number in range(5000)))),
        Query(words=(Word("x" * 100_000),)),
        Query(visible=Visible(ids=frozenset(map(str, range(5000))))),
        Query(after=Position(1, "x" * 100_000)),
    ],
    ids=["a tag", "tags", "an agent", "a filter", "a word", "what is visible", "a position"],
)
async def test_long_queries_fill_no_memory(query):
    """What a query takes counts as well, at no less than what it really takes."""
    pages, page = Pages(ROOMY), await page_of(0)
    pages.get("v", "key")
    pages.put("v", "key", page, weight_of(query))
    assert pages.size >= 500_000
    cache = CachedStore(MemoryStore(KINDS), 400_000)
    await cache.page(SESSION, query)
    assert (len(cache.pages), cache.pages.size) == (0, 0)


async def test_another_version_has_nothing_of_the_one_before():
    """Neither what was there, nor what was read for it."""
    page, pages = await page_of(1), Pages(ROOMY)
    assert pages.get("one", "key") is None
    pages.put("one", "key", page)
    assert pages.get("two", "key") is None
    assert (len(pages), pages.size) == (0, 0)
    pages.put("one", "key", page)
    assert pages.get("two", "key") is None


async def test_two_stores_on_one_file_see_each_others_writes_in_lists(tmp_path):
    """Round after round: written by one, and listed at once by the other."""
    path = tmp_path / "stigmer.db"
    ours, theirs = [CachedStore(await open_sqlite(path, KINDS), ROOMY) for _ in range(2)]
    there = []
    for number in range(60):
        writer, reader = (ours, theirs) if number % 2 else (theirs, ours)
        id_ = f"ses-{number}"
        await writer.insert(SESSION, make_stored_session(id_))
        there.append(id_)
        if number % 5 == 4:
            await writer.delete(SESSION, there.pop(0), 1)
        for store in (reader, writer, reader):
            page = await store.page(SESSION, Query())
            assert (ids(page), page.total) == (there, len(there))
    assert ours.pages.hits + theirs.pages.hits == 60
    for store in (ours, theirs):
        await store.close()
