"""Reads the change log: which resources were created, updated or deleted since. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

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


def last_change(connection: sqlite3.Connection, table: Table) -> int:
    """The number of the newest entry; 0 without any."""
    sql = f'SELECT MAX(number) FROM "{table.name}_change"'  # noqa: S608 - validated names
    number: int | None = connection.execute(sql).fetchall()[0][0]
    return number or 0
