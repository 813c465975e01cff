"""The writer: group commit, failures, cancellation, the lock that processes share, and the write-ahead log."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import subprocess
import sys
import threading
import time

import aiosqlite
import pytest

from stigmer.errors import DataLoss, ResourceExhausted, SlugTaken, Unavailable
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import faults, writer
from stigmer.store.sqlite.connection import submit
from stigmer.store.sqlite.lock import FileLock
from stigmer.testing.store import make_stored_session


@pytest.fixture
async def held(sqlite):
    """Holds the writer's thread in a transaction; set it to let go."""
    started, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(*_):
        loop.call_soon_threadsafe(started.set)
        assert go.wait(10)
        return "done"

    go.task = asyncio.create_task(sqlite._writer.write(hold, "session"))
    await started.wait()
    yield go
    go.set()
    await asyncio.wait([go.task])


def test_aiosqlite_still_has_what_we_use():
    """Work is handed to a connection's thread through two private names; both are pinned with the version."""
    assert list(inspect.signature(aiosqlite.Connection._execute).parameters) == ["self", "fn", "args", "kwargs"]
    assert inspect.iscoroutinefunction(aiosqlite.Connection._execute)
    assert isinstance(aiosqlite.Connection._conn, property)


async def test_work_is_one_unit_in_one_thread(sqlite):
    """A function that is handed over gets the connection and runs in its thread."""
    connection = sqlite._connections[0]
    thread = await submit(connection, lambda raw: (type(raw), threading.current_thread()))
    assert thread == (sqlite3.Connection, connection._thread)


async def test_waiting_writes_share_a_transaction(sqlite):
    """What is asked for at the same time is one COMMIT."""
    commits = []
    await submit(sqlite._connections[0], lambda raw: raw.set_trace_callback(commits.append))
    await asyncio.gather(*(sqlite.insert(SESSION, make_stored_session(f"ses-{n}")) for n in range(64)))
    assert commits.count("COMMIT") == 1


async def test_a_failure_stays_alone(sqlite):
    """In one transaction, a conflict and a bug each hurt the one who made it and nobody else."""

    def bug(raw, _):
        raw.execute('DELETE FROM "session"')
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        sqlite.insert(SESSION, make_stored_session("ses-1", slug="a")),
        sqlite.insert(SESSION, make_stored_session("ses-2", slug="a")),
        sqlite._writer.write(bug, "session"),
        sqlite.insert(SESSION, make_stored_session("ses-3", slug="c")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[1:3]] == [SlugTaken, ZeroDivisionError]
    assert [await sqlite.get(SESSION, "ses-1"), await sqlite.get(SESSION, "ses-3")] == [outcomes[0], outcomes[3]]


