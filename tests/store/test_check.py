"""Check names what is wrong; backup copies what is there."""

from __future__ import annotations

import asyncio
import sqlite3
import time

import pytest

from stigmer.errors import ConfigurationError
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.connection import submit
from stigmer.testing.store import make_stored_session, read_all

OTHER = make_stored_session("ses-1", slug="slug-of-ses-1", subject="other")
GONE = checksum.of_change((1, 3, 1, 0, "ses-1", "", "", ""), None)


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE session SET wire = x'FF' || substr(wire, 2)", "session ses-1: its wire bytes are damaged"),
        ("UPDATE session SET document = '{}'", "session ses-1: its document is damaged"),
        (
            "UPDATE session SET revision = 3",
            "session ses-1: its key is damaged\nsession ses-1: is not what the change log tells last",
        ),
        ("DELETE FROM session_change", "session ses-1: is not what the change log tells last"),
        ("UPDATE session_change SET actor = 'x'", "session: change 1 is damaged"),
        ("UPDATE session SET scope = 3", "session ses-1: its key is damaged"),
        ("UPDATE session SET org = 'x'", "session ses-1: its org disagrees with its wire bytes"),
        (
            "UPDATE session SET agent_instance_id = 'x'",
            "session ses-1: its agent_instance_id disagrees with its wire bytes",
        ),
        ("DELETE FROM session_tag WHERE tag = 'a'", "session ses-1: its tag index disagrees with its wire bytes"),
        ("UPDATE session_label SET value = 'x'", "session ses-1: its label index disagrees with its wire bytes"),
        ("INSERT INTO session_tag VALUES ('x', 99)", "session: 1 entries of the tag index belong to nothing"),
        ("INSERT INTO session_label VALUES ('x', 'y', 99)", "session: 1 entries of the label index belong to nothing"),
        (
            f"UPDATE session_change SET event = 3, wire = NULL, checksum = {GONE}",
            "session: 1 resources are there, and told as gone",
        ),
        ("INSERT INTO session_deleted VALUES ('ses-1')", "session ses-1: is there, and remembered as deleted"),
        (
            f"UPDATE session SET document = '{OTHER.json}', json_checksum = {checksum.of_document('ses-1', OTHER.json)}",
            "session ses-1: document and wire bytes disagree",
        ),
        (
            f"UPDATE session SET wire = x'FFFF', wire_checksum = {checksum.of_wire('ses-1', bytes([255, 255]))}",
            "session ses-1: its wire bytes cannot be decoded",
        ),
        ("UPDATE session SET created_at = 5", "session ses-1: its created_at disagrees with its wire bytes"),
        ("UPDATE session_size SET total = 7", "session: 1 resources are there, 7 is told"),
        ("DELETE FROM session_size", "session: 1 resources are there, nothing is told"),
        (
            "INSERT INTO session_text (session_text) VALUES ('delete-all')",
            "session ses-1: its word index disagrees with its wire bytes",
        ),
        (
            "INSERT INTO session_text (session_text, rowid, words) VALUES ('delete', 1, 'about this')",
            "session ses-1: its word index disagrees with its wire bytes",
        ),
        ("INSERT INTO session_text (rowid, words) VALUES (99, 'x')", "session: 1 entries of the word index belong to nothing"),
        ("DROP TABLE session_tag", "session: cannot be read: no such table: session_tag"),
    ],
)
async def test_check_names_what_is_wrong(sqlite, statement, line):
    """Each kind of damage has its line, and only what is damaged has one."""
    await sqlite.insert(SESSION, make_stored_session("ses-1", tags=["a", "b"], labels={"k": "v"}, subject="about this"))
    await submit(sqlite._connections[0], lambda raw: raw.execute(statement))
    assert list(await sqlite.check()) == line.split("\n")


async def test_check_can_be_cancelled(sqlite):
    """A check that nobody waits for ends, and the store goes on."""
    for number in range(200):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}"))
    for _ in range(5):
        task = asyncio.create_task(sqlite.check())
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
    deadline = time.monotonic() + 10
    while sqlite._alone:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)
    assert list(await sqlite.check()) == []


async def test_a_backup_is_a_store(sqlite, opened, tmp_path):
    """It opens, holds the same, has the same secret, and goes on numbering where the original is."""
    for number in range(20):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}", tags=["t"]))
    last = await sqlite.get(SESSION, "ses-19")
    await sqlite.delete(SESSION, "ses-19", last.revision)
    target = tmp_path / "copy.db"
    await sqlite.backup(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("copy")] == ["copy.db"]
    copy = await opened(target)
    assert await read_all(copy, Query(tags=("t",))) == await read_all(sqlite, Query(tags=("t",)))
    assert await copy.secret() == await sqlite.secret()
    assert await copy.id_used(SESSION, "ses-19")
    assert (await copy.insert(SESSION, make_stored_session("ses-20"))).sequence > last.sequence
    assert list(await copy.check()) == []


async def test_a_backup_is_of_one_moment(sqlite, opened, tmp_path):
    """Made while others write, it holds a beginning of what was written, without gaps."""
    writing = True

    async def write():
        number = 0
        while writing:
            await sqlite.insert(SESSION, make_stored_session(f"ses-{number:05}", tags=["t"]))
            number += 1

    writer = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    await sqlite.backup(tmp_path / "copy.db")
    writing = False
    await writer
    copy = await opened(tmp_path / "copy.db")
    copied, all_ = await read_all(copy, Query()), await read_all(sqlite, Query())
    assert copied == all_[: len(copied)]
    assert list(await copy.check()) == []


async def test_a_backup_that_cannot_be_written_is_refused(sqlite, tmp_path):
    """The text names the target and the reason in one line."""
    target = tmp_path / "nowhere" / "copy.db"
    with pytest.raises(ConfigurationError, match=r"^backup .*/nowhere/copy\.db: No such file or directory$"):
        await sqlite.backup(target)


async def test_a_backup_that_is_cancelled_leaves_nothing(sqlite, tmp_path):
    """Half a copy is removed."""
    for number in range(300):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}", subject="x" * 5000))
    for delay in (0, 0.001, 0.003, 0.006):
        task = asyncio.create_task(sqlite.backup(tmp_path / "copy.db"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        while sqlite._alone:
            await asyncio.wait(sqlite._alone)
        left = [file.name for file in tmp_path.iterdir() if file.name.startswith("copy")]
        assert left in ([], ["copy.db"])
        (tmp_path / "copy.db").unlink(missing_ok=True)


async def test_check_reads_a_damaged_file(sqlite, path):
    """Pages that make no sense become lines, not an error."""
    for number in range(100):
        await sqlite.insert(SESSION, make_stored_session(f"ses-{number}", subject="x" * 3000))
    await submit(sqlite._connections[1], lambda raw: raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        for page in range(90, size // 4096, 3):
            file.seek(page * 4096)
            file.write(b"\x55" * 4096)
    lines = await sqlite.check()
    assert lines
    assert all("\n" not in line or line.startswith("file: ") for line in lines)


def test_the_newest_sqlite_feature_is_old():
    """What is used was there in SQLite 3.35."""
    assert sqlite3.sqlite_version_info >= (3, 35)
