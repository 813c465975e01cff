"""Reads pages of what meets a condition, or in another order than that of creation. Runs in a connection's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stigmer.store import Page, Query, Stored, fitting
from stigmer.store.selection import AllOf, Compare, Condition, Operator, Order, Position, Tag
from stigmer.store.sqlite.conditions import Sql, carries, column_of, joined, true_of_row
from stigmer.store.sqlite.counts import Counts, size
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.leads import Lead, lead_of, of_view, of_words, shortest
from stigmer.store.sqlite.listed import COLUMNS, listed
from stigmer.store.sqlite.table import Table

_SINGLE_TAGS = 16
"""Of more tags, the rest is counted: SQL has no room for thousands of comparisons."""
_LEADS = 16
"""Among so many is the shortest looked for."""


class _Part(NamedTuple):
    """One of the things that all must be true, and the way to what it is true of."""

    where: Sql
    lead: Lead | None


class _Choice(NamedTuple):
    """What a query selects, and the way to it.

    Attributes:
        key: what totals are remembered by.
        lead: where to begin; None for the order's own index.
        short: the lead has few rows.
        where: what must be true of each row ``r`` beside; None when the lead says all.
    """

    key: Sql
    lead: Lead | None
    short: bool
    where: Sql | None


def filtered_page(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Page:
    """One page, and how many the query selects, of the moment of the transaction that the connection is in."""
    if query.visible is not None and not (query.visible.owners or query.visible.ids):
        return Page([], more=False, total=0)
    choice = _choose(connection, query, list(_parts(connection, table, query, counts)))
    key = table.name, choice.key, query.visible
    total = counts.known_total(key)
    if total is None and choice.short and choice.where is not None:
        total, places = _both(connection, table, query, choice)
        if total is not None:
            counts.note(key, choice.key.parameters, total)
    else:
        places = _places(connection, table, query, choice)
    entries, more = fitting(_rows(connection, table, query, places), query)
    if total is None and query.after is None and not more:
        total = len(entries)
    elif total is None:
        total = counts.total(key, choice.key.parameters, lambda: _count(connection, table, choice))
    return Page(entries, more, total, places[len(entries) - 1] if entries else None)


def _parts(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Iterator[_Part]:
    tags = list(dict.fromkeys(query.tags))
    for condition in (*_conditions(query), *map(Tag, tags[:_SINGLE_TAGS])):
        yield _Part(true_of_row(table, condition), lead_of(table, condition))
    if tags[_SINGLE_TAGS:]:
        yield _Part(carries(connection, table, "r.sequence", tags[_SINGLE_TAGS:]), None)
    if query.words:
        yield _among(of_words(table, query.words))
    if query.visible is not None:
        yield _among(of_view(counts.view(connection, table, query.visible)))


def _choose(connection: sqlite3.Connection, query: Query, parts: Sequence[_Part]) -> _Choice:
    """The lead with the fewest rows, or else one that has them in the order that is asked for."""
    key = joined(" AND ", "1", [part.where for part in parts])
    found = [part.lead for part in parts if part.lead is not None]
    ordered = [] if query.order.field else [lead for lead in found if lead.ordered]
    if len(parts) == len(ordered) == 1:
        return _Choice(key, ordered[0], short=False, where=None)
    short = shortest(connection, found[:_LEADS])
    lead = short or next(iter(ordered), None)
    others = [part.where for part in parts if part.lead is None or not part.lead.exact or part.lead != lead]
    return _Choice(key, lead, short is not None, joined(" AND ", "1", others) if others or lead is None else None)


def _conditions(query: Query) -> Iterator[Condition]:
    for column, text in query.equal.items():
        yield Compare(column, Operator.EQUAL, text)
    if query.condition is not None:
        yield from _flat(query.condition)


def _flat(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AllOf):
        for each in condition.conditions:
            yield from _flat(each)
    else:
        yield condition


def _among(lead: Lead) -> _Part:
    return _Part(Sql(f"r.sequence IN ({lead.sql.text})", lead.sql.parameters), lead)


def _both(connection: sqlite3.Connection, table: Table, query: Query, choice: _Choice) -> tuple[int | None, list[Position]]:
    """How many there are, and where the entries of the page are and the one after them, found in one go.

    None when there is no entry: then nobody has counted.
    """
    order = query.order
    source, where = _source(table, choice, order), choice.where or Sql("1")
    after = _after("key", "sequence", order, query.after) or Sql("1")
    columns = f"{_sequence(choice, order)} AS sequence, {_key(order)} AS key, COUNT(*) OVER () AS total"
    counted = f"SELECT {columns} FROM {source.text} WHERE {where.text}"  # noqa: S608 - made of validated names
    text = f"SELECT sequence, key, total FROM ({counted}) WHERE {after.text} {_ordered('key', 'sequence', query)}"  # noqa: S608 - as above
    found = connection.execute(text, (*source.parameters, *where.parameters, *after.parameters)).fetchall()
    return (found[0][2] if found else None), [Position(sequence, key) for sequence, key, _ in found]


def _places(connection: sqlite3.Connection, table: Table, query: Query, choice: _Choice) -> list[Position]:
    """Where the entries of the page are, and the one after them."""
    order = query.order
    source, sequence, key = _source(table, choice, order), _sequence(choice, order), _key(order)
    wheres = [each for each in (choice.where, _after(key, sequence, order, query.after)) if each is not None]
    where = joined(" AND ", "1", wheres)
    text = f"SELECT {sequence}, {key} FROM {source.text} WHERE {where.text} {_ordered(key, sequence, query)}"  # noqa: S608 - as above
    return [Position(*row) for row in connection.execute(text, (*source.parameters, *where.parameters)).fetchall()]


def _ordered(key: str, sequence: str, query: Query) -> str:
    way = "DESC" if query.order.descending else "ASC"
    by = f"{key} {way}, {sequence} {way}" if query.order.field else f"{sequence} {way}"
    return f"ORDER BY {by} LIMIT {query.limit + 1:d}"


def _key(order: Order) -> str:
    return f"r.{column_of(order.field)}" if order.field else "''"


def _sequence(choice: _Choice, order: Order) -> str:
    """The one by whose index rows come in order: then nothing is sorted."""
    return "l.sequence" if choice.lead is not None and not order.field else "r.sequence"


def _after(key: str, sequence: str, order: Order, position: Position | None) -> Sql | None:
    if position is None:
        return None
    beyond = "<" if order.descending else ">"
    if not order.field:
        return Sql(f"{sequence} {beyond} ?", (position.sequence,))
    text = f"{key} {beyond}= ? AND ({key} {beyond} ? OR {sequence} {beyond} ?)"
    return Sql(text, (position.key, position.key, position.sequence))


def _source(table: Table, choice: _Choice, order: Order) -> Sql:
    """The rows to look at. Their order is fixed here: without statistics SQLite would have to guess it."""
    if choice.lead is None:
        index = f'INDEXED BY "{table.index_name(order.field)}"' if order.field else "NOT INDEXED"
        return Sql(f'"{table.name}" AS r {index}')
    lead = f"({choice.lead.sql.text}) AS l"
    if choice.where is None and not order.field:
        return Sql(lead, choice.lead.sql.parameters)
    return Sql(f'{lead} CROSS JOIN "{table.name}" AS r ON r.sequence = l.sequence', choice.lead.sql.parameters)


def _rows(connection: sqlite3.Connection, table: Table, query: Query, places: list[Position]) -> Iterator[Stored]:
    sql = f'SELECT {COLUMNS} FROM json_each(?) AS j CROSS JOIN "{table.name}" AS r ON r.sequence = j.value'  # noqa: S608 - validated names
    sequences = [place.sequence for place in places]
    rows = listed(connection, sql, (json.dumps(sequences),), query.visible)
    try:
        for expected, stored in zip(sequences, rows, strict=True):
            if stored.sequence != expected:
                raise damaged()
            yield stored
    except ValueError:  # an index leads to rows that are not there
        raise damaged() from None


def _count(connection: sqlite3.Connection, table: Table, choice: _Choice) -> int:
    if choice.lead is None and choice.where == Sql("1"):
        return size(connection, table)
    source, where = _source(table, choice, Order()), choice.where or Sql("1")
    text = f"SELECT COUNT(*) FROM {source.text} WHERE {where.text}"  # noqa: S608 - made of validated names
    total: int = connection.execute(text, (*source.parameters, *where.parameters)).fetchall()[0][0]
    return total
