"""The schema: what marks a file as ours, its migrations, and the tables of kinds that are added when they are first seen."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from stigmer.errors import ConfigurationError
from stigmer.payload import decode
from stigmer.store import SECRET_BYTES
from stigmer.store.document import values_of
from stigmer.store.sqlite.checksum import of_change
from stigmer.store.sqlite.rows import words_in
from stigmer.store.sqlite.table import FEED, LOG, LOG_BY_SEQUENCE, LOGGED, SIZE, TEXT, Table, size_triggers, tell_triggers

APPLICATION_ID = int.from_bytes(b"stgm")
"""In the header of each of our files, where ``file`` and others look."""


class Migration(NamedTuple):
    """What leads from one version of the schema to the next, in one transaction.

    Attributes:
        statements: run once.
        for_each_kind: run for each kind that the file has; ``{name}`` is its table.
    """

    statements: tuple[str, ...]
    for_each_kind: tuple[str, ...] = ()


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        (
            "CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL, checksum INTEGER NOT NULL)",
            "CREATE TABLE kinds (name TEXT PRIMARY KEY NOT NULL, columns TEXT NOT NULL) WITHOUT ROWID",
        ),
    ),
    Migration(
        (),
        (
            'CREATE TABLE "{name}_gone" (number INTEGER PRIMARY KEY AUTOINCREMENT, sequence INTEGER NOT NULL)',
            """CREATE TRIGGER "{name}_tell" AFTER DELETE ON "{name}"
            BEGIN INSERT INTO "{name}_gone" (sequence) VALUES (OLD.sequence); END""",
        ),
    ),
    Migration(
        ("ALTER TABLE kinds ADD COLUMN searched TEXT NOT NULL DEFAULT '[]'",),
        (
            'DROP TRIGGER "{name}_tell"',
            'DROP TABLE "{name}_gone"',
            'CREATE TABLE "{name}_change" (number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, event INTEGER NOT NULL)',
            SIZE,
            'CREATE INDEX "{name}_by_slug" ON "{name}" (slug)',
            TEXT,
        ),
    ),
    Migration(
        (
            """CREATE TABLE answer (
                number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, request BLOB NOT NULL, time INTEGER NOT NULL,
                checksum INTEGER NOT NULL, wire BLOB NOT NULL
            )""",
            "CREATE INDEX answer_by_time ON answer (time)",
            """CREATE TABLE consumer (
                name TEXT PRIMARY KEY NOT NULL, holder TEXT NOT NULL, until INTEGER NOT NULL
            ) WITHOUT ROWID""",
            """CREATE TABLE consumer_position (
                consumer TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (consumer, kind)
            ) WITHOUT ROWID""",
        ),
        (
            *(f'DROP TRIGGER IF EXISTS "{{name}}_log_{verb}"' for verb in ("insert", "update", "delete")),
            # A server of an older version that still runs would write without telling: now it cannot.
            'ALTER TABLE "{name}" RENAME COLUMN document_checksum TO json_checksum',
            'ALTER TABLE "{name}_change" RENAME TO "{name}_told"',
            LOG,
            LOG_BY_SEQUENCE,
            f"""INSERT INTO "{{name}}_change" (number, {LOGGED})
            SELECT (SELECT COALESCE(MAX(number), 0) FROM "{{name}}_told") + ROW_NUMBER() OVER (ORDER BY sequence),
                sequence, 1, revision, 0, id, '', '', '',
                checksum_of_change(sequence, 1, revision, 0, id, '', '', '', wire), wire
            FROM "{{name}}" ORDER BY sequence""",  # noqa: S608 - names of ours
            # Numbers go on where they were, also when nothing is left that could have one.
            f"""INSERT INTO "{{name}}_change" (number, {LOGGED})
            SELECT MAX(number), 0, 3, 0, 0, '', '', '', '', checksum_of_change(0, 3, 0, 0, '', '', '', '', NULL), NULL
            FROM "{{name}}_told" WHERE NOT EXISTS (SELECT 1 FROM "{{name}}_change") HAVING MAX(number) IS NOT NULL""",  # noqa: S608 - as above
            'DROP TABLE "{name}_told"',
            FEED,
            *size_triggers("{name}"),
            *tell_triggers("{name}"),
        ),
    ),
)
"""The first one makes version 1. A migration is never changed once released; a new one goes to the end."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Brings the file to the newest version. Each step happens as a whole or not at all.

    Raises:
        ConfigurationError: the file is of a version that comes after all we know.
    """
    connection.create_function("checksum_of_change", 9, lambda *told: of_change(told[:-1], told[-1]), deterministic=True)
    while version(connection) != len(migrations):
        with transaction(connection):
            current = version(connection)
            if current > len(migrations):
                raise ConfigurationError(f"its schema has version {current}, this server knows up to {len(migrations)}")
            if current < len(migrations):  # another process may have been here while this one waited
                _apply(connection, migrations[current], current + 1)


def version(connection: sqlite3.Connection) -> int:
    """The file's schema version."""
    found: int = connection.execute("PRAGMA user_version").fetchall()[0][0]
    return found


