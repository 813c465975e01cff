"""Reads the change log and names what is wrong with it. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from stigmer.errors import DataLoss
from stigmer.store.feed import Event
from stigmer.store.sqlite.changes import COLUMNS, change_of
from stigmer.store.sqlite.table import Table

_CHUNK = 32
_LAST = """
SELECT r.id FROM "{name}" AS r LEFT JOIN "{name}_change" AS c
ON c.number = (SELECT MAX(number) FROM "{name}_change" WHERE sequence = r.sequence)
WHERE c.number IS NULL OR (c.event != {deleted} AND c.revision != r.revision) ORDER BY r.sequence
"""
_REVIVED = """
SELECT COUNT(*) FROM "{name}_change" AS c JOIN "{name}" AS r ON r.sequence = c.sequence WHERE c.event = {deleted}
"""


def check_log(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    """What is wrong, one line each."""
    yield from _entries(connection, table)
    names = {"name": table.name, "deleted": int(Event.DELETED)}
    if count := connection.execute(_REVIVED.format(**names)).fetchall()[0][0]:
        yield f"{table.name}: {count} resources are there, and told as gone"
    for (id_,) in connection.execute(_LAST.format(**names)).fetchall():
        yield f"{table.name} {id_}: is not what the change log tells last"


def _entries(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    after = 0
    some = f'SELECT {COLUMNS} FROM "{table.name}_change" WHERE number > ? ORDER BY number LIMIT ?'  # noqa: S608 - validated names
    while rows := connection.execute(some, (after, _CHUNK)).fetchall():
        for row in rows:
            try:
                change_of(row)
            except DataLoss:
                yield f"{table.name}: change {row[0]} is damaged"
        after = rows[-1][0]
