"""Files as the first servers have left them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.stored import KINDS, make_stored_session

SESSIONS = 50

TRIGGERS = ("size_insert", "size_delete", "tell_update", "tell_delete")
LATER = {
    "session": ("subject", "thread_id", "name", "created_at", "updated_at"),
    "agent": ("name", "created_at", "updated_at"),
}
"""The columns that the first servers did not have."""
BACK_TO_1 = [
    statement
    for kind, columns in LATER.items()
    for statement in (
        *(f"DROP TRIGGER {kind}_{trigger}" for trigger in TRIGGERS),
        *(f"DROP TABLE {kind}_{part}" for part in ("change", "feed", "size", "text")),
        f"ALTER TABLE {kind} RENAME COLUMN json_checksum TO document_checksum",
        *(f"DROP INDEX {kind}_by_{column}" for column in ("slug", *columns)),
        *(f"ALTER TABLE {kind} DROP COLUMN {column}" for column in columns),
    )
] + [
    """UPDATE kinds SET columns = '["agent_instance_id"]' WHERE name = 'session'""",
    "UPDATE kinds SET columns = '[]' WHERE name = 'agent'",
    "ALTER TABLE kinds DROP COLUMN searched",
    *(f"DROP TABLE {table}" for table in ("answer", "consumer", "consumer_position")),
]
"""What makes a file of the schema's version 1 of one of the newest."""


async def make_first_version(path: Path) -> None:
    """Makes such a file, with some sessions in it."""
    store = await open_sqlite(path, KINDS)
    for number in range(SESSIONS):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"))
    await store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in BACK_TO_1:
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
