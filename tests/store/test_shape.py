"""A file whose definitions have rotted is refused when it is opened, before a statement means something else than it says."""

from __future__ import annotations

import sqlite3

import pytest

from stigmer.errors import ConfigurationError
from stigmer.session.kind import SESSION
from stigmer.testing.store import make_stored_session

FLIPS = {
    "a column": ("table", "session", '"updated_at"', '"updated_au"'),
    "a type": ("table", "session", "sequence INTEGER PRIMARY", "sequence INTEGES PRIMARY"),
    "a constraint": ("table", "session", "id TEXT NOT NULL UNIQUE", "id TEXT NOT NULL        "),
    "an index": ("index", "session_by_slug", "(slug)", "(id)  "),
    "a trigger": ("trigger", "session_size_insert", "+ 1", "+ 3"),
    "the text search": ("table", "session_text", "'none'", "'full'"),
    "the log": ("table", "session_change", "version TEXT", "versioo TEXT"),
    "the answers": ("table", "answer", "request BLOB", "requesu BLOB"),
}


@pytest.fixture
async def full(path, opened):
    """A file with a session in it, closed."""
    store = await opened()
    await store.insert(SESSION, make_stored_session("ses-1"))
    await store.close()
    return path


@pytest.mark.parametrize("what", FLIPS)
async def test_a_rotten_definition_is_refused(full, opened, what):
    """In one line, and the file stays as it is."""
    type_, name, old, new = FLIPS[what]
    with sqlite3.connect(full) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        changed = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = ? AND name = ? AND sql LIKE ?"
        assert connection.execute(changed, (old, new, type_, name, f"%{old}%")).rowcount == 1
    connection.close()
    before = full.read_bytes()
    with pytest.raises(ConfigurationError, match=r"damaged.*restore a backup$") as refusal:
        await opened()
    assert "\n" not in str(refusal.value)
    assert full.read_bytes() == before


async def test_more_than_the_schema_is_borne(full, opened):
    """A table, an index or a trigger that a person has added does no harm."""
    with sqlite3.connect(full) as connection:
        connection.execute("CREATE TABLE mine (x)")
        connection.execute("CREATE INDEX mine_too ON session (org, name)")
        connection.execute("CREATE TRIGGER mine_three AFTER DELETE ON session BEGIN INSERT INTO mine VALUES (OLD.id); END")
    connection.close()
    store = await opened()
    assert await store.get(SESSION, "ses-1") is not None
    assert await store.check() == []
