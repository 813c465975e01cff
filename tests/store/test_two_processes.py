"""A cache never gives what another process has already replaced: the other one says so only once it is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys

import pytest

from stigmer.session.kind import SESSION
from stigmer.store.cached import CachedStore
from stigmer.store.sqlite import open_sqlite
from stigmer.store.sqlite.connection import submit
from stigmer.testing.store import KINDS, make_stored_session
from stigmer.testing.stored import ACME

ROUNDS = 300
WRITER = """
import asyncio, json, pathlib, sys
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS, make_stored_session

async def main():
    store = await open_sqlite(pathlib.Path(sys.argv[1]), KINDS)
    print("ready", flush=True)
    revision = 1
    for line in iter(sys.stdin.readline, ""):
        what, name, subject = json.loads(line)
        document = make_stored_session(name, slug="same", subject=subject)
        if what == "insert":
            revision = (await store.insert(SESSION, document)).revision
        elif what == "update":
            revision = (await store.update(SESSION, document, revision)).revision
        else:
            await store.delete(SESSION, name, revision)
        print("done", flush=True)
    await store.close()

asyncio.run(main())
"""


class Writer:
    """Another process that writes to the same file."""

    def __init__(self, process):
        self._process = process

    async def __call__(self, what, name, subject=""):
        self._process.stdin.write((json.dumps([what, name, subject]) + "\n").encode())
        assert await self._process.stdout.readline() == b"done\n"

    async def kill(self):
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@contextlib.asynccontextmanager
async def writing(path):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, path, stdin=pipe, stdout=pipe)
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield Writer(process)
    finally:
        if process.returncode is None:
            process.stdin.close()
            await process.wait()


@pytest.fixture
async def cache(tmp_path):
    store = CachedStore(await open_sqlite(tmp_path / "stigmer.db", KINDS), 1 << 20)
    yield store
    await store.close()


async def subject(cache):
    """What the cache says: by id and by slug, which have to agree."""
    stored = await cache.find(SESSION, ACME, "same")
    if stored is None:
        return None
    message = SESSION.message.from_binary(stored.wire)
    for _ in range(2):
        assert await cache.get(SESSION, message.metadata.id) == stored
    return message.spec.subject


async def test_what_another_process_has_written_is_seen_at_once(cache, tmp_path):
    """Round after round: written there, acknowledged there, read here; also a slug that goes from one session to the next."""
    async with writing(tmp_path / "stigmer.db") as write:
        name = "ses-0"
        await write("insert", name, "0")
        for number in range(1, ROUNDS):
            assert await subject(cache) == str(number - 1)
            if number % 7:
                await write("update", name, str(number))
            else:
                await write("delete", name)
                assert await subject(cache) is None
                name = f"ses-{number}"
                await write("insert", name, str(number))
            if number % 50 == 0:  # the log begins again, or is emptied
                mode = "RESTART" if number % 100 else "TRUNCATE"
                connection = cache._store._connections[1]
                await submit(connection, lambda raw, mode=mode: raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchall())
        assert await subject(cache) == str(ROUNDS - 1)
        assert cache.entries.hits > ROUNDS / 2


async def test_two_processes_that_take_turns_see_each_other(cache, tmp_path):
    """What this process has written is followed without a question, and what the other one writes in between is not missed."""
    async with writing(tmp_path / "stigmer.db") as write:
        stored = await cache.insert(SESSION, make_stored_session("ses-mine", slug="mine", subject="0"))
        await write("insert", "ses-1", "0")
        for number in range(1, ROUNDS // 3):
            stored = await cache.update(SESSION, make_stored_session("ses-mine", slug="mine", subject="x"), stored.revision)
            await write("update", "ses-1", str(number))
            assert await cache.get(SESSION, "ses-mine") == stored
            assert await subject(cache) == str(number)


async def test_a_killed_writer_changes_nothing_or_all(cache, tmp_path):
    """After a process is killed while it writes, the cache says what the file says."""
    for number in range(5):
        async with writing(tmp_path / "stigmer.db") as write:
            await write("insert", f"ses-{number}", "a")
            assert await subject(cache) == "a"
            loop = asyncio.ensure_future(_update_for_ever(write, f"ses-{number}"))
            for _ in range(20 * number):
                await subject(cache)
            await write.kill()
            with contextlib.suppress(AssertionError, ConnectionError):
                await loop
        stored = await cache._store.get(SESSION, f"ses-{number}")
        assert await cache.get(SESSION, f"ses-{number}") == stored
        await cache.delete(SESSION, f"ses-{number}", stored.revision)


async def _update_for_ever(write, name):
    number = 0
    while True:
        number += 1
        await write("update", name, str(number))


async def test_a_person_with_a_tool_is_seen_too(cache, tmp_path):
    """Whoever writes to the file by other means is told by the file's own log of changes."""
    stored = await cache.insert(SESSION, make_stored_session("ses-1"))
    assert await cache.get(SESSION, "ses-1") == stored
    tool = sqlite3.connect(tmp_path / "stigmer.db", isolation_level=None)
    tool.execute("DELETE FROM session WHERE id = 'ses-1'")
    tool.close()
    assert await cache.get(SESSION, "ses-1") is None


async def test_another_store_on_the_file_may_close(cache, tmp_path):
    """Two stores of one process share the index: the first that closes takes neither the other's locks nor its sight."""
    other = await open_sqlite(tmp_path / "stigmer.db", KINDS)
    await other.close()
    async with writing(tmp_path / "stigmer.db") as write:
        await write("insert", "ses-1", "a")
        assert await subject(cache) == "a"
        await write("update", "ses-1", "b")
        assert await subject(cache) == "b"
