"""The readers: many reads at a time, none behind a slow one, and none that goes on when nobody waits."""

from __future__ import annotations

import asyncio
import time

import pytest

from stigmer.errors import DataLoss
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.selection import Position
from stigmer.store.sqlite import READERS, pages
from stigmer.store.sqlite.connection import submit
from stigmer.store.sqlite.table import Table
from stigmer.testing.store import make_stored_session
from stigmer.testing.stored import ACME

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"


def endless(connection, *_):
    return connection.execute(ENDLESS).fetchall()


async def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_a_slow_read_delays_nobody(sqlite):
    """With all but one reader held by slow lists, gets and lists are answered."""
    stored = await sqlite.insert(SESSION, make_stored_session("ses-1"))
    slow = []
    for number in range(1, READERS):
        slow.append(asyncio.create_task(sqlite._readers.scan(endless)))
        await until(lambda number=number: len(sqlite._readers._busy) >= number)
        gets = [sqlite.get(SESSION, "ses-1") for _ in range(20)]
        assert await asyncio.wait_for(asyncio.gather(*gets), 10) == [stored] * 20
        assert (await asyncio.wait_for(sqlite.page(SESSION, Query()), 10)).total == 1
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def test_a_cancelled_read_is_interrupted(sqlite):
    """Reads that nobody waits for free their readers."""
    tasks = [asyncio.create_task(sqlite._readers.scan(endless)) for _ in range(2 * READERS)]
    await until(lambda: len(sqlite._readers._busy) == READERS)
    for task in tasks:
        task.cancel()
    assert all(isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True))
    await until(lambda: not sqlite._readers._busy)
    assert await sqlite.get(SESSION, "ses-1") is None


async def test_an_interrupted_read_hurts_nobody(sqlite):
    """Reads that share a transaction with one that is interrupted are answered."""
    stored = await sqlite.insert(SESSION, make_stored_session("ses-1"))
    slow = asyncio.create_task(sqlite._readers.look_up(endless))
    gets = [asyncio.create_task(sqlite.get(SESSION, "ses-1")) for _ in range(10)]
    await asyncio.sleep(0)
    await until(lambda: sqlite._readers._busy)
    slow.cancel()
    assert await asyncio.gather(*gets) == [stored] * 10


async def test_a_deadline_ends_a_read(sqlite):
    """``asyncio.timeout`` around a read is a TimeoutError."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await sqlite._readers.scan(endless)


async def test_readers_hold_no_snapshot(sqlite):
    """Once answered, no reader is in a transaction: the log could not shrink."""
    await asyncio.gather(
        *(sqlite.get(SESSION, "ses-1") for _ in range(50)), *(sqlite.page(SESSION, Query()) for _ in range(50))
    )
    for connection in sqlite._connections[2:]:
        assert not await submit(connection, lambda raw: raw.in_transaction)


async def test_readers_cannot_write(sqlite):
    """Their connections are for queries only."""
    with pytest.raises(Exception, match=r"^the store cannot be written now$"):
        await sqlite._readers.look_up(lambda raw: raw.execute("DELETE FROM meta"))


@pytest.mark.parametrize("column", ["wire", "id", "revision", "slug", "owner", "scope"])
async def test_a_changed_byte_is_data_loss(sqlite, column):
    """Whatever of a row is damaged, a get does not give it out, and the text says nothing of it."""
    await sqlite.insert(SESSION, make_stored_session("ses-1", slug="sweet"))
    await damage(sqlite, column)
    found = [sqlite.find(SESSION, ACME, "sweet")] if column in {"wire", "id", "revision"} else []
    calls = [*found, sqlite.page(SESSION, Query())] if column in {"wire", "id"} else found
    if column != "id":
        calls.append(sqlite.get(SESSION, "ses-1"))
    for call in calls:
        with pytest.raises(DataLoss, match=r"^what is stored is damaged$"):
            await call


async def damage(sqlite, column):
    changed = {"wire": "CAST(substr(wire, 1, 5) || x'FF' || substr(wire, 7) AS BLOB)", "revision": "7", "scope": "3"}
    value = changed.get(column, "'other'")

    def change(raw):
        raw.execute(f'UPDATE "session" SET "{column}" = {value}')

    await submit(sqlite._connections[0], change)


@pytest.mark.parametrize("value", ["NULL", "7", "'text'", "x''"])
async def test_a_changed_type_is_data_loss(sqlite, value):
    """Damage can turn bytes into something else."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))

    def change(raw):
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("UPDATE sqlite_master SET sql = replace(sql, 'wire BLOB NOT NULL', 'wire BLOB') WHERE name = 'session'")
        raw.execute("PRAGMA writable_schema = RESET")
        raw.execute(f'UPDATE "session" SET wire = {value}')

    await submit(sqlite._connections[0], change)
    for call in (sqlite.get(SESSION, "ses-1"), sqlite.page(SESSION, Query())):
        with pytest.raises(DataLoss):
            await call


@pytest.mark.parametrize(
    "query",
    [
        Query(equal={"agent_instance_id": "a"}),
        Query(tags=("t1",)),
        Query(tags=("t1", "t2", "t3")),
        Query(equal={"agent_instance_id": "a"}, tags=("t1",)),
        Query(equal={"agent_instance_id": "a"}, tags=("t1", "t2")),
    ],
)
async def test_a_filter_never_scans(sqlite, query):
    """Pages and totals of filtered lists read index entries, and sort nothing."""
    document = make_stored_session("ses-1", agent="a", tags=["t1", "t2", "t3"])
    await sqlite.insert(SESSION, document)

    def plans(raw):
        counts = pages.Counts()
        counts.refresh(raw)
        selection = pages._select(raw, Table(SESSION), query, counts)
        explained = []
        raw.set_trace_callback(explained.append)
        list(pages._rows(raw, selection, query))
        pages._total(raw, Table(SESSION), selection, counts)
        raw.set_trace_callback(None)
        return [row[3] for sql in explained for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]

    steps = await submit(sqlite._connections[0], plans)
    assert len(steps) >= 2
    assert not [step for step in steps if step.startswith(("SCAN", "USE TEMP"))]


async def test_totals_are_counted_again_after_a_write(sqlite):
    """What a reader remembers is forgotten when anybody writes."""
    for number in range(1, 6):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}", agent="a", tags=["x", "y"]))
        for query in (
            Query(limit=1, after=Position(1)),
            Query(equal={"agent_instance_id": "a"}, limit=1, after=Position(1)),
            Query(tags=("x", "y"), limit=1, after=Position(1)),
        ):
            for _ in range(3):
                assert (await sqlite.page(SESSION, query)).total == number
