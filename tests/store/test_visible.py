"""Lists of what a caller may see, in SQLite: looked up once, kept while it pays, right on every version, and never a scan."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import itertools
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stigmer.errors import DataLoss
from stigmer.session.kind import SESSION
from stigmer.store import Owner, Query, Visible
from stigmer.store.memory import MemoryStore
from stigmer.store.selection import Position
from stigmer.store.sqlite import open_sqlite, pages, views
from stigmer.store.sqlite.connection import OPTIONS, prepare, submit, uri
from stigmer.store.sqlite.table import Table
from stigmer.testing.store import KINDS, make_stored_session
from stigmer.testing.stored import ACME, OTHERS

TABLE = Table(SESSION)
OWNERS = [ACME, OTHERS, Owner(3, "acme")]


def some_sessions(count):
    return [
        make_stored_session(
            f"ses-{n}", owner=OWNERS[n % 3], agent=f"ain-{n % 4}", tags=["all", f"t{n % 10}"], subject="x" * (n % 50)
        )
        for n in range(count)
    ]


async def insert_all(store, documents):
    await asyncio.gather(*(store.insert(SESSION, document) for document in documents))


@pytest.fixture(params=["sqlite3", "pysqlite3.dbapi2"])
def connected(request, path):
    """Opens a reader's connection: with the SQLite that Python brings, and with the newest that can be had."""
    module = pytest.importorskip(request.param)
    with contextlib.ExitStack() as stack:

        def connect():
            connection = module.connect(uri(path, "rw"), **OPTIONS)
            stack.callback(connection.close)
            prepare(connection, query_only=True)
            return connection

        yield connect


@pytest.fixture(scope="module", params=["sqlite3", "pysqlite3.dbapi2"])
def reader(request, tmp_path_factory):
    """A reader's connection to a file with a thousand sessions, and a memory store with the same."""
    module = pytest.importorskip(request.param)
    path = tmp_path_factory.mktemp("visible") / "stigmer.db"
    memory = MemoryStore(KINDS)

    async def fill():
        store = await open_sqlite(path, KINDS)
        for document in some_sessions(1000):
            await store.insert(SESSION, document)
            await memory.insert(SESSION, document)
        for number in range(0, 1000, 9):
            for each in (store, memory):
                await each.delete(SESSION, f"ses-{number}", 1)
        await store.close()

    asyncio.run(fill())
    connection = module.connect(uri(path, "rw"), check_same_thread=False, **OPTIONS)
    prepare(connection, query_only=True)
    yield connection, pages.Counts(), memory
    connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    visible=st.builds(
        Visible,
        owners=st.frozensets(st.sampled_from([*OWNERS, Owner(2, "none")]), max_size=3),
        ids=st.integers(0, 1200).flatmap(lambda count: st.just(frozenset(f"ses-{n}" for n in range(0, count, 1 + count % 7)))),
    ),
    tags=st.lists(st.sampled_from(["all", "t1", "t2", "none"]), max_size=2).map(tuple),
    equal=st.sampled_from([{}, {}, {"agent_instance_id": "ain-1"}, {"agent_instance_id": "none"}]),
    after=st.none() | st.integers(-1, 1100).map(Position),
    limit=st.integers(1, 60),
    max_bytes=st.sampled_from([1, 1000, 10**7]),
)
def test_pages_are_those_of_the_memory_store(reader, **asked):
    """Whatever is visible and asked for, entries, total and ``more`` are the same on every version of SQLite."""
    connection, counts, memory = reader
    query = Query(**asked)
    assert pages.page(connection, TABLE, query, counts) == asyncio.run(memory.page(SESSION, query))


SMALL = Visible(owners=frozenset([Owner(3, "acme")]), ids=frozenset(["ses-1", "ses-2", "nobody"]))


@pytest.mark.parametrize("equal", [{}, {"agent_instance_id": "ain-1"}])
@pytest.mark.parametrize("tags", [(), ("all",), ("all", "t1")])
@pytest.mark.parametrize("after", [0, 20])
async def test_what_is_not_visible_is_not_read(sqlite, connected, equal, tags, after):
    """Looking up what is visible, its pages and its totals search, and go through none of the store's tables."""
    await insert_all(sqlite, some_sessions(40))
    connection, counts = connected(), pages.Counts()
    query = Query(equal, tags, SMALL, after=Position(after), limit=2)
    statements = [*traced(connection, lambda: pages.page(connection, TABLE, query, counts))]
    await sqlite.insert(SESSION, make_stored_session("ses-new", owner=Owner(3, "acme")))
    await sqlite.delete(SESSION, "ses-2", 1)
    statements += traced(connection, lambda: pages.page(connection, TABLE, query, counts))
    plans = [step for statement in statements for step in plan(connection, statement)]
    assert len(plans) > 10
    scans = {step for step in plans if step.startswith(("SCAN", "USE TEMP"))}
    harmless = ("SCAN j VIRTUAL TABLE", "SCAN CONSTANT ROW", "SCAN (subquery", "SCAN v")
    assert {step for step in scans if not step.startswith(harmless)} == set()