def make_secret(connection: sqlite3.Connection) -> None:
    """Gives a new file its secret."""
    secret = os.urandom(SECRET_BYTES)
    connection.execute("INSERT INTO meta VALUES (1, ?, ?)", (secret, crc32(secret)))


def read_secret(connection: sqlite3.Connection) -> bytes:
    """The file's secret.

    Raises:
        ConfigurationError: it is damaged.
    """
    rows = connection.execute("SELECT secret, checksum FROM meta").fetchall()
    if len(rows) == 1:
        secret, checksum = rows[0]
        if isinstance(secret, bytes) and len(secret) == SECRET_BYTES and crc32(secret) == checksum:
            return secret
    raise ConfigurationError("it is damaged")


def add_kinds(connection: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Makes the tables that the file lacks, and indexes fields that it has not indexed so far, all in one transaction."""
    known = _known(connection)
    if all(known.get(table.name) == _indexed(table) for table in tables):
        return
    with transaction(connection):
        known = _known(connection)
        for table in tables:
            if table.name not in known:
                for statement in table.definition():
                    connection.execute(statement)
            elif known[table.name] != _indexed(table):
                _add_columns(connection, table, [each for each in table.columns if each not in known[table.name].columns])
            columns, searched = map(json.dumps, _indexed(table))
            connection.execute(
                "INSERT OR REPLACE INTO kinds (name, columns, searched) VALUES (?, ?, ?)", (table.name, columns, searched)
            )


class _Indexed(NamedTuple):
    """What a file has indexed of a kind: these columns, and the words of these."""

    columns: list[str]
    searched: list[str]


def _indexed(table: Table) -> _Indexed:
    return _Indexed(list(table.columns), list(table.kind.searched))


def _known(connection: sqlite3.Connection) -> dict[str, _Indexed]:
    rows = connection.execute("SELECT name, columns, searched FROM kinds").fetchall()
    return {name: _Indexed(json.loads(columns), json.loads(searched)) for name, columns, searched in rows}


def _add_columns(connection: sqlite3.Connection, table: Table, missing: Sequence[str]) -> None:
    """Adds indexed columns, or takes up some that were left alone for a while, and fills them from the wire bytes."""
    present = [row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()]
    for column in missing:
        if column not in present:
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {table.column_definition(column)}')
    _fill(connection, table, missing)
    for column in missing:
        connection.execute(table.index_definition(column))


def _fill(connection: sqlite3.Connection, table: Table, columns: Sequence[str]) -> None:
    """Writes ``columns`` and the words of all resources, a few at a time, since a file may hold millions."""
    assigned = ", ".join(f'"{column}" = ?' for column in columns)
    fill = f'UPDATE "{table.name}" SET {assigned} WHERE sequence = ?'  # noqa: S608 - validated names
    some = f'SELECT sequence, wire FROM "{table.name}" WHERE sequence > ? ORDER BY sequence LIMIT 100'  # noqa: S608 - as above
    connection.execute(f'INSERT INTO "{table.name}_text" ("{table.name}_text") VALUES (\'delete-all\')')  # noqa: S608 - as above
    after = 0
    while rows := connection.execute(some, (after,)).fetchall():
        for sequence, wire in rows:
            values = values_of(table.kind, decode(table.kind.message, wire))
            if columns:
                connection.execute(fill, (*(values[column] for column in columns), sequence))
            connection.execute(table.write.add_words, (sequence, words_in(table, values)))
        after = rows[-1][0]


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction: committed at the end, or taken back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _apply(connection: sqlite3.Connection, migration: Migration, number: int) -> None:
    for statement in migration.statements:
        connection.execute(statement)
    for (name,) in connection.execute("SELECT name FROM kinds").fetchall():
        for statement in migration.for_each_kind:
            connection.execute(statement.format(name=name))
    connection.execute(f"PRAGMA user_version = {number}")