async def test_a_commit_that_fails_fails_everybody(sqlite):
    """When COMMIT fails nobody is told of a write or of a conflict, and nothing is stored; the next write works."""

    def prepare(raw):
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("CREATE TABLE child (parent REFERENCES meta (one) DEFERRABLE INITIALLY DEFERRED)")

    await submit(sqlite._connections[0], prepare)
    outcomes = await asyncio.gather(
        sqlite.insert(SESSION, make_stored_session("ses-1", slug="a")),
        sqlite.insert(SESSION, make_stored_session("ses-2", slug="a")),
        sqlite._writer.write(lambda raw, _: raw.execute("INSERT INTO child VALUES (99)"), "session"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [sqlite3.IntegrityError] * 3
    assert (await sqlite.page(SESSION, Query())).total == 0
    await sqlite.insert(SESSION, make_stored_session("ses-2", slug="a"))


async def test_a_waiting_write_is_withdrawn(sqlite, held):
    """A write that is cancelled before its transaction begins never happens."""
    task = asyncio.create_task(sqlite.insert(SESSION, make_stored_session("ses-1")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()
    await sqlite.insert(SESSION, make_stored_session("ses-2"))
    assert not await sqlite.id_used(SESSION, "ses-1")


async def test_a_write_that_has_begun_is_finished(sqlite):
    """Cancelled while its transaction runs, a write returns its result; the task is cancelled at its next await."""
    begun, go, results = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    def work(*_):
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(10)
        return "result"

    async def call():
        results.append(await sqlite._writer.write(work, "session"))
        results.append(asyncio.current_task().cancelling())
        await asyncio.sleep(0)
        results.append("never")

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel("first")
    await asyncio.sleep(0)
    task.cancel("second")
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert results == ["result", 2]


async def test_a_conflict_is_told_to_a_cancelled_caller(sqlite, held):
    """A write that has begun and then fails raises its error, as if it had not been cancelled."""
    await_begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(*_):
        loop.call_soon_threadsafe(await_begun.set)
        raise SlugTaken(SESSION, "a")

    seen = []

    async def call():
        try:
            await sqlite._writer.write(work, "session")
        except SlugTaken:
            seen.append("told")
            await asyncio.sleep(0)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    held.set()
    await held.task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen in (["told"], [])


async def test_a_foreign_writer_makes_it_unavailable(path, sqlite):
    """While another program holds SQLite's own lock the store is busy, in words that name no file; then it works again."""
    await submit(sqlite._connections[0], lambda raw: raw.execute("PRAGMA busy_timeout = 20"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"^the store is busy; try again$") as raised:
        await sqlite.insert(SESSION, make_stored_session("ses-1"))
    assert raised.value.reason == "STORE_BUSY"
    other.execute("ROLLBACK")
    other.close()
    await sqlite.insert(SESSION, make_stored_session("ses-1"))


async def test_a_process_that_keeps_the_lock_makes_it_unavailable(path, sqlite, monkeypatch):
    """Writes wait for another process so long and no longer; while they wait they can be cancelled."""
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.05)
    other = FileLock(path.with_name(path.name + "-lock"))
    assert other.try_acquire()
    cancelled = asyncio.create_task(sqlite.insert(SESSION, make_stored_session("ses-1")))
    refused = asyncio.create_task(sqlite.insert(SESSION, make_stored_session("ses-1")))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(Unavailable):
        await refused
    assert cancelled.cancelled()
    other.close()
    await sqlite.insert(SESSION, make_stored_session("ses-1"))


async def test_a_lock_that_fails_makes_it_unavailable(sqlite, monkeypatch):
    """When the lock file cannot be locked, callers are told, and nobody waits for ever."""

    def fail(_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(FileLock, "try_acquire", fail)
    with pytest.raises(Unavailable):
        await sqlite.insert(SESSION, make_stored_session("ses-1"))
    monkeypatch.undo()
    await sqlite.insert(SESSION, make_stored_session("ses-1"))


async def test_a_full_store_says_so_and_recovers(sqlite):
    """No room is ResourceExhausted; reads go on, and so do writes once there is room."""
    connection = sqlite._connections[0]
    await submit(connection, lambda raw: raw.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(ResourceExhausted, match=r"^the store is full$") as raised:
        await sqlite.insert(SESSION, make_stored_session("ses-1", subject="x" * 100_000))
    assert raised.value.reason == "STORE_FULL"
    assert await sqlite.get(SESSION, "ses-1") is None
    await submit(connection, lambda raw: raw.execute("PRAGMA max_page_count = 1000000"))
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    assert list(await sqlite.check()) == []


LIMITED = """
import asyncio, pathlib, resource, signal, sys
from stigmer.errors import ResourceExhausted, Unavailable
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import make_stored_session

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = await open_sqlite(pathlib.Path(sys.argv[1]), [SESSION])
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    stored = []
    for number in range(100):
        try:
            await store.insert(SESSION, make_stored_session(f"ses-{number}", subject="x" * 5000))
        except (Unavailable, ResourceExhausted) as error:
            print(type(error).__name__, number)
            break
        stored.append(f"ses-{number}")
    assert stored and len(stored) < 100
    assert all([await store.get(SESSION, id_) for id_ in stored])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.insert(SESSION, make_stored_session("ses-last"))
    assert list(await store.check()) == []
    await store.close()

asyncio.run(main())
"""


def test_a_write_that_the_system_refuses_is_survived(path):
    """When the file system fails a write, the client is told, and the store goes on once it works again."""
    child = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 0, child.stderr
    assert child.stdout.split()[0] in {"Unavailable", "ResourceExhausted"}


@pytest.mark.parametrize(
    ("code", "type_", "reason"),
    [
        (sqlite3.SQLITE_BUSY, Unavailable, "STORE_BUSY"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Unavailable, "STORE_BUSY"),
        (sqlite3.SQLITE_LOCKED, Unavailable, "STORE_BUSY"),
        (sqlite3.SQLITE_IOERR_FSYNC, Unavailable, "STORE_UNAVAILABLE"),
        (sqlite3.SQLITE_READONLY, Unavailable, "STORE_READ_ONLY"),
        (sqlite3.SQLITE_FULL, ResourceExhausted, "STORE_FULL"),
        (sqlite3.SQLITE_CORRUPT_INDEX, DataLoss, "STORE_DAMAGED"),
        (sqlite3.SQLITE_NOTADB, DataLoss, "STORE_DAMAGED"),
    ],
)
def test_errors_have_a_meaning(code, type_, reason):
    """SQLite's numbers become statuses; the text says nothing of files or SQL."""
    error = sqlite3.OperationalError("/secret/path.db: SELECT")
    error.sqlite_errorcode = code
    meant = faults.translated(error)
    assert (type(meant), meant.reason) == (type_, reason)
    assert "secret" not in meant.text
    assert "SELECT" not in meant.text


def test_a_bug_stays_one():
    """An error in what we ask of SQLite is no status."""
    error = sqlite3.OperationalError("no such table")
    error.sqlite_errorcode = sqlite3.SQLITE_ERROR
    assert faults.translated(error) is error
    other = ZeroDivisionError()
    assert faults.translated(other) is other


async def test_the_log_stays_small(path, sqlite):
    """Under steady writes with readers, the write-ahead log does not grow with what is written."""
    log = path.with_name(path.name + "-wal")
    sizes, written = [], 0
    reading = True

    async def read():
        while reading:
            await sqlite.page(SESSION, Query(limit=20))

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for batch in range(60):
        documents = [make_stored_session(f"ses-{batch}-{number}", subject="x" * 50_000) for number in range(40)]
        await asyncio.gather(*(sqlite.insert(SESSION, document) for document in documents))
        written += sum(len(document.wire) + len(document.json) for document in documents)
        sizes.append(log.stat().st_size)
    reading = False
    await asyncio.gather(*readers)
    assert written > 200_000_000
    assert max(sizes) < 100_000_000


async def test_the_loop_is_free_while_a_transaction_runs(sqlite, held):
    """Reads are answered while a write takes its time."""
    began = time.monotonic()
    assert await sqlite.get(SESSION, "ses-1") is None
    assert time.monotonic() - began < 5
    assert not held.task.done()


async def test_who_waits_is_answered_though_the_writer_is_cancelled(sqlite):
    """A loop that ends cancels all tasks: neither a write nor what is done between two may be waited for for ever."""
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work(_):
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(10)
        return "done"

    waiting = asyncio.create_task(sqlite._writer.between(work))
    await begun.wait()
    sqlite._writer._pump.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.wait_for(waiting, 10) == "done"
