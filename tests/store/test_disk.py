"""The disk fails: what a client is told is right, reads go on, and so does everything once it works again.

``nox -s torture -- faults`` fails every single call.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3

import faults
import pytest
import sqlite_vfs
from faults import Failing, Fault, suffer

from stigmer.errors import ConfigurationError, ResourceExhausted, Unavailable
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS, make_stored_session

pytestmark = pytest.mark.skipif(not sqlite_vfs.available(), reason="the SQLite of this Python cannot be reached")
EVERY = 250
FOR_EVER = 10**9


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Checkpoints are made when a test wants them."""
    monkeypatch.setattr(faults.checkpoints, "_EVERY_SECONDS", 1000)


async def test_some_call_fails():
    """Once, a few times or until it is mended: nothing acknowledged is lost, and writes resume without any help."""
    offset = random.randrange(EVERY)
    for fault in await faults.faults(EVERY, offset):
        assert (fault, (await suffer(fault))[0]) == (fault, [])


@pytest.mark.parametrize("call", ["write", "sync", "truncate", "delete", "open"])
async def test_a_start_that_the_disk_breaks_off_is_begun_again(call, tmp_path):
    """Whichever call it was, the next start finds a store, or makes one."""
    (code,) = faults._CODES[call][:1]
    counting = Failing()
    with sqlite_vfs.watching(counting):
        await (await open_sqlite(tmp_path / "whole.db", KINDS)).close()
    for first in range(0, counting.calls[call], 1 + counting.calls[call] // 25):
        path = tmp_path / f"{first}.db"
        refusal = contextlib.suppress(ConfigurationError, Unavailable, ResourceExhausted)
        with sqlite_vfs.watching(Failing(Fault(call, first, FOR_EVER, code))), refusal:
            await (await open_sqlite(path, KINDS)).close()
        store = await open_sqlite(path, KINDS)
        await store.insert(SESSION, make_stored_session("ses-1"))
        await store.close()


@pytest.mark.parametrize(
    ("code", "error"), [(sqlite_vfs.FULL, ResourceExhausted), (sqlite_vfs.IOERR_WRITE, Unavailable)], ids=["full", "broken"]
)
async def test_reads_go_on_while_nothing_can_be_written(path, code, error):
    """Each write is refused in words that name no file; the one after the disk works again succeeds."""
    disk = Failing()
    with sqlite_vfs.watching(disk):
        store = await open_sqlite(path, KINDS)
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        disk.fault = Fault("write", 0, FOR_EVER, code)
        for number in range(3):
            with pytest.raises(error) as raised:
                await store.insert(SESSION, make_stored_session(f"ses-new-{number}"))
            assert path.name not in raised.value.text
            assert await store.get(SESSION, "ses-1") == stored
            assert (await store.page(SESSION, Query())).total == 1
        disk.fault = None
        await store.insert(SESSION, make_stored_session("ses-2"))
        assert await store.check() == []
        await store.close()


async def test_a_broken_read_is_no_answer(path):
    """What cannot be read is UNAVAILABLE, not missing."""
    store = await open_sqlite(path, KINDS)
    await store.insert(SESSION, make_stored_session("ses-1", subject="x" * 50_000))
    await store.close()
    disk = Failing()
    with sqlite_vfs.watching(disk):
        store = await open_sqlite(path, KINDS)
        disk.fault = Fault("read", 0, FOR_EVER, sqlite_vfs.IOERR_READ)
        with pytest.raises(Unavailable):
            await store.get(SESSION, "ses-1")
        disk.fault = None
        assert (await store.get(SESSION, "ses-1")).revision == 1
        await store.close()


async def test_a_transaction_that_was_broken_off_is_taken_back(path):
    """A store that was killed before it had its log starts: the journal beside it is rolled back."""
    await (await open_sqlite(path, KINDS)).close()
    disk = Failing()
    with sqlite_vfs.watching(disk):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE half (made)")
        disk.fault = Fault("delete", disk.calls["delete"], FOR_EVER, sqlite_vfs.IOERR_DELETE)
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("COMMIT")
        connection.close()
    assert path.with_name(path.name + "-journal").exists()
    store = await open_sqlite(path, KINDS)
    assert await store.check() == []
    await store.close()
