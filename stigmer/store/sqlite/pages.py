"""Reads pages: one posting list leads, the others are looked up for each of its entries. Runs in a connection's thread."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stigmer.store import Page, Query, Stored, fitting
from stigmer.store.sqlite.checksum import of_wire
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.table import Table

_BOUND_TAGS = 500
_WANTED = "wanted"


class _Filter(NamedTuple):
    """One thing that is asked for: a column with a text, or a tag. Each has an index in order of sequence."""

    column: str | None
    text: str


class _Selection(NamedTuple):
    """What a query selects, as SQL; without tables for the columns of a row where ``entries`` are only counted."""

    filters: frozenset[_Filter]
    rows: str
    entries: str
    sequence: str
    where: str
    parameters: tuple[object, ...]


def page(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Page:
    """One page of the resources that the query selects, and how many those are, of one moment."""
    with _moment(connection):
        counts.refresh(connection)
        selection = _select(connection, table, query, counts)
        if selection is None:
            return Page([], more=False, total=0)
        entries, more = fitting(_rows(connection, selection, query), query)
        if query.after <= 0 and not more:
            return Page(entries, more, len(entries))
        return Page(entries, more, counts.total(connection, selection))


class Counts:
    """Remembers what one connection has counted, until anybody writes."""

    _MOST = 256
    _MOST_FILTERS = 16
    _MOST_TEXT = 2048  # of what clients send: larger selections are counted each time, since they would fill the memory

    def __init__(self) -> None:
        self._version: object = None
        self._totals: dict[_Selection, int] = {}
        self._leaders: dict[tuple[str, frozenset[_Filter]], _Filter | None] = {}

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Forgets what is no longer true. To be called at the beginning of a transaction."""
        version = connection.execute("PRAGMA data_version").fetchall()
        if version != self._version or len(self._totals) >= self._MOST or len(self._leaders) >= self._MOST:
            self._version, self._totals, self._leaders = version, {}, {}

    def total(self, connection: sqlite3.Connection, selection: _Selection) -> int:
        """How many entries ``selection`` has."""
        total = self._totals.get(selection)
        if total is None:
            sql = f"SELECT COUNT(*) FROM {selection.entries} WHERE {selection.where}"  # noqa: S608 - made of validated names
            total = int(connection.execute(sql, selection.parameters).fetchall()[0][0])
            if len(selection.parameters) <= self._MOST_FILTERS and len(str(selection.parameters)) <= self._MOST_TEXT:
                self._totals[selection] = total
        return total

    def leader(self, connection: sqlite3.Connection, table: Table, filters: Sequence[_Filter]) -> _Filter | None:
        """The filter that lets the fewest through; None when one lets none through."""
        if len(filters) > self._MOST_FILTERS or len(str(filters)) > self._MOST_TEXT:
            return _rarest(connection, table, filters)
        key = (table.name, frozenset(filters))
        if key not in self._leaders:
            self._leaders[key] = _rarest(connection, table, filters)
        return self._leaders[key]


@contextlib.contextmanager
def _moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it, all reads see the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _rows(connection: sqlite3.Connection, selection: _Selection, query: Query) -> Iterator[Stored]:
    sequence = selection.sequence
    sql = (
        f"SELECT r.sequence, r.revision, r.wire, r.wire_checksum, r.id FROM {selection.rows} "  # noqa: S608 - made of validated names
        f"WHERE {selection.where} AND {sequence} > ? ORDER BY {sequence} LIMIT ?"
    )
    bounds = (max(query.after, 0), query.limit + 1)
    with contextlib.closing(connection.execute(sql, (*selection.parameters, *bounds))) as cursor:
        try:
            for number, revision, wire, expected, id_ in cursor:
                if of_wire(id_, wire) != expected:
                    raise damaged()
                yield Stored(number, revision, wire)
        except (TypeError, AttributeError):  # damage can change a value's type
            raise damaged() from None


