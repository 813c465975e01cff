"""Reads the change log: what has happened since, and what resources have been. Runs in a connection's thread."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stigmer.errors import Compacted, DataLoss
from stigmer.store import Changes
from stigmer.store.feed import Change, Event, Most
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.connection import moment
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.table import LOGGED, Table

_MOST = 1000
COLUMNS = f"number, {LOGGED}"
"""All that the change log has."""


class Entry(NamedTuple):
    """What views and caches ask of the log.

    Attributes:
        number: one more than that of the entry before.
        sequence: of the resource.
        event: what happened to it.
    """

    number: int
    sequence: int
    event: int


def changes_after(connection: sqlite3.Connection, table: Table, number: int) -> Sequence[Entry] | None:
    """What the log has after ``number``; None when that is too much to follow, or no longer all there."""
    sql = f'SELECT number, sequence, event FROM "{table.name}_change" WHERE number > ? ORDER BY number LIMIT ?'  # noqa: S608 - validated names
    found = [Entry(*row) for row in connection.execute(sql, (number, _MOST + 1)).fetchall()]
    complete = not found or found[-1].number == number + len(found)
    return found if complete and len(found) <= _MOST else None


def changed_since(connection: sqlite3.Connection, asked: Sequence[tuple[Table, int]]) -> Mapping[str, Changes]:
    """What has changed in each table after a number; the connection is in a transaction."""
    found = {}
    for table, number in asked:
        log = changes_after(connection, table, number)
        if log is None or number < 0:
            found[table.name] = Changes(None, last_change(connection, table))
        else:
            found[table.name] = Changes(frozenset(each.sequence for each in log), log[-1].number if log else number)
    return found


def newest_change(connection: sqlite3.Connection, table: Table, sequence: int) -> Change | None:
    """The newest entry of a resource that is sound; None without any."""
    sql = f'SELECT {COLUMNS} FROM "{table.name}_change" WHERE sequence = ? ORDER BY number DESC'  # noqa: S608 - validated names
    for row in connection.execute(sql, (sequence,)).fetchall():
        with contextlib.suppress(DataLoss):
            return change_of(row)
    return None


def last_change(connection: sqlite3.Connection, table: Table) -> int:
    """The number of the newest entry; 0 without any."""
    sql = f'SELECT MAX(number) FROM "{table.name}_change"'  # noqa: S608 - validated names
    number: int | None = connection.execute(sql).fetchall()[0][0]
    return number or 0


def feed(connection: sqlite3.Connection, table: Table, after: int, most: Most) -> Sequence[Change]:
    """See ``Feed.feed``."""
    name = table.name
    some = f'SELECT {COLUMNS} FROM "{name}_change" WHERE number > ? ORDER BY number LIMIT ?'  # noqa: S608 - validated names
    found: list[Change] = []
    room = most.bytes
    with moment(connection):
        compacted: int = connection.execute(f'SELECT compacted FROM "{name}_feed"').fetchall()[0][0]  # noqa: S608 - as above
        if after < compacted:
            raise Compacted(compacted)
        with contextlib.closing(connection.execute(some, (after, most.changes))) as rows:
            for row in rows:
                change = _told(connection, table, row)
                room -= len(change.wire) + len(change.before or b"")
                if room < 0 and found:
                    break
                found.append(change)
        if not found and after > last_change(connection, table):
            raise Compacted(compacted)
    return found


def versions(connection: sqlite3.Connection, table: Table, place: tuple[str, int | None], most: Most) -> Sequence[Change]:
    """See ``Feed.versions``; ``place`` is the id, and before which number."""
    id_, before = place
    found: list[Change] = []
    upper = "" if before is None else "AND number < ?"
    sql = f"{_of_one(table)} {upper} ORDER BY number DESC LIMIT ?"
    room = most.bytes
    parameters = (id_, *(() if before is None else (before,)), most.changes)
    with moment(connection), contextlib.closing(connection.execute(sql, parameters)) as rows:
        for row in rows:
            change = change_of(row)
            room -= len(change.wire)
            if room < 0 and found:
                break
            found.append(change)
    return found


def version_of(connection: sqlite3.Connection, table: Table, id_: str, version: str) -> Change | None:
    """See ``Feed.version_of``."""
    sql = f"{_of_one(table)} AND version = ? ORDER BY number DESC LIMIT 1"
    found = connection.execute(sql, (id_, version)).fetchall()
    return change_of(found[0]) if found else None


def _of_one(table: Table) -> str:
    """The entries of a resource that is there."""
    sequence = f'(SELECT sequence FROM "{table.name}" WHERE id = ?)'  # noqa: S608 - validated names
    return f'SELECT {COLUMNS} FROM "{table.name}_change" WHERE sequence = {sequence}'  # noqa: S608 - as above


def _told(connection: sqlite3.Connection, table: Table, row: tuple[Any, ...]) -> Change:
    """An entry of the feed, with what the resource was before."""
    change = change_of(row)
    if change.event == Event.CREATED:
        return change
    sql = f'SELECT {COLUMNS} FROM "{table.name}_change" WHERE sequence = ? AND number < ? ORDER BY number DESC LIMIT 1'  # noqa: S608 - validated names
    found = connection.execute(sql, (change.sequence, change.number)).fetchall()
    if not found:
        raise damaged()
    earlier = change_of(found[0])
    if change.event == Event.DELETED:
        return change._replace(wire=earlier.wire, version=earlier.version, before=earlier.wire)
    return change._replace(before=earlier.wire)


def change_of(row: tuple[Any, ...]) -> Change:
    """An entry of the change log, all of its ``COLUMNS``.

    Raises:
        DataLoss: it is damaged.
    """
    number, *told, expected, wire = row
    try:
        good = expected is None or checksum.of_change(told, wire) == expected
    except (TypeError, AttributeError):  # damage can change a value's type
        good = False
    if not good:
        raise damaged()
    sequence, event, revision, time, id_, version, actor, trace = told
    return Change(number, Event(event), sequence, revision, id_, version, time, actor, trace, wire or b"", None)
