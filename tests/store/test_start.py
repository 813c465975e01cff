"""A store starts on a sound file of its own, makes a missing one, and refuses all others without changing them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.errors import ConfigurationError
from stigmer.kind import Kind
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.selection import Word
from stigmer.store.sqlite import SqliteStore, open_sqlite, opening, schema
from stigmer.testing.store import KINDS, make_stored_session

OPEN = """
import asyncio, pathlib, sys
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import KINDS

async def main():
    store = await open_sqlite(pathlib.Path(sys.argv[1]), KINDS)
    print((await store.secret()).hex())
    await store.close()

asyncio.run(main())
"""


def contents(folder):
    return {file.name: file.read_bytes() if file.is_file() else None for file in folder.iterdir()}


@pytest.fixture
async def full(path, opened):
    """A file with some sessions in it, closed."""
    store = await opened()
    for number in range(50):
        await store.insert(SESSION, make_stored_session(f"ses-{number}", subject="x" * 2000, tags=["t"]))
    await store.close()
    return path


async def refused(path, opened, reason):
    before = contents(path.parent)
    with pytest.raises(ConfigurationError) as raised:
        await opened(path)
    text = str(raised.value)
    assert text.startswith(f"store {path}: ")
    assert reason in text
    assert "\n" not in text
    after = contents(path.parent)
    after.pop(path.name + "-lock", None)
    before.pop(path.name + "-lock", None)
    assert after == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", "database"),
        (b"hello world\n" * 1000, "no SQLite database"),
        (b"SQLite format 3\0", "database"),
        (b"SQLite format 3\0" + bytes(5000), "database"),
    ],
)
async def test_a_foreign_file_is_refused(path, opened, content, reason):
    """A file that is empty, or is no database, stays as it is."""
    path.write_bytes(content)
    await refused(path, opened, reason)
    assert contents(path.parent) == {path.name: content}


@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_another_applications_database_is_refused(path, opened, journal):
    """A database that is not ours stays as it is."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    await refused(path, opened, "another application")
    assert list(contents(path.parent)) == [path.name]


async def test_a_folder_is_refused(path, opened):
    """A folder is no store."""
    path.mkdir()
    await refused(path, opened, "it is a folder")


@pytest.mark.parametrize("missing", [1, 4096, 50_000])
async def test_a_truncated_file_is_refused(full, opened, missing):
    """A file that lacks its end is refused, even if it is one byte."""
    os.truncate(full, full.stat().st_size - missing)
    await refused(full, opened, "restore a backup")


async def test_a_damaged_file_is_refused(full, opened):
    """Pages that SQLite cannot make sense of are found."""
    with full.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096 * 3)
    await refused(full, opened, "damaged")


@pytest.fixture
async def half_moved(tmp_path, opened):
    """A store whose checkpoint was killed after its first page: the header tells of pages that only the log has."""
    path = tmp_path / "killed" / "stigmer.db"
    path.parent.mkdir()
    running = await opened(tmp_path / "running.db")
    for number in range(50):
        await running.insert(SESSION, make_stored_session(f"ses-{number}", subject="x" * 2000))
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"running.db{suffix}", f"{path}{suffix}")
    page = 4096
    log = path.with_name("stigmer.db-wal").read_bytes()
    frames = [log[at : at + 24 + page] for at in range(32, len(log), 24 + page)]
    with path.open("r+b") as file:
        assert len(frames) > file.seek(0, os.SEEK_END) // page
        file.seek(0)
        file.write([frame[24:] for frame in frames if frame[:4] == (1).to_bytes(4)][-1])
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        sqlite3.connect(f"file:{path}?immutable=1", uri=True).execute("SELECT * FROM session")
    return path


async def test_a_checkpoint_that_was_killed_is_no_damage(half_moved, opened):
    """The log still has everything: the store starts, and nothing is missing."""
    store = await opened(half_moved)
    assert (await store.page(SESSION, Query())).total == 50
    assert await store.check() == []


async def test_a_foreign_file_with_a_log_is_refused(half_moved, opened):
    """Whose it is stands in its log when its header alone cannot be read."""
    connection = sqlite3.connect(half_moved)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA application_id = 7")
    foreign = Path(shutil.copytree(half_moved.parent, half_moved.parent.with_name("foreign"))) / "stigmer.db"
    connection.close()
    before = contents(foreign.parent)
    with pytest.raises(ConfigurationError, match="another application"):
        await opened(foreign)
    after = contents(foreign.parent)
    assert [after[name] for name in ("stigmer.db", "stigmer.db-wal")] == [
        before[name] for name in ("stigmer.db", "stigmer.db-wal")
    ]


