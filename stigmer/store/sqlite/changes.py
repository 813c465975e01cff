"""Reads the change log: which resources were created, updated or deleted since. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stigmer.store import Changes
from stigmer.store.sqlite.table import Table

_MOST = 1000


class Change(NamedTuple):
    """An entry of the log.

    Attributes:
        number: one more than that of the entry before.
        sequence: of the resource.
        event: CREATED, UPDATED or DELETED.
    """

    number: int
    sequence: int
    event: int


def changes_after(connection: sqlite3.Connection, table: Table, number: int) -> Sequence[Change] | None:
    """What the log has after ``number``; None when that is too much to follow, or no longer all there."""
    sql = f'SELECT number, sequence, event FROM "{table.name}_change" WHERE number > ? ORDER BY number LIMIT ?'  # noqa: S608 - validated names
    found = [Change(*row) for row in connection.execute(sql, (number, _MOST + 1)).fetchall()]
    complete = not found or found[0].number == number + 1
    return found if complete and len(found) <= _MOST else None


def changes(connection: sqlite3.Connection, asked: Sequence[tuple[Table, int]]) -> Mapping[str, Changes]:
    """What has changed in each table after a number; the connection is in a transaction."""
    found = {}
    for table, number in asked:
        log = changes_after(connection, table, number)
        if log is None or number < 0:
            found[table.name] = Changes(None, last_change(connection, table))
        else:
            found[table.name] = Changes(frozenset(each.sequence for each in log), log[-1].number if log else number)
    return found


def last_change(connection: sqlite3.Connection, table: Table) -> int:
    """The number of the newest entry; 0 without any."""
    sql = f'SELECT MAX(number) FROM "{table.name}_change"'  # noqa: S608 - validated names
    number: int | None = connection.execute(sql).fetchall()[0][0]
    return number or 0
