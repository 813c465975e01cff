"""How much room an owner has: counted once, and relied on for as long as changes cannot have used it up.

Each resource that is added is a change, and changes are numbered whoever makes them. So an owner that had 30 of 100 when the
newest change was the 500th has room until the 570th, and an insert need look at nothing but the number that it would get.
"""

from __future__ import annotations

import asyncio
import sqlite3

from stigmer.store import Owner
from stigmer.store.sqlite.changes import last_change
from stigmer.store.sqlite.connection import moment
from stigmer.store.sqlite.readers import Readers
from stigmer.store.sqlite.table import Table

_REMEMBERED = 4096
"""So many owners, each of which has a name of some bytes."""


class Room:
    """What is known of an owner's room.

    Attributes:
        most: what it may have.
        until: the number of the change before which it has less, whatever happens.
        outrun: that change has come: count anew.
    """

    __slots__ = ("most", "outrun", "until")

    def __init__(self, most: int, until: int) -> None:
        self.most = most
        self.until = until
        self.outrun = False

    @classmethod
    def measured(cls, connection: sqlite3.Connection, table: Table, owner: Owner, most: int) -> Room:
        """The room of an owner, counted now."""
        with moment(connection):
            return cls(most, last_change(connection, table) + most - _count(connection, table, owner, most))

    def has_any(self, connection: sqlite3.Connection, table: Table, owner: Owner) -> bool:
        """Whether there is room for one more, within the transaction that would add it."""
        if not self.outrun and last_change(connection, table) < self.until:
            return True
        self.outrun = True
        return _count(connection, table, owner, self.most) < self.most


class Rooms:
    """The rooms of those owners that have added something lately. Who asks while one is measured waits for the same answer."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._rooms: dict[tuple[str, Owner, int], asyncio.Task[Room]] = {}

    async def get(self, table: Table, owner: Owner, most: int) -> Room:
        """The room of ``owner``, which may have ``most`` in ``table``."""
        key = (table.name, owner, most)
        measuring = self._rooms.pop(key, None)
        if measuring is None or _is_over(measuring):
            work = self._readers.scan(lambda connection, _: Room.measured(connection, table, owner, most))
            measuring = asyncio.ensure_future(work)
        self._rooms[key] = measuring
        if len(self._rooms) > _REMEMBERED:
            del self._rooms[next(iter(self._rooms))]
        return measuring.result() if measuring.done() else await asyncio.shield(measuring)


def _is_over(measuring: asyncio.Task[Room]) -> bool:
    """Whether it has led to nothing, or to what can no longer be relied on."""
    return measuring.done() and (measuring.cancelled() or measuring.exception() is not None or measuring.result().outrun)


def _count(connection: sqlite3.Connection, table: Table, owner: Owner, most: int) -> int:
    """How many the owner has; ``most`` when it is more."""
    some = f'SELECT 1 FROM "{table.name}" WHERE scope = ? AND owner = ? LIMIT ?'  # noqa: S608 - validated names
    found = connection.execute(f"SELECT COUNT(*) FROM ({some})", (int(owner.scope), owner.id, most)).fetchall()  # noqa: S608 - as above
    count: int = found[0][0]
    return count
