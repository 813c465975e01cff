"""Reads pages of what meets a condition, or in another order than that of creation. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from stigmer.store import Page, Query, Stored, fitting
from stigmer.store.selection import AllOf, Compare, Condition, Operator, Order, Position, Tag
from stigmer.store.sqlite.checksum import of_wire
from stigmer.store.sqlite.conditions import Sql, column_of, joined, register, true_of_row
from stigmer.store.sqlite.counts import Counts, size
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.leads import Lead, leads, of_view, of_words, shortest
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.views import sees


class _Choice(NamedTuple):
    """What a query selects, and the best way to it.

    Attributes:
        where: what is true of each row ``r``.
        lead: where to begin; None for the order's own index.
        whole: the lead is exact, and all there is to the query.
        nothing: the query asks for nothing in particular.
    """

    where: Sql
    lead: Lead | None
    whole: bool
    nothing: bool


def filtered_page(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Page:
    """One page, and how many the query selects, of the moment of the transaction that the connection is in."""
    if query.visible is not None and not (query.visible.owners or query.visible.ids):
        return Page([], more=False, total=0)
    register(connection)
    choice = _choose(connection, table, query, counts)
    places = _places(connection, table, query, choice)
    entries, more = fitting(_rows(connection, table, query, places), query)
    if query.after is None and not more:
        total = len(entries)
    else:
        key = table.name, choice.where, query.visible
        total = counts.total(key, choice.where.parameters, lambda: _count(connection, table, choice))
    return Page(entries, more, total, places[len(entries) - 1] if entries else None)


def _choose(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> _Choice:
    condition = AllOf(tuple(_conditions(query)))
    wheres = [true_of_row(table, condition)] if condition.conditions else []
    found = list(leads(table, condition))
    if query.words:
        found.append(of_words(table, query.words))
        wheres.append(_among(found[-1]))
    if query.visible is not None:
        found.append(of_view(counts.view(connection, table, query.visible)))
        wheres.append(_among(found[-1]))
    whole = len(wheres) == len(found) == 1 and found[0].exact
    lead = shortest(connection, found)
    return _Choice(joined(" AND ", "1", wheres), lead or (found[0] if whole else None), whole, nothing=not wheres)


def _conditions(query: Query) -> Iterator[Condition]:
    for column, text in query.equal.items():
        yield Compare(column, Operator.EQUAL, text)
    for tag in dict.fromkeys(query.tags):
        yield Tag(tag)
    if isinstance(query.condition, AllOf):
        yield from query.condition.conditions
    elif query.condition is not None:
        yield query.condition


def _among(lead: Lead) -> Sql:
    return Sql(f"r.sequence IN ({lead.sql.text})", lead.sql.parameters)


def _places(connection: sqlite3.Connection, table: Table, query: Query, choice: _Choice) -> list[Position]:
    """Where the entries of the page are, and the one after them."""
    order = query.order
    key, way = (f"r.{column_of(order.field)}" if order.field else "''"), ("DESC" if order.descending else "ASC")
    after = _after(key, order, query.after)
    where = joined(" AND ", "1", [choice.where, after])
    by = f"{key} {way}, r.sequence {way}" if order.field else f"r.sequence {way}"
    source = _source(table, choice.lead if not choice.whole or _is_short(connection, choice) else None, order)
    text = f"SELECT r.sequence, {key} FROM {source.text} WHERE {where.text} ORDER BY {by} LIMIT ?"  # noqa: S608 - made of validated names
    found = connection.execute(text, (*source.parameters, *where.parameters, query.limit + 1)).fetchall()
    return [Position(*row) for row in found]


def _is_short(connection: sqlite3.Connection, choice: _Choice) -> bool:
    return choice.lead is not None and shortest(connection, [choice.lead]) is not None


def _after(key: str, order: Order, position: Position | None) -> Sql:
    if position is None:
        return Sql("1")
    beyond = "<" if order.descending else ">"
    if not order.field:
        return Sql(f"r.sequence {beyond} ?", (position.sequence,))
    text = f"{key} {beyond}= ? AND ({key} {beyond} ? OR r.sequence {beyond} ?)"
    return Sql(text, (position.key, position.key, position.sequence))


def _source(table: Table, lead: Lead | None, order: Order) -> Sql:
    """The rows to look at. Their order is fixed here: without statistics SQLite would have to guess it."""
    if lead is not None:
        text = f'({lead.sql.text}) AS l CROSS JOIN "{table.name}" AS r ON r.sequence = l.sequence'
        return Sql(text, lead.sql.parameters)
    index = f'INDEXED BY "{table.index_name(order.field)}"' if order.field else "NOT INDEXED"
    return Sql(f'"{table.name}" AS r {index}')


def _rows(connection: sqlite3.Connection, table: Table, query: Query, places: list[Position]) -> Iterator[Stored]:
    sql = f'SELECT sequence, revision, wire, wire_checksum, id, scope, owner FROM "{table.name}" WHERE sequence = ?'  # noqa: S608 - validated names
    for place in places:
        rows = connection.execute(sql, (place.sequence,)).fetchall()
        try:
            ((sequence, revision, wire, expected, id_, scope, owner),) = rows
            seen = query.visible is None or sees(query.visible, id_, scope, owner)
            if of_wire(id_, wire) != expected or not seen:
                raise damaged()
        except (TypeError, ValueError, AttributeError):  # damage can change a value's type
            raise damaged() from None
        yield Stored(sequence, revision, wire)


def _count(connection: sqlite3.Connection, table: Table, choice: _Choice) -> int:
    if choice.nothing:
        return size(connection, table)
    if choice.whole and choice.lead is not None:
        text, parameters = f"SELECT COUNT(*) FROM ({choice.lead.sql.text})", choice.lead.sql.parameters  # noqa: S608 - made of validated names
    else:
        source = _source(table, choice.lead, Order()) if choice.lead is not None else Sql(f'"{table.name}" AS r')
        text = f"SELECT COUNT(*) FROM {source.text} WHERE {choice.where.text}"  # noqa: S608 - as above
        parameters = (*source.parameters, *choice.where.parameters)
    total: int = connection.execute(text, parameters).fetchall()[0][0]
    return total
