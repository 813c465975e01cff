"""What callers may see of a table, looked up once and kept for the pages that follow. Runs in a connection's thread.

A view is a temporary table with the sequences of all that is visible, so that a page of it costs what any page costs, and
its size is known. Ids, owners and sequences of resources never change: to bring a view up to date it is enough to look at
what was created since, and at what was deleted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from stigmer.store import Owner, Visible
from stigmer.store.feed import Event
from stigmer.store.sqlite.changes import changes_after
from stigmer.store.sqlite.table import Table

_MOST = 32
"""So many views does a connection keep, those used last."""
_MOST_ENTRIES = 1_000_000
"""What they may hold together: sequences, and the ids and owners that they were made of. The one in use may be larger."""
_FEW = 1000
"""When more resources than these have come, the view is made again."""
_NUL = "\\u0000"


@dataclasses.dataclass(eq=False, slots=True)
class View:
    """The resources that one caller may see.

    Attributes:
        name: of its temporary table.
        version: of the database, as of which it is right.
        last: all resources up to this sequence have been looked at.
        change: all deletions up to this number in the change log have been looked at.
        size: how many of them are visible.
    """

    name: str
    version: object = None
    last: int = 0
    change: int = 0
    size: int = 0


class Views:
    """The views that one connection keeps."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Visible], View] = {}

    def get(self, connection: sqlite3.Connection, table: Table, visible: Visible, version: object) -> View:
        """What is visible now. To be called in a transaction; when that is rolled back, ``forget`` has to be called."""
        key = (table.name, visible)
        view = self._kept.pop(key, None)
        if view is None:
            view = self._new(connection, table, visible)
        elif view.version != version:
            _renew(connection, table, view, visible)
        view.version = version
        self._kept[key] = view  # which is now the one used last
        self._trim(connection)
        return view

    def forget(self, table: Table, visible: Visible) -> None:
        """Drops a view of which nobody knows what it holds."""
        self._kept.pop((table.name, visible), None)

    def _new(self, connection: sqlite3.Connection, table: Table, visible: Visible) -> View:
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        taken = {view.name for view in self._kept.values()}
        view = View(next(name for name in (f"visible_{number}" for number in range(_MOST)) if name not in taken))
        _fill(connection, table, view, visible)
        return view

    def _trim(self, connection: sqlite3.Connection) -> None:
        entries = sum(view.size + len(visible.ids) + len(visible.owners) for (_, visible), view in self._kept.items())
        while entries > _MOST_ENTRIES and len(self._kept) > 1:
            _, visible = oldest = next(iter(self._kept))
            view = self._kept.pop(oldest)
            entries -= view.size + len(visible.ids) + len(visible.owners)
            with _writable(connection):
                connection.execute(f'DELETE FROM temp."{view.name}"')  # noqa: S608 - a name of ours


@contextlib.contextmanager
def _writable(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it, a connection that is for queries only may write to its temporary tables.

    Each change of the pragma makes SQLite prepare all statements again: to be used only where there is something to write.
    """
    before = connection.execute("PRAGMA query_only").fetchall()[0][0]
    try:
        connection.execute("PRAGMA query_only = 0")
        yield
    finally:
        connection.execute(f"PRAGMA query_only = {before}")


def _fill(connection: sqlite3.Connection, table: Table, view: View, visible: Visible) -> None:
    """Looks everything up, whatever the view held before."""
    add = f'INSERT OR IGNORE INTO temp."{view.name}" SELECT r.sequence FROM'
    whole = f'"{table.name}" AS r WHERE'
    plain, odd = _as_json(visible.ids)
    owners = [(int(owner.scope), _utf8(owner.id)) for owner in visible.owners]
    found = f'{add} json_each(?) AS j CROSS JOIN "{table.name}" AS r ON r.id = j.value'
    with _writable(connection):
        connection.execute(f'CREATE TEMPORARY TABLE IF NOT EXISTS "{view.name}" (sequence INTEGER PRIMARY KEY)')
        connection.execute(f'DELETE FROM temp."{view.name}"')  # noqa: S608 - a name of ours
        view.size = connection.execute(found, (plain,)).rowcount
        view.size += _each(connection, f"{add} {whole} r.id = CAST(? AS TEXT)", [(_utf8(id_),) for id_ in odd])
        view.size += _each(connection, f"{add} {whole} r.scope = ? AND r.owner = CAST(? AS TEXT)", owners)
    view.last, view.change = _latest(connection, table)


def _as_json(ids: Iterable[str]) -> tuple[str, Sequence[str]]:
    """As many of ``ids`` as an array can say, and the rest: SQLite before 3.45 ends a text of JSON at its first NUL."""
    text = json.dumps(tuple(ids))
    if _NUL not in text:
        return text, ()
    return json.dumps([id_ for id_ in ids if "\0" not in id_]), [id_ for id_ in ids if "\0" in id_]


def _utf8(text: str) -> bytes:
    """Bytes can be bound whatever the text; one that is no Unicode is equal to nothing that is stored."""
    return text.encode(errors="surrogatepass")


def _each(connection: sqlite3.Connection, statement: str, parameters: Sequence[tuple[object, ...]]) -> int:
    """How many rows a statement has changed, run with each of ``parameters``."""
    return connection.executemany(statement, parameters).rowcount if parameters else 0


def _latest(connection: sqlite3.Connection, table: Table) -> tuple[int, int]:
    """The last sequence, and the number of the last change."""
    sql = f'SELECT (SELECT MAX(sequence) FROM "{table.name}"), (SELECT MAX(number) FROM "{table.name}_change")'  # noqa: S608 - validated names
    sequence, number = connection.execute(sql).fetchall()[0]
    return sequence or 0, number or 0


def _renew(connection: sqlite3.Connection, table: Table, view: View, visible: Visible) -> None:
    """Brings a view up to date, with no more work than what has happened since asks for."""
    new = connection.execute(
        f'SELECT sequence, id, scope, owner FROM "{table.name}" WHERE sequence > ? ORDER BY sequence LIMIT ?',  # noqa: S608 - validated names
        (view.last, _FEW + 1),
    ).fetchall()
    changes = changes_after(connection, table, view.change)
    if len(new) > _FEW or changes is None:
        _fill(connection, table, view, visible)
        return
    found = [(sequence,) for sequence, id_, scope, owner in new if sees(visible, id_, scope, owner)]
    dropped = [(each.sequence,) for each in changes if each.event == Event.DELETED and _holds(connection, view, each.sequence)]
    if found or dropped:
        with _writable(connection):
            view.size += _each(connection, f'INSERT INTO temp."{view.name}" VALUES (?)', found)  # noqa: S608 - a name of ours
            view.size -= _each(connection, f'DELETE FROM temp."{view.name}" WHERE sequence = ?', dropped)  # noqa: S608 - as above
    view.last = new[-1][0] if new else view.last
    view.change = changes[-1].number if changes else view.change


def _holds(connection: sqlite3.Connection, view: View, sequence: int) -> bool:
    sql = f'SELECT 1 FROM temp."{view.name}" WHERE sequence = ?'  # noqa: S608 - a name of ours
    return bool(connection.execute(sql, (sequence,)).fetchall())


def sees(visible: Visible, id_: str, scope: int, owner: str) -> bool:
    """Whether a resource is visible."""
    return id_ in visible.ids or Owner(scope, owner) in visible.owners