def _select(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> _Selection | None:
    """The query as SQL, or None when nothing can match."""
    tags = tuple(dict.fromkeys(query.tags))
    filters = [*(_Filter(column, text) for column, text in query.equal.items()), *(_Filter(None, tag) for tag in tags)]
    for column in query.equal:
        if column not in table.columns:
            raise LookupError(f"{table.name} has no index on {column!r}")
    if not filters:
        name = f'"{table.name}" AS r'
        return _Selection(frozenset(), name, name, "r.sequence", "TRUE", ())
    if len(filters) == 1:
        return _led_by(connection, table, filters[0], [])
    leader = counts.leader(connection, table, filters)
    return leader and _led_by(connection, table, leader, [each for each in filters if each != leader])


def _led_by(connection: sqlite3.Connection, table: Table, leader: _Filter, others: Sequence[_Filter]) -> _Selection:
    """The entries of one posting list that all other filters let through.

    The order of the tables is fixed (CROSS JOIN, INDEXED BY): without statistics SQLite would have to guess it.
    """
    sequence = "l.sequence" if leader.column is None else "r.sequence"
    columns = [(f'r."{each.column}" = ?', each.text) for each in others if each.column is not None]
    tagged, tags = _carries(connection, table, sequence, [each.text for each in others if each.column is None])
    if leader.column is None:
        posting, first = f'"{table.name}_tag" AS l', "l.tag = ?"
        rows = f'{posting} CROSS JOIN "{table.name}" AS r ON r.sequence = l.sequence'
        entries = rows if columns else posting
    else:
        rows = entries = f'"{table.name}" AS r INDEXED BY "{table.index_name(leader.column)}"'
        first = f'r."{leader.column}" = ?'
    where = " AND ".join([first, *(condition for condition, _ in columns), *tagged])
    return _Selection(
        frozenset([leader, *others]), rows, entries, sequence, where, (leader.text, *(text for _, text in columns), *tags)
    )


def _carries(
    connection: sqlite3.Connection, table: Table, sequence: str, tags: Sequence[str]
) -> tuple[list[str], Sequence[str]]:
    """The condition that a resource carries all of ``tags``, and its parameters.

    They are counted: where a join or EXISTS says the same, SQLite from 3.51 on may turn it into a scan.
    """
    if not tags:
        return [], ()
    if len(tags) <= _BOUND_TAGS:
        among, parameters = f"o.tag IN ({', '.join('?' * len(tags))})", tags
    else:  # more than a statement takes as parameters
        connection.create_function(_WANTED, 1, frozenset(tags).__contains__)
        among, parameters = f"{_WANTED}(o.tag)", ()
    counted = (
        f'(SELECT COUNT(*) FROM "{table.name}_tag" AS o INDEXED BY "{table.name}_tag_by_sequence" '  # noqa: S608 - validated names
        f"WHERE o.sequence = {sequence} AND {among}) = {len(tags)}"
    )
    return [counted], parameters


def _rarest(connection: sqlite3.Connection, table: Table, filters: Sequence[_Filter]) -> _Filter | None:
    """The filter with the shortest posting list, found without reading the long ones; None when one has no entry."""
    lengths = dict.fromkeys(filters, 0)
    limit = 16
    while True:
        for each in lengths:
            lengths[each] = _length(connection, table, each, limit)
            if not lengths[each]:
                return None
        rarest = min(lengths, key=lambda each: lengths[each])
        if lengths[rarest] < limit:
            return rarest
        limit *= 16


def _length(connection: sqlite3.Connection, table: Table, posting: _Filter, limit: int) -> int:
    """How many entries the posting list has, counted up to ``limit``."""
    if posting.column is None:
        source = f'"{table.name}_tag" WHERE tag = ?'
    else:
        source = f'"{table.name}" INDEXED BY "{table.index_name(posting.column)}" WHERE "{posting.column}" = ?'
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {source} LIMIT ?)"  # noqa: S608 - made of validated names
    length: int = connection.execute(sql, (posting.text, limit)).fetchall()[0][0]
    return length
