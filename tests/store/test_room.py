"""How much room an owner has in a file that several stores write to, and what of it is remembered."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.errors import OwnerFull
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import open_sqlite
from stigmer.store.sqlite.room import Rooms
from stigmer.store.sqlite.table import Table
from stigmer.testing.store import KINDS, make_stored_session
from stigmer.testing.stored import ACME, OTHERS

MOST = 40


@pytest.fixture
async def stores(tmp_path):
    """Two stores on one file, as two processes have them."""
    path = tmp_path / "stigmer.db"
    opened = [await open_sqlite(path, KINDS), await open_sqlite(path, KINDS)]
    yield opened
    for store in opened:
        await store.close()


async def test_two_processes_together_let_in_no_more_than_one(stores):
    """A hundred inserts on each, at once, by an owner that may have forty."""
    writes = [
        store.insert(SESSION, make_stored_session(f"ses-{name}-{n}"), most=MOST)
        for name, store in enumerate(stores)
        for n in range(100)
    ]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == MOST
    assert all(isinstance(answer, OwnerFull) for answer in answers if isinstance(answer, Exception))
    assert (await stores[0].page(SESSION, Query(limit=1))).total == MOST


async def test_room_that_another_process_has_used_up(stores):
    """What was counted a while ago is not believed once others have written so much that it may be wrong."""
    ours, theirs = stores
    await ours.insert(SESSION, make_stored_session("ses-first"), most=MOST)
    for number in range(MOST - 1):
        await theirs.insert(SESSION, make_stored_session(f"ses-{number}"))
    with pytest.raises(OwnerFull):
        await ours.insert(SESSION, make_stored_session("ses-last"), most=MOST)


async def test_room_is_counted_once_for_many_inserts(stores):
    """An owner's rows are read when it first adds something, and then not until there may be no room left."""
    statements = []
    store = stores[0]
    for connection in store._connections:
        await connection.set_trace_callback(lambda sql: statements.append(sql) if "COUNT(*) FROM (SELECT 1" in sql else None)
    for number in range(MOST):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"), most=MOST)
    assert len(statements) == 1


async def test_not_all_owners_are_remembered(stores, monkeypatch):
    """The table of rooms has an end: whoever has added nothing for longest is counted anew."""
    monkeypatch.setattr("stigmer.store.sqlite.room._REMEMBERED", 2)
    rooms, table = Rooms(stores[0]._readers), Table(SESSION)
    first = await rooms.get(table, ACME, 3)
    assert await rooms.get(table, ACME, 3) is first
    for number in range(2):
        await rooms.get(table, OTHERS._replace(id=str(number)), 3)
    assert await rooms.get(table, ACME, 3) is not first
