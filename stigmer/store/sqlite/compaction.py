"""Keeps the change log short. Runs in a connection's thread, within a transaction, a little at a time."""

from __future__ import annotations

import sqlite3

from stigmer.store.feed import Event, Retention
from stigmer.store.sqlite.changes import last_change
from stigmer.store.sqlite.consumers import slowest
from stigmer.store.sqlite.table import Table

_TOGETHER = 200
_MICROSECONDS = 1_000_000


def compact(connection: sqlite3.Connection, table: Table, retention: Retention, now: int) -> int:
    """See ``Feed.compact``: the feed begins after the changes that are dealt with here; what they leave is history."""
    name, oldest = table.name, now - int(retention.seconds * _MICROSECONDS)
    compacted = compacted_to(connection, table)
    last = last_change(connection, table)
    kept_for = slowest(connection, table, oldest)
    end = last - 1 if kept_for is None else min(last - 1, kept_for)
    some = f'SELECT number, sequence, time FROM "{name}_change" WHERE number > ? AND number <= ? ORDER BY number LIMIT ?'  # noqa: S608 - validated names
    done: dict[int, None] = {}
    reached = compacted
    for number, sequence, time in connection.execute(some, (compacted, end, _TOGETHER)).fetchall():
        if number > last - retention.changes and time >= oldest:
            end = reached
            break
        reached = number
        done[sequence] = None
    for sequence in done:
        _shorten(connection, name, sequence, reached, retention.versions)
    if done:
        connection.execute(f'UPDATE "{name}_feed" SET compacted = ?', (reached,))  # noqa: S608 - as above
    return max(0, end - reached)


def _shorten(connection: sqlite3.Connection, name: str, sequence: int, reached: int, versions: int) -> None:
    """Leaves the newest versions of a resource, or none when it is gone.

    One has to stay as long as the resource is there: it is what the next change has changed.
    """
    upto = f'FROM "{name}_change" WHERE sequence = ? AND number <= ?'
    nth = f"SELECT number {upto} ORDER BY number DESC LIMIT 1 OFFSET ?"
    newest = connection.execute(f"SELECT event {upto} ORDER BY number DESC LIMIT 1", (sequence, reached)).fetchall()
    kept = 0 if newest and newest[0][0] == Event.DELETED else versions
    connection.execute(
        f'DELETE FROM "{name}_change" WHERE sequence = ? AND number <= ({nth})',  # noqa: S608 - as above
        (sequence, sequence, reached, kept),
    )


def compacted_to(connection: sqlite3.Connection, table: Table) -> int:
    """The number after which the change log is complete."""
    number: int = connection.execute(f'SELECT compacted FROM "{table.name}_feed"').fetchall()[0][0]  # noqa: S608 - validated names
    return number
