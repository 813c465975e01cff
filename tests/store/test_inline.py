"""Look-ups in the event loop: quick, and given to threads whenever the loop would have to wait."""

from __future__ import annotations

import sqlite3
import time

import pytest

from stigmer.errors import DataLoss
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.selection import Order, Tag, Word
from stigmer.store.sqlite import inline
from stigmer.store.sqlite.connection import connect_inline, submit
from stigmer.store.sqlite.inline import DECLINED, InlineReader
from stigmer.store.sqlite.pages import is_short
from stigmer.testing.store import make_stored_session


@pytest.fixture
def clock(monkeypatch):
    """Time that passes as a test says."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(inline.time, "perf_counter", lambda: Clock.now)
    return Clock


def works(seconds, clock):
    """A look-up that takes so long."""

    def work(connection):
        clock.now += seconds
        return connection

    return work


async def test_no_thread_is_asked(sqlite):
    """What is quick is answered without one."""
    stored = await sqlite.insert(SESSION, make_stored_session("ses-1"))
    with pytest.raises(StopIteration) as ended:
        sqlite.get(SESSION, "ses-1").send(None)
    assert ended.value.value == stored


def test_slow_ones_are_left_to_threads(clock):
    """Each time a look-up holds the loop, more time passes until the next one may; one that is quick makes up for it."""
    connection = sqlite3.connect(":memory:")
    reader = InlineReader(connection)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0):
        assert reader.read(works(0.003, clock)) is connection
        clock.now += pause * 0.99
        assert reader.read(works(0, clock)) is DECLINED
        clock.now += pause * 0.02
    assert reader.read(works(0.001, clock)) is connection
    assert reader.read(works(0.003, clock)) is connection
    clock.now += 0.051
    assert reader.read(works(0, clock)) is connection


async def test_whatever_is_declined_is_answered(sqlite, monkeypatch):
    """Threads do it, with the same answers and the same errors."""
    stored = await sqlite.insert(SESSION, make_stored_session("ses-1"))
    monkeypatch.setattr(sqlite._lookups, "read", lambda _: DECLINED)
    assert await sqlite.get(SESSION, "ses-1") == stored
    assert await sqlite.id_used(SESSION, "ses-1")
    await submit(sqlite._connections[0], lambda raw: raw.execute("UPDATE session SET wire = x'00'"))
    with pytest.raises(DataLoss):
        await sqlite.get(SESSION, "ses-1")


async def test_it_waits_for_no_lock(path, sqlite):
    """Where somebody holds the whole file, a thread waits, and not the loop."""
    connection = connect_inline(path)
    reader = InlineReader(connection)
    assert reader.read(lambda raw: raw.execute("SELECT 1").fetchall()) == [(1,)]

    def locked(_):
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    began = time.monotonic()
    assert reader.read(locked) is DECLINED
    assert connection.execute("PRAGMA busy_timeout").fetchall() == [(0,)]
    assert time.monotonic() - began < 1
    reader.close()


async def test_what_takes_too_long_is_broken_off(path, sqlite):
    """A list that would hold the loop goes to a thread, and so do the next ones for a while."""
    reader = InlineReader(connect_inline(path))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"
    began = time.monotonic()
    assert reader.read(lambda raw: raw.execute(endless).fetchall()) is DECLINED
    assert reader.read(lambda raw: raw.execute("SELECT 1").fetchall()) is DECLINED
    assert time.monotonic() - began < 1
    reader.close()


async def test_pages_are_read_without_a_thread(sqlite, monkeypatch):
    """Short ones of plain lists, with the same totals; all others, and those that are declined, are left to threads."""
    for number in range(5):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}", tags=["t"]))
    for query in (Query(limit=2), Query(tags=("t",), limit=100), Query(equal={"agent_instance_id": "ain-1"}, limit=1)):
        with pytest.raises(StopIteration) as ended:
            sqlite.page(SESSION, query).send(None)
        assert ended.value.value.total == 5
        with monkeypatch.context() as patch:
            patch.setattr(sqlite._pages, "read", lambda _: DECLINED)
            assert await sqlite.page(SESSION, query) == ended.value.value
    for query in (Query(limit=101), Query(order=Order("name")), Query(condition=Tag("t")), Query(words=(Word("x"),))):
        assert not is_short(query)


async def test_it_cannot_write(sqlite):
    """Its connection is for queries only."""
    with pytest.raises(Exception, match=r"^the store cannot be written now$"):
        sqlite._lookups.read(lambda raw: raw.execute("DELETE FROM meta"))


async def test_it_holds_no_snapshot(path, sqlite):
    """Between look-ups it is in no transaction, and sees whatever anybody has written since."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    for revision in range(1, 20):
        stored = await sqlite.update(SESSION, make_stored_session("ses-1", subject=str(revision)), revision)
        assert await sqlite.get(SESSION, "ses-1") == stored
        assert not sqlite._lookups._connection.in_transaction