def traced(connection, call):
    """The statements that a call has run on the store's tables."""
    seen = []
    connection.set_trace_callback(seen.append)
    call()
    connection.set_trace_callback(None)
    return [each for each in seen if each.startswith(("SELECT", "INSERT")) and '"session' in each]


def plan(connection, statement):
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]


async def test_no_page_is_far(sqlite, connected):
    """A page in the middle of much costs what the first one does."""
    await insert_all(sqlite, some_sessions(600))
    connection, counts = connected(), pages.Counts()
    seen = Visible(frozenset(OWNERS))

    def steps(after):
        taken = itertools.count()
        connection.set_progress_handler(lambda: next(taken) < 0, 1)
        page = pages.page(connection, TABLE, Query(visible=seen, after=Position(after), limit=5), counts)
        connection.set_progress_handler(None, 0)
        assert (page.total, page.entries[0].sequence) == (600, after + 1)
        return next(taken)

    steps(0)
    assert steps(500) < 1.2 * steps(1)


async def test_what_was_looked_up_is_kept(sqlite, connected):
    """The next page looks no id up again, not even after a write: then only what is new is looked at."""
    await insert_all(sqlite, some_sessions(30))
    connection, counts = connected(), pages.Counts()
    query = Query(visible=Visible(frozenset([ACME]), frozenset(["ses-1", "ses-new"])), limit=3)

    def lookups():
        return [each for each in traced(connection, lambda: pages.page(connection, TABLE, query, counts)) if "INSERT" in each]

    assert len(lookups()) == 2
    assert lookups() == []
    query = dataclasses.replace(query, after=Position(5), visible=dataclasses.replace(query.visible))
    assert lookups() == []
    await sqlite.insert(SESSION, make_stored_session("ses-other", owner=OTHERS))
    assert lookups() == []
    await sqlite.insert(SESSION, make_stored_session("ses-new", owner=OTHERS))
    assert lookups() == []
    page = pages.page(connection, TABLE, query, counts)
    assert page.total == 12


async def test_very_much_may_be_new(sqlite, connected, monkeypatch):
    """When more is new than is looked at one by one, everything is looked up again."""
    monkeypatch.setattr(views, "_FEW", 10)
    documents = some_sessions(90)
    query = Query(visible=Visible(frozenset([ACME]), frozenset(["ses-1", "ses-80"])), limit=3)
    connection, counts = connected(), pages.Counts()
    done = 0
    for count in (5, 15, 26, 27, 90):
        await insert_all(sqlite, documents[done:count])
        done = count
        expected = sum(1 for n in range(count) if n % 3 == 0 or n in {1, 80})
        assert pages.page(connection, TABLE, query, counts).total == expected


async def test_what_other_processes_write_is_seen(opened):
    """Two stores on one file agree about what is visible after each write of one of them."""
    first, second = await opened(), await opened()
    query = Query(visible=Visible(frozenset([ACME]), frozenset(["ses-1"])), limit=1)
    for number, document in enumerate(some_sessions(12)):
        writer, reader = (first, second) if number % 2 else (second, first)
        stored = await writer.insert(SESSION, document)
        assert await first.page(SESSION, query) == await second.page(SESSION, query)
        if number % 4 == 0:
            await reader.delete(SESSION, document.id, stored.revision)
            assert await first.page(SESSION, query) == await second.page(SESSION, query)
    assert (await first.page(SESSION, query)).total == 4


async def test_deletions_by_whomever_are_told(sqlite):
    """What another program deletes from the table is missing from the next total, too."""
    await insert_all(sqlite, some_sessions(10))
    query = Query(visible=Visible(frozenset([ACME]), frozenset(["ses-1"])), limit=1)
    assert (await sqlite.page(SESSION, query)).total == 5
    with contextlib.closing(sqlite3.connect(sqlite._path, isolation_level=None)) as other:
        other.execute("DELETE FROM session WHERE id IN ('ses-1', 'ses-2', 'ses-3')")
    assert (await sqlite.page(SESSION, query)).total == 3


