"""Conditions as SQL: what is true of a row ``r``, with bound parameters alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stigmer.store.evaluate import like
from stigmer.store.selection import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Label,
    LabelLike,
    Like,
    NotSo,
    Operator,
    Tag,
    TagLike,
    Word,
)
from stigmer.store.sqlite.table import Table

_LIKE = "is_like"
_WANTED = "wanted"
_BOUND_TAGS = 500
_SPECIAL = str.maketrans({each: f"[{each}]" for each in "*?["})
_COLUMNS: Mapping[str, str] = {"owner_scope": "scope"}
"""Fields whose columns have another name."""
_LAST = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = "\ud7ff", "\ue000"


class Sql(NamedTuple):
    """A piece of SQL and its parameters."""

    text: str
    parameters: tuple[object, ...] = ()


def register(connection: sqlite3.Connection) -> None:
    """Adds what SQL lacks: patterns on texts that hold a NUL, where SQLite's own operator ends."""
    connection.create_function(_LIKE, 2, lambda text, pieces: like(text, tuple(json.loads(pieces))), deterministic=True)


def column_of(field: str) -> str:
    """The quoted column that holds a field."""
    return f'"{_COLUMNS.get(field, field)}"'


def true_of_row(table: Table, condition: Condition) -> Sql:  # noqa: PLR0911 - one line for each kind of condition
    """The condition on a row ``r`` of the table."""
    match condition:
        case Compare(field, how, value):
            return Sql(f"r.{column_of(field)} {how.value} ?", (value,))
        case Like(field, pieces):
            return is_like(f"r.{column_of(field)}", pieces)
        case Label(name, how, value):
            return _carried(table, "label", Sql(f"o.name = ? AND o.value {how.value} ?", (name, value)))
        case LabelLike(name, pieces):
            text, parameters = is_like("o.value", pieces)
            return _carried(table, "label", Sql(f"o.name = ? AND {text}", (name, *parameters)))
        case Tag(value):
            return _carried(table, "tag", Sql("o.tag = ?", (value,)))
        case TagLike(pieces):
            return _carried(table, "tag", is_like("o.tag", pieces))
        case AllOf(conditions):
            return joined(" AND ", "1", [true_of_row(table, each) for each in conditions])
        case AnyOf(conditions):
            return joined(" OR ", "0", [true_of_row(table, each) for each in conditions])
        case NotSo(inner):
            text, parameters = true_of_row(table, inner)
            return Sql(f"NOT ({text})", parameters)


def joined(operator: str, nothing: str, parts: Iterable[Sql]) -> Sql:
    """Several conditions as one; ``nothing`` stands for none of them."""
    found = list(parts)
    text = operator.join(f"({part.text})" for part in found) or nothing
    return Sql(text, tuple(parameter for part in found for parameter in part.parameters))


def _carried(table: Table, what: str, condition: Sql) -> Sql:
    """One of the row's tags or labels meets ``condition``.

    They are counted: EXISTS, SQLite from 3.51 on may turn into a scan.
    """
    text = (
        f'(SELECT COUNT(*) FROM "{table.name}_{what}" AS o INDEXED BY "{table.name}_{what}_by_sequence" '  # noqa: S608 - validated names
        f"WHERE o.sequence = r.sequence AND {condition.text}) > 0"
    )
    return Sql(text, condition.parameters)


def carries(connection: sqlite3.Connection, table: Table, sequence: str, tags: Sequence[str]) -> Sql:
    """The resource with this sequence carries all of ``tags``, however many, none of them twice."""
    if len(tags) <= _BOUND_TAGS:
        among = Sql(f"o.tag IN ({', '.join('?' * len(tags))})", tuple(tags))
    else:  # more than a statement takes as parameters
        connection.create_function(_WANTED, 1, frozenset(tags).__contains__)
        among = Sql(f"{_WANTED}(o.tag)")
    text = (
        f'(SELECT COUNT(*) FROM "{table.name}_tag" AS o INDEXED BY "{table.name}_tag_by_sequence" '  # noqa: S608 - validated names
        f"WHERE o.sequence = {sequence} AND {among.text}) = {len(tags)}"
    )
    return Sql(text, among.parameters)


def is_like(column: str, pieces: tuple[str, ...]) -> Sql:
    """The text in ``column`` is made of ``pieces``."""
    first, *others = pieces
    if not others:
        return Sql(f"{column} = ?", (first,))
    if others == [""]:
        return begins_with(column, first)
    pattern = "*".join(piece.translate(_SPECIAL) for piece in pieces)
    text = f"CASE WHEN instr({column}, char(0)) THEN {_LIKE}({column}, ?) ELSE {column} GLOB ? END"
    return (
        Sql(text, (json.dumps(pieces), pattern)) if "\0" not in pattern else Sql(f"{_LIKE}({column}, ?)", (json.dumps(pieces),))
    )


def begins_with(column: str, start: str) -> Sql:
    """The text in ``column`` begins with ``start``; said so that an index can find it."""
    if not start:
        return Sql("1")
    above = _above(start)
    if above is None:
        return Sql(f"{column} >= ?", (start,))
    return Sql(f"{column} >= ? AND {column} < ?", (start, above))


def _above(start: str) -> str | None:
    """The least text that is more than all that begin with ``start``; None when there is none."""
    while start.endswith(_LAST):
        start = start[:-1]
    if not start:
        return None
    last = start[-1]
    return start[:-1] + (_AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1))


def match_of(words: Iterable[Word]) -> str:
    """All of ``words`` in the language of FTS5; they consist of letters and digits alone."""
    return " AND ".join(f'"{word.text}"{"*" if word.prefix else ""}' for word in words)


RANGES = frozenset({Operator.EQUAL, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
"""Comparisons that an index can find."""
