"""A file of an older version becomes one of the newest, as a whole or not at all."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys

import migrations
import pytest
import sqlite_vfs
from old_files import make_first_version

from stigmer.errors import ConfigurationError
from stigmer.session.kind import SESSION
from stigmer.store import Query, Visible
from stigmer.store.sqlite import schema

KILLED = """
import asyncio, os, pathlib, signal, sys
from stigmer.store.sqlite import open_sqlite, opening
from stigmer.testing.store import KINDS
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
{}
asyncio.run(open_sqlite(pathlib.Path(sys.argv[1]), KINDS))
"""


async def test_migrations_are_one_transaction_each(path):
    """A migration that fails leaves the file at the version before, those before it stay done."""
    connection = sqlite3.connect(path, isolation_level=None)
    good = schema.Migration(("CREATE TABLE kinds (name TEXT, columns TEXT)", "INSERT INTO kinds VALUES ('k', '[]')"))
    each = schema.Migration(("CREATE TABLE a (x)",), ('CREATE TABLE "{name}_more" (x)',))
    bad = schema.Migration(("CREATE TABLE b (x)", "nonsense"))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, (good, each, bad))
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master").fetchall()}
    assert (schema.version(connection), names) == (2, {"kinds", "a", "k_more"})
    schema.migrate(connection, (good, each))
    with pytest.raises(ConfigurationError, match="version 2"):
        schema.migrate(connection, (good,))
    connection.close()


@pytest.fixture
async def first_version(path):
    """A file as the first servers have left it, with some sessions in it."""
    await make_first_version(path)
    return path


def schema_of(path):
    """Version and objects; the order of columns does not matter, since those that were added stand last."""
    connection = sqlite3.connect(path)
    try:
        objects = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        return schema.version(connection), [
            (kind, name, sorted((sql or "").replace(",", " ").split())) for kind, name, sql in objects
        ]
    finally:
        connection.close()


def whole_versions(path):
    """The schema of each version from that of the file on."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    wholes = [schema_of(copy)]
    for number in range(wholes[0][0], len(schema.MIGRATIONS)):
        connection = sqlite3.connect(copy, isolation_level=None)
        schema.migrate(connection, schema.MIGRATIONS[: number + 1])
        connection.close()
        wholes.append(schema_of(copy))
    return wholes


async def lists_what_is_visible(store):
    """From now on deletions are told: lists of what is visible count what is left."""
    query = Query(visible=Visible(ids=frozenset(["ses-1", "ses-2"])), limit=1)
    assert (await store.page(SESSION, query)).total == 2
    await store.delete(SESSION, "ses-1", 1)
    assert (await store.page(SESSION, query)).total == 1
    assert list(await store.check()) == []


async def test_a_file_of_the_first_version_is_migrated(first_version, tmp_path, opened):
    """It becomes what a new file is, and keeps what it holds."""
    store = await opened()
    assert (await store.page(SESSION, Query())).total == 50
    await lists_what_is_visible(store)
    await store.close()
    await (await opened(tmp_path / "new.db")).close()
    assert schema_of(first_version) == schema_of(tmp_path / "new.db")


@pytest.mark.parametrize("calls", range(1, 60, 3))
async def test_a_migration_that_is_killed_is_old_or_new(first_version, opened, calls):
    """Whichever statement is the last one, the file has one version or the other, and the next start goes on."""
    wholes = await asyncio.to_thread(whole_versions, first_version)
    point = f"""
from stigmer.store.sqlite import schema
apply = schema._apply
class Counted:
    left = {calls}
    def __init__(self, connection):
        self.connection = connection
    def execute(self, *arguments):
        Counted.left -= 1
        if not Counted.left:
            die()
        return self.connection.execute(*arguments)
    def __getattr__(self, name):
        return getattr(self.connection, name)
migrate = schema.migrate
opening.migrate = lambda connection: migrate(Counted(connection))
opening.add_kinds = die
"""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED.format(point), first_version)
    assert await killed.wait() == -signal.SIGKILL
    assert schema_of(first_version) in wholes
    store = await opened()
    await lists_what_is_visible(store)


@pytest.mark.skipif(not sqlite_vfs.available(), reason="the SQLite of this Python cannot be reached")
async def test_a_migration_that_is_broken_off_anywhere_is_old_or_new():
    """By a kill or a power cut at any call of SQLite's: the file is of some version, with all that was in it."""
    seed = random.randrange(2**32)
    versions, wrong = await migrations.kills(40, seed)
    assert (seed, wrong) == (seed, [])
    assert set(versions) <= set(range(1, len(schema.MIGRATIONS) + 1))
