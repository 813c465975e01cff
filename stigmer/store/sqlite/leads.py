"""Ways into a table: for a condition, the indexes that find all rows which meet it, and perhaps more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stigmer.store.selection import AllOf, AnyOf, Compare, Condition, Label, LabelLike, Like, Operator, Tag, TagLike, Word
from stigmer.store.sqlite.conditions import RANGES, Sql, begins_with, column_of, is_like, match_of
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.views import View

FEW = 4000
"""So many rows are looked at one by one and sorted; of more, the order's own index is walked."""
_FIRST_LIMIT = 64
_STEP = 8


class Lead(NamedTuple):
    """A query for sequences, each once.

    Attributes:
        sql: of the query.
        exact: it finds the rows that meet the condition, and no others.
        ordered: its index has them in their order.
    """

    sql: Sql
    exact: bool = True
    ordered: bool = False


def lead_of(table: Table, condition: Condition) -> Lead | None:  # noqa: PLR0911 - one line for each kind of condition
    """The way to what meets ``condition``; None when no index helps."""
    match condition:
        case Compare(field, how, value) if field != "owner_scope" and how in RANGES:
            return _of_column(table, field, Sql(f"{column_of(field)} {how.value} ?", (value,)), ordered=how is Operator.EQUAL)
        case Like(field, pieces) if pieces[0]:
            return _of_column(table, field, begins_with(column_of(field), pieces[0]), exact=pieces[1:] == ("",))
        case Label(name, how, value) if how in RANGES:
            found = Sql(f"name = ? AND value {how.value} ?", (name, value))
            return _beside(table, "label", found, ordered=how is Operator.EQUAL)
        case LabelLike(name, pieces):
            text, parameters = begins_with("value", pieces[0])
            return _beside(table, "label", Sql(f"name = ? AND {text}", (name, *parameters)), exact=pieces[1:] == ("",))
        case Tag(value):
            return _beside(table, "tag", Sql("tag = ?", (value,)), ordered=True)
        case TagLike(pieces) if pieces[0]:
            return _beside(table, "tag", is_like("tag", (pieces[0], "")), exact=pieces[1:] == ("",), several=True)
        case AllOf(conditions):
            found_ways = (lead_of(table, each) for each in conditions)
            return next((way._replace(exact=False) for way in found_ways if way is not None), None)
        case AnyOf(conditions) if conditions:
            return _union([lead_of(table, each) for each in conditions])
        case _:
            return None


def of_words(table: Table, words: Iterable[Word]) -> Lead:
    """The way to what has all of ``words``."""
    text = f'SELECT rowid AS sequence FROM "{table.name}_text" WHERE "{table.name}_text" MATCH ?'  # noqa: S608 - validated names
    return Lead(Sql(text, (match_of(words),)), ordered=True)


def of_view(view: View) -> Lead:
    """The way to what a caller may see."""
    return Lead(Sql(f'SELECT sequence FROM temp."{view.name}"'), ordered=True)  # noqa: S608 - a name of ours


def _of_column(table: Table, field: str, condition: Sql, *, exact: bool = True, ordered: bool = False) -> Lead:
    index = table.index_name(field)
    text = f'SELECT sequence FROM "{table.name}" INDEXED BY "{index}" WHERE {condition.text}'  # noqa: S608 - validated names
    return Lead(Sql(text, condition.parameters), exact, ordered)


def _beside(
    table: Table, what: str, condition: Sql, *, exact: bool = True, ordered: bool = False, several: bool = False
) -> Lead:
    """By tags or labels; ``several`` of one resource may be met."""
    distinct = "DISTINCT " if several else ""
    text = f'SELECT {distinct}sequence FROM "{table.name}_{what}" WHERE {condition.text}'  # noqa: S608 - validated names
    return Lead(Sql(text, condition.parameters), exact, ordered)


def _union(ways: Sequence[Lead | None]) -> Lead | None:
    found = [way for way in ways if way is not None]
    if len(found) < len(ways):
        return None
    text = " UNION ".join(way.sql.text for way in found)
    parameters = tuple(parameter for way in found for parameter in way.sql.parameters)
    return Lead(Sql(text, parameters), all(way.exact for way in found))


def shortest(connection: sqlite3.Connection, found: Sequence[Lead]) -> Lead | None:
    """The lead with the fewest rows, found without reading the long ones; None when all have more than a few."""
    limit = _FIRST_LIMIT
    while found:
        lengths = [(_length(connection, lead, limit), number) for number, lead in enumerate(found)]
        length, number = min(lengths)
        if length < limit:
            return found[number]
        if limit > FEW:
            return None
        limit = min(limit * _STEP, FEW + 1)
    return None


def _length(connection: sqlite3.Connection, lead: Lead, limit: int) -> int:
    text = f"SELECT COUNT(*) FROM (SELECT 1 FROM ({lead.sql.text}) LIMIT ?)"  # noqa: S608 - made of validated names
    length: int = connection.execute(text, (*lead.sql.parameters, limit)).fetchall()[0][0]
    return length
