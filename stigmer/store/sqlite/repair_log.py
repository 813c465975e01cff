"""Mends the change log: what it tells of resources that are there, told by themselves; what else is lost, as compacted."""

from __future__ import annotations

import sqlite3

from stigmer.errors import DataLoss
from stigmer.payload import decode
from stigmer.store.document import values_of
from stigmer.store.feed import Event
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.changes import COLUMNS, change_of, last_change
from stigmer.store.sqlite.rows import get
from stigmer.store.sqlite.table import LOGGED, Table

_CHUNK = 100
_NOTHING = (0, int(Event.DELETED), 0, 0, "", "", "", "")
"""What the newest entry tells when nobody knows what it was: its number must not be given twice."""


def mend_log(connection: sqlite3.Connection, table: Table) -> None:
    """Removes damaged entries, tells anew what is there, and lets the feed begin after what was lost.

    Nobody can know what a damaged entry told, or which resource it was about. So who follows the feed has to begin again.
    """
    name = table.name
    damaged = _damaged(connection, table)
    last = last_change(connection, table)
    for number in damaged:
        connection.execute(f'DELETE FROM "{name}_change" WHERE number = ?', (number,))  # noqa: S608 - validated names
    if last in damaged:
        marks = ", ".join("?" * (len(_NOTHING) + 3))
        connection.execute(
            f'INSERT INTO "{name}_change" (number, {LOGGED}) VALUES ({marks})',  # noqa: S608 - as above
            (last, *_NOTHING, checksum.of_change(_NOTHING, None), None),
        )
    if _tell_what_is_there(connection, table) or damaged:
        connection.execute(f'UPDATE "{name}_feed" SET compacted = (SELECT MAX(number) FROM "{name}_change")')  # noqa: S608 - as above


def _damaged(connection: sqlite3.Connection, table: Table) -> list[int]:
    found = []
    some = f'SELECT {COLUMNS} FROM "{table.name}_change" WHERE number > ? ORDER BY number LIMIT ?'  # noqa: S608 - as above
    after = 0
    while rows := connection.execute(some, (after, _CHUNK)).fetchall():
        for row in rows:
            try:
                change_of(row)
            except DataLoss:
                found.append(row[0])
        after = rows[-1][0]
    return found


def _tell_what_is_there(connection: sqlite3.Connection, table: Table) -> int:
    """Tells of each resource whose last entry is missing or another one; how many there were."""
    name = table.name
    untold = connection.execute(
        f'SELECT r.id FROM "{name}" AS r LEFT JOIN "{name}_change" AS c '  # noqa: S608 - as above
        f'ON c.number = (SELECT MAX(number) FROM "{name}_change" WHERE sequence = r.sequence) '
        "WHERE c.number IS NULL OR c.event = ? OR c.revision != r.revision ORDER BY r.sequence",
        (int(Event.DELETED),),
    ).fetchall()
    return sum(_tell(connection, table, id_) for (id_,) in untold)


def _tell(connection: sqlite3.Connection, table: Table, id_: str) -> bool:
    """Tells of a resource as it is; False when nobody knows how that is."""
    try:
        stored = get(connection, table, id_)
    except DataLoss:
        return False
    if stored is None:
        return False
    message = decode(table.kind.message, stored.wire)
    version = message.metadata.version.id if message.metadata and message.metadata.version else ""
    time = values_of(table.kind, message)["updated_at"]
    event = Event.CREATED if stored.revision == 1 else Event.UPDATED
    told = (stored.sequence, int(event), stored.revision, time, id_, version, "", "")
    connection.execute(
        f'DELETE FROM "{table.name}_change" WHERE sequence = ? AND event = ?',  # noqa: S608 - as above
        (stored.sequence, int(Event.DELETED)),
    )
    connection.execute(table.write.log, (*told, checksum.of_change(told, stored.wire), stored.wire))
    return True