async def test_a_newer_schema_is_refused(full, opened):
    """A file that a later version has written is left to that."""
    connection = sqlite3.connect(full)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    await refused(full, opened, f"version 9, this server knows up to {len(schema.MIGRATIONS)}")


async def test_a_damaged_secret_is_refused(full, opened):
    """The secret has a checksum: with another one all page tokens would be void."""
    connection = sqlite3.connect(full)
    connection.execute("UPDATE meta SET secret = zeroblob(32)")
    connection.commit()
    connection.close()
    await refused(full, opened, "it is damaged")


async def test_a_log_without_its_database_is_refused(path, opened):
    """SQLite would replay the log of a lost database into the new one."""
    path.with_name(path.name + "-wal").write_bytes(b"x")
    await refused(path, opened, "it is missing, but stigmer.db-wal is there")


@pytest.fixture(params=["file", "folder"])
def frozen(request, full):
    """A store's file, which is read-only, or its folder is."""
    target = full if request.param == "file" else full.parent
    mode = f"{target.stat().st_mode & 0o777:o}"
    freeze, thaw = (["chattr", "+i"], ["chattr", "-i"]) if os.geteuid() == 0 else (["chmod", "500"], ["chmod", mode])
    if shutil.which(freeze[0]) is None or subprocess.run([*freeze, target], capture_output=True, check=False).returncode:
        pytest.skip("nothing is read-only for root here")
    yield full
    subprocess.run([*thaw, target], check=True)


async def test_what_cannot_be_written_is_refused(frozen, opened):
    """A read-only file or folder is named at the start, not at the first write."""
    await refused(frozen, opened, "")


async def test_a_missing_file_is_made_for_the_user_alone(tmp_path, opened):
    """Folders are 0700, files 0600, whatever the umask."""
    path = tmp_path / "a" / "b" / "stigmer.db"
    before = os.umask(0)
    try:
        store = await opened(path)
        await store.insert(SESSION, make_stored_session("ses-1"))
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-lock"], "0o600")


async def test_close_leaves_one_file_and_the_lock(path, sqlite):
    """The write-ahead log is emptied into the database."""
    await sqlite.insert(SESSION, make_stored_session("ses-1"))
    await sqlite.close()
    assert sorted(contents(path.parent)) == [path.name, f"{path.name}-lock"]


async def test_many_starts_at_once_on_a_missing_file(path):
    """Processes that start together on a missing file all succeed, and share one secret."""
    starts = [await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, path, stdout=subprocess.PIPE) for _ in range(4)]
    secrets = {(await start.communicate())[0] for start in starts}
    assert [start.returncode for start in starts] == [0] * 4
    assert len(secrets) == 1
    assert len(secrets.pop().strip()) == 64


async def test_a_damaged_file_with_a_log_is_refused(full, opened):
    """Neither the file nor what waits in its write-ahead log is changed."""
    store = await opened(full)
    store._writer.committed = lambda _: None
    await store.insert(SESSION, make_stored_session("ses-new"))
    folder = full.parent / "crashed"
    folder.mkdir()
    for name in (full.name, f"{full.name}-wal"):
        shutil.copy(full.parent / name, folder)
    copy = folder / full.name
    sound = contents(folder)
    assert await (await opened(copy)).get(SESSION, "ses-new") is not None
    for size in (4096, 50_000):
        copy = folder.parent / f"cut-{size}" / full.name
        copy.parent.mkdir()
        for name, content in sound.items():
            (copy.parent / name).write_bytes(content)
        os.truncate(copy, size)
        before = contents(copy.parent)
        with pytest.raises(ConfigurationError, match="damaged"):
            await opened(copy)
        after = contents(copy.parent)
        assert {name: after[name] for name in before} == before


async def test_a_file_system_without_links_will_do(path, opened, monkeypatch):
    """A new file then gets its name in another way."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    store = await opened()
    await store.insert(SESSION, make_stored_session("ses-1"))
    await store.close()
    assert sorted(contents(path.parent)) == [path.name, f"{path.name}-lock"]


async def test_a_start_that_is_cancelled_lets_go(path, opened):
    """Nothing stays locked, and the next start succeeds."""
    for delay in (0, 0.002, 0.005, 0.01):
        task = asyncio.create_task(open_sqlite(path, KINDS))
        await asyncio.sleep(delay)
        task.cancel()
        for outcome in await asyncio.gather(task, return_exceptions=True):
            if isinstance(outcome, SqliteStore):
                await outcome.close()
    store = await opened()
    await store.insert(SESSION, make_stored_session("ses-1"))


async def test_kinds_that_would_share_a_table_are_refused(opened):
    """Each kind has tables of its own."""
    with pytest.raises(ConfigurationError, match="two kinds would share the table session"):
        await opened(kinds=[SESSION, SESSION])


KILLED = (
    """
