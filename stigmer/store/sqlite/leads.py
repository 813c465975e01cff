"""Ways into a table: for a condition, the indexes that find all rows which meet it, and perhaps more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from stigmer.store.selection import AllOf, AnyOf, Compare, Condition, Label, LabelLike, Like, Tag, TagLike, Word
from stigmer.store.sqlite.conditions import RANGES, Sql, begins_with, column_of, is_like, match_of
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.views import View

FEW = 4000
"""So many rows are looked at one by one and sorted; of more, the order's own index is walked."""
_FIRST_LIMIT = 64
_STEP = 8


class Lead(NamedTuple):
    """A query for sequences, each once, in any order.

    Attributes:
        sql: of the query.
        exact: it finds the rows that meet the condition, and no others.
    """

    sql: Sql
    exact: bool


def leads(table: Table, condition: Condition) -> Iterator[Lead]:  # noqa: C901 - a few lines for each kind of condition
    """The ways to what meets ``condition``; none when no index helps."""
    match condition:
        case Compare(field, how, value) if field != "owner_scope" and how in RANGES:
            yield _of_column(table, field, Sql(f"{column_of(field)} {how.value} ?", (value,)))
        case Like(field, pieces) if pieces[0]:
            yield _of_column(table, field, begins_with(column_of(field), pieces[0]), exact=pieces[1:] == ("",))
        case Label(name, how, value) if how in RANGES:
            yield _beside(table, "label", Sql(f"name = ? AND value {how.value} ?", (name, value)))
        case LabelLike(name, pieces):
            text, parameters = begins_with("value", pieces[0])
            yield _beside(table, "label", Sql(f"name = ? AND {text}", (name, *parameters)), exact=pieces[1:] == ("",))
        case Tag(value):
            yield _beside(table, "tag", Sql("tag = ?", (value,)))
        case TagLike(pieces) if pieces[0]:
            yield _beside(table, "tag", is_like("tag", (pieces[0], "")), exact=pieces[1:] == ("",))
        case AllOf(conditions):
            for each in conditions:
                yield from (lead._replace(exact=lead.exact and len(conditions) == 1) for lead in leads(table, each))
        case AnyOf(conditions) if conditions:
            ways = [next(leads(table, each), None) for each in conditions]
            if None not in ways:
                yield _union([way for way in ways if way is not None])
        case _:
            return


def of_words(table: Table, words: Iterable[Word]) -> Lead:
    """The way to what has all of ``words``."""
    text = f'SELECT rowid AS sequence FROM "{table.name}_text" WHERE "{table.name}_text" MATCH ?'  # noqa: S608 - validated names
    return Lead(Sql(text, (match_of(words),)), exact=True)


def of_view(view: View) -> Lead:
    """The way to what a caller may see."""
    return Lead(Sql(f'SELECT sequence FROM temp."{view.name}"'), exact=True)  # noqa: S608 - a name of ours


def _of_column(table: Table, field: str, condition: Sql, *, exact: bool = True) -> Lead:
    index = table.index_name(field)
    text = f'SELECT sequence FROM "{table.name}" INDEXED BY "{index}" WHERE {condition.text}'  # noqa: S608 - validated names
    return Lead(Sql(text, condition.parameters), exact)


def _beside(table: Table, what: str, condition: Sql, *, exact: bool = True) -> Lead:
    """By tags or labels; several tags of one resource may match a pattern."""
    several = "DISTINCT " if what == "tag" and condition.text != "tag = ?" else ""
    text = f'SELECT {several}sequence FROM "{table.name}_{what}" WHERE {condition.text}'  # noqa: S608 - validated names
    return Lead(Sql(text, condition.parameters), exact)


def _union(ways: Sequence[Lead]) -> Lead:
    text = " UNION ".join(way.sql.text for way in ways)
    parameters = tuple(parameter for way in ways for parameter in way.sql.parameters)
    return Lead(Sql(text, parameters), all(way.exact for way in ways))


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
        limit = min(limit * _STEP, FEW + 1) if limit < FEW else FEW + 1
    return None


def _length(connection: sqlite3.Connection, lead: Lead, limit: int) -> int:
    text = f"SELECT COUNT(*) FROM (SELECT 1 FROM ({lead.sql.text}) LIMIT ?)"  # noqa: S608 - made of validated names
    length: int = connection.execute(text, (*lead.sql.parameters, limit)).fetchall()[0][0]
    return length
