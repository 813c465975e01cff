"""What one connection has found out about selections, until anybody writes. Runs in the connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from stigmer.store import Visible
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.views import View, Views

T = TypeVar("T")


class Counts:
    """Remembers totals, and which way into a table is the shortest.

    Attributes:
        views: of the same connection. They last longer.
    """

    _MOST = 256
    _MOST_VALUES = 16
    _MOST_TEXT = 2048

    def __init__(self) -> None:
        self.views = Views()
        self._version: object = None
        self._totals: dict[Hashable, int] = {}
        self._leaders: dict[Hashable, object] = {}

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Forgets what is no longer true. To be called at the beginning of a transaction."""
        version = connection.execute("PRAGMA data_version").fetchall()
        if version != self._version or len(self._totals) >= self._MOST or len(self._leaders) >= self._MOST:
            self._version, self._totals, self._leaders = version, {}, {}

    def note(self, selection: Hashable, values: Sequence[object], total: int) -> None:
        """Remembers how many entries ``selection`` has, unless the ``values`` in it are many or long."""
        if self._worth_keeping(values):
            self._totals[selection] = total

    def known_total(self, selection: Hashable) -> int | None:
        """How many entries ``selection`` has, if that is known."""
        return self._totals.get(selection)

    def total(self, selection: Hashable, values: Sequence[object], count: Callable[[], int]) -> int:
        """How many entries ``selection`` has; counted when that is not known."""
        total = self.known_total(selection)
        if total is None:
            total = count()
            self.note(selection, values, total)
        return total

    def leader(self, selection: Hashable, values: Sequence[object], find: Callable[[], T]) -> T:
        """The shortest way to ``selection``; looked for when it is not known."""
        if not self._worth_keeping(values):
            return find()
        if selection not in self._leaders:
            self._leaders[selection] = find()
        leader: T = self._leaders[selection]  # type: ignore[assignment] # what is found for one selection has one type
        return leader

    def _worth_keeping(self, values: Sequence[object]) -> bool:
        """Whether what clients sent is short enough to be remembered; else it could fill the memory."""
        return len(values) <= self._MOST_VALUES and sum(len(str(value)) for value in values) <= self._MOST_TEXT

    def view(self, connection: sqlite3.Connection, table: Table, visible: Visible) -> View:
        """What is visible, at the moment of the last ``refresh``."""
        return self.views.get(connection, table, visible, self._version)


def size(connection: sqlite3.Connection, table: Table) -> int:
    """How many resources there are, without counting them.

    Raises:
        DataLoss: the file does not say.
    """
    found = connection.execute(f'SELECT total FROM "{table.name}_size"').fetchall()  # noqa: S608 - validated names
    if len(found) != 1 or not isinstance(found[0][0], int) or found[0][0] < 0:
        raise damaged()
    total: int = found[0][0]
    return total
