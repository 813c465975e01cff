"""Checkpoints beside the writer: what they move is moved, and nothing else is taken for moved."""

from __future__ import annotations

import sqlite3

import pytest

from stigmer.session.kind import SESSION
from stigmer.store.sqlite import checkpoints
from stigmer.testing.store import make_stored_session


@pytest.fixture
def generation(path):
    """Which write-ahead log this is: its salts, which differ whenever it begins again."""
    return lambda: path.with_name(path.name + "-wal").read_bytes()[16:24]


@pytest.fixture
def moved(path):
    """Moves the log into the database, as another process might at any time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def move():
        busy, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert (busy, frames) == (0, done)

    yield move
    connection.close()


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """No checkpoint is made by itself."""
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 1000)


async def test_the_log_cannot_begin_again_during_a_checkpoint(sqlite, generation, moved):
    """Though all of it is moved, it goes on, as long as the pin holds; without that it begins again."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    first = generation()
    assert await sqlite._writer.between(sqlite._pin.put_in)
    moved()
    await sqlite.insert(SESSION, make_stored_session("ses-2"))
    assert generation() == first
    sqlite._pin._take_out()
    moved()
    await sqlite.insert(SESSION, make_stored_session("ses-3"))
    assert generation() != first


async def test_no_checkpoint_is_made_when_there_is_nothing_to_move(sqlite, moved):
    """It could not be kept from meeting a log that begins again: who reads the database alone keeps nobody."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    moved()
    assert not await sqlite._writer.between(sqlite._pin.put_in)
    assert not sqlite._pin._connection.in_transaction


async def test_what_is_moved_while_the_pin_is_put_in_is_noticed(sqlite, moved, monkeypatch):
    """Another process may make its checkpoint between the first look and the moment from which the pin would hold."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    looks = []

    def look():
        if not looks:
            moved()
        looks.append(1)
        return len(looks) > 1

    monkeypatch.setattr(sqlite._pin, "_index", type("Index", (), {"is_moved": staticmethod(look)}))
    assert not await sqlite._writer.between(sqlite._pin.put_in)
    assert not sqlite._pin._connection.in_transaction


async def test_without_an_index_the_writer_makes_all_checkpoints(sqlite, monkeypatch):
    """Whether a pin holds cannot be told then."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    monkeypatch.setattr(sqlite._pin, "_index", None)
    assert not await sqlite._writer.between(sqlite._pin.put_in)


async def test_a_checkpoint_that_fails_lets_go(sqlite, generation, moved):
    """The log begins again after it."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    first = generation()
    assert await sqlite._writer.between(sqlite._pin.put_in)
    closed = sqlite3.connect(":memory:")
    closed.close()
    assert sqlite._pin.checkpoint(closed) == 0
    moved()
    await sqlite.insert(SESSION, make_stored_session("ses-2"))
    assert generation() != first


async def test_a_checkpoint_moves_what_is_there(sqlite, path):
    """The database alone has it afterwards."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    await sqlite._checkpoints._make()
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as alone:
        assert alone.execute("SELECT id FROM session").fetchall() == [("ses-1",)]
    alone.close()
    assert not sqlite._pin._connection.in_transaction