async def test_no_more_is_kept_than_was_agreed(sqlite, connected, monkeypatch):
    """The views used last are kept, by number and by what they hold; those dropped hold nothing, and are made again."""
    await insert_all(sqlite, some_sessions(60))
    connection, counts = connected(), pages.Counts()

    def totals(seen):
        return [pages.page(connection, TABLE, Query(visible=each, limit=1), counts).total for each in seen]

    def held():
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_temp_master").fetchall()]
        return [connection.execute(f'SELECT COUNT(*) FROM temp."{name}"').fetchall()[0][0] for name in names]

    callers = [Visible(ids=frozenset(f"ses-{n}" for n in range(count))) for count in range(1, 51)]
    for _ in range(2):
        assert totals(callers) == list(range(1, 51))
    assert sorted(held()) == list(range(51 - views._MOST, 51))
    monkeypatch.setattr(views, "_MOST_ENTRIES", 100)
    assert totals(callers[9:13]) == [10, 11, 12, 13]
    assert sorted(count for count in held() if count) == [10, 11, 12, 13]
    assert totals(callers[49:]) == [50]
    assert sum(held()) == 50
    assert totals([Visible(frozenset(OWNERS))]) == [60]
    assert sum(held()) == 60


async def test_a_list_that_fails_half_way_leaves_nothing(sqlite, connected):
    """When a list is interrupted wherever it is, the next one looks everything up again, and is right."""
    await insert_all(sqlite, some_sessions(50))
    connection, counts = connected(), pages.Counts()
    query = Query(visible=Visible(frozenset([ACME]), frozenset(f"ses-{n}" for n in range(25))), limit=2)
    everything = dataclasses.replace(query, limit=1000)
    expected = 17 + 16
    interrupted = 0
    for steps in range(250):
        await sqlite.insert(SESSION, make_stored_session(f"ses-new-{steps}", owner=ACME))
        expected += 1
        if steps % 3 == 0:
            await sqlite.delete(SESSION, f"ses-new-{steps}", 1)
            expected -= 1
        if steps % 2 == 0:
            counts.views = views.Views()
        calls = itertools.count()
        connection.set_progress_handler(lambda calls=calls, steps=steps: next(calls) == steps // 4, 8)
        try:
            pages.page(connection, TABLE, query, counts)
        except connection.OperationalError:
            interrupted += 1
        connection.set_progress_handler(None, 0)
        assert not connection.in_transaction
        assert connection.execute("PRAGMA query_only").fetchall() == [(1,)]
        total, entries = (pages.page(connection, TABLE, each, counts) for each in (query, everything))
        assert (total.total, len(entries.entries)) == (expected, expected)
    assert interrupted > 50


async def test_a_cancelled_look_up_is_interrupted(sqlite):
    """A list that nobody waits for any more frees its reader, and gets are answered meanwhile."""
    await insert_all(sqlite, some_sessions(50))
    stored = await sqlite.get(SESSION, "ses-1")
    seen = Visible(ids=frozenset(f"ses-{n}" for n in range(200_000)))
    listing = asyncio.create_task(sqlite.page(SESSION, Query(visible=seen)))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.gather(*(sqlite.get(SESSION, "ses-1") for _ in range(20))), 10) == [stored] * 20
    listing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listing
    async with asyncio.timeout(10):
        while sqlite._readers._busy:  # noqa: ASYNC110 - there is no event, and none is needed
            await asyncio.sleep(0.001)
    assert (await sqlite.page(SESSION, Query(visible=seen, limit=1))).total == 50


async def test_readers_still_cannot_write(sqlite):
    """Views are all that they write."""
    await insert_all(sqlite, some_sessions(5))
    assert (await sqlite.page(SESSION, Query(visible=SMALL))).total == 2
    with pytest.raises(Exception, match=r"^the store cannot be written now$"):
        await sqlite._readers.look_up(lambda raw: raw.execute("DELETE FROM meta"))


async def test_a_damaged_index_opens_nothing(sqlite):
    """A row that is not the caller's to see is not given out, though an index says that it is."""
    await insert_all(sqlite, some_sessions(3))
    query = Query(visible=Visible(owners=frozenset([OTHERS])))

    assert (await sqlite.page(SESSION, query)).total == 1

    def stray(raw):
        raw.execute("PRAGMA query_only = 0")
        raw.execute("INSERT INTO temp.\"visible_0\" SELECT sequence FROM session WHERE id = 'ses-0'")
        raw.execute("PRAGMA query_only = 1")

    for connection in sqlite._connections[2:]:
        with contextlib.suppress(sqlite3.OperationalError):  # a reader that has not served this list
            await submit(connection, stray)
    with pytest.raises(DataLoss, match=r"^what is stored is damaged$"):
        await sqlite.page(SESSION, query)


def test_the_oldest_and_the_newest_differ():
    """The tests above ran on two versions of SQLite, where both are there."""
    newest = pytest.importorskip("pysqlite3.dbapi2")
    assert importlib.import_module("sqlite3").sqlite_version_info != newest.sqlite_version_info