import os, signal
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
from stigmer.store.sqlite import files, opening
"""
    "{}\n" + OPEN
)


@pytest.mark.parametrize(
    "point",
    [
        "opening.migrate = die",
        "opening.make_secret = die",
        "files._sync = die",
        "os.link = die",
        "link = os.link; os.link = lambda *a: (link(*a), die())",
        "opening.read_secret = die",
        "opening.add_kinds = die",
    ],
)
async def test_a_start_that_is_killed_can_be_repeated(path, opened, point):
    """Wherever the making of a file is cut short, the next start succeeds and leaves nothing over."""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED.format(point), path)
    assert await killed.wait() == -signal.SIGKILL
    store = await opened()
    await store.insert(SESSION, make_stored_session("ses-1"))
    assert list(await store.check()) == []
    await store.close()
    assert sorted(contents(path.parent)) == [path.name, f"{path.name}-lock"]


async def test_a_kind_can_come_later(opened):
    """A store that is opened for one more kind gets its tables; what is there stays."""
    first = await opened(kinds=KINDS[:1])
    stored = await first.insert(KINDS[0], make_stored_session("ses-1"))
    await first.close()
    second = await opened(kinds=KINDS)
    await second.insert(KINDS[1], make_stored_session("agt-1", kind=KINDS[1]))
    assert await second.get(KINDS[0], "ses-1") == stored
    await second.close()
    third = await opened(kinds=KINDS[:1])
    assert await third.get(KINDS[0], "ses-1") == stored


async def test_an_indexed_field_can_come_and_go(opened):
    """A field that is indexed from now on is indexed for old resources too, also after it was left out for a while."""
    columns = {**SESSION.indexed, "sandbox": lambda session: session.spec.sandbox_id}
    sandbox = Kind.of(ApiResourceKind.session, Session, columns, SESSION.searched)
    for number, kind in enumerate([SESSION, sandbox, SESSION, sandbox]):
        store = await opened(kinds=[kind])
        await store.insert(kind, make_document_of(kind, number))
        if kind is sandbox:
            found = await store.page(kind, Query(equal={"sandbox": ""}))
            assert found.total == number + 1
        assert list(await store.check()) == []
        await store.close()


async def test_what_is_searched_can_change(opened):
    """Words are taken from other fields from the next start on, for old resources too."""
    for searched, totals in (("subject",), (1, 0)), (("name", "agent_instance_id"), (0, 1)), (("subject",), (1, 0)):
        kind = Kind.of(ApiResourceKind.session, Session, SESSION.indexed, searched)
        store = await opened(kinds=[kind])
        if not await store.id_used(kind, "ses-1"):
            await store.insert(kind, make_stored_session("ses-1", subject="about", agent="builder", kind=kind))
        pages = [await store.page(kind, Query(words=(Word(word),))) for word in ("about", "builder")]
        assert tuple(page.total for page in pages) == totals
        assert list(await store.check()) == []
        await store.close()


def make_document_of(kind, number):
    return make_stored_session(f"ses-{number}", subject="same", kind=kind)


@pytest.mark.parametrize("name", ["", "Agent", 'a"b', "a b", "id", "wire", "1a", "a" * 99, "sqlite_x"])
async def test_odd_column_names_are_refused(opened, name):
    """A name goes into SQL only when it is a plain identifier and no column of the store's own."""
    with pytest.raises(ConfigurationError, match="cannot be a name in the SQLite store"):
        await opened(kinds=[Kind.of(ApiResourceKind.session, Session, {name: str})])


async def test_a_start_waits_for_that_of_another_process(path, opened, monkeypatch):
    """Somebody who does not come to an end is named in the refusal."""
    store = await opened()
    monkeypatch.setattr(opening, "_START_SECONDS", 0.05)
    assert store._lock.try_acquire()
    with pytest.raises(ConfigurationError, match="another process"):
        await opened()
    store._lock.release()


def test_an_sqlite_without_fts5_is_refused():
    """Some builds leave it out; the line says so."""
    bare = SimpleNamespace(execute=lambda _: SimpleNamespace(fetchall=lambda: [("json_each",)]))
    with pytest.raises(ConfigurationError, match="has no FTS5"):
        opening._check_modules(bare)
