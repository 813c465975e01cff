"""Reads pages: one posting list leads, the others are looked up for each of its entries. Runs in a connection's thread.

What the caller may see is one more posting list.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from stigmer.store import Page, Query, Stored, fitting
from stigmer.store.selection import BY_CREATION, Position
from stigmer.store.sqlite.changes import last_change
from stigmer.store.sqlite.conditions import carries
from stigmer.store.sqlite.connection import moment
from stigmer.store.sqlite.counts import Counts, size
from stigmer.store.sqlite.filtered import filtered_page
from stigmer.store.sqlite.listed import COLUMNS, listed
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.views import View

_JOINED = 16
"""So many posting lists are joined to the leader; of more, tags are counted: a join takes 64 tables."""
_SHORT = 100


class _Filter(NamedTuple):
    """One thing that is asked for: a column with a text, or a tag. Each has an index in order of sequence."""

    column: str | None
    text: str


_Posting: TypeAlias = _Filter | View
"""Sequences in order."""


class _Selection(NamedTuple):
    """What a query selects, as SQL; without tables for the columns of a row where ``entries`` are only counted."""

    postings: frozenset[_Posting]
    rows: str
    entries: str
    sequence: str
    where: str
    parameters: tuple[object, ...]


def is_short(query: Query) -> bool:
    """Whether a page is likely to take less than a millisecond: a hundred entries at most, in order, of a plain list."""
    plain = query.condition is None and not query.words and query.order == BY_CREATION and query.visible is None
    return plain and query.limit <= _SHORT and len(query.equal) + len(query.tags) <= 1


def page(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Page:
    """One page of the resources that the query selects, and how many those are, of one moment."""
    try:
        with moment(connection):
            found = _page(connection, table, query, counts)
            return found._replace(as_of=last_change(connection, table)) if query.as_of else found
    except BaseException:
        if query.visible is not None:
            counts.views.forget(table, query.visible)
        raise


def _page(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> Page:
    for column in query.equal:
        if column not in table.columns:
            raise LookupError(f"{table.name} has no index on {column!r}")
    counts.refresh(connection)
    if query.condition is not None or query.words or query.order != BY_CREATION:
        return filtered_page(connection, table, query, counts)
    selection = _select(connection, table, query, counts)
    if selection is None or counts.known_total(selection) == 0:
        return Page([], more=False, total=0)
    entries, more = fitting(_rows(connection, selection, query), query)
    end = Position(entries[-1].sequence) if entries else None
    if _after(query) <= 0 and not more:
        counts.note(selection, selection.parameters, len(entries))
        return Page(entries, more, len(entries), end)
    return Page(entries, more, _total(connection, table, selection, counts), end)


def _after(query: Query) -> int:
    return query.after.sequence if query.after is not None else 0


def _total(connection: sqlite3.Connection, table: Table, selection: _Selection, counts: Counts) -> int:
    """How many entries ``selection`` has."""
    if not selection.postings:
        return size(connection, table)
    if len(selection.postings) == 1:
        (posting,) = selection.postings
        if isinstance(posting, View):
            return posting.size

    def count() -> int:
        sql = f"SELECT COUNT(*) FROM {selection.entries} WHERE {selection.where}"  # noqa: S608 - made of validated names
        return int(connection.execute(sql, selection.parameters).fetchall()[0][0])

    return counts.total(selection, selection.parameters, count)


def _rows(connection: sqlite3.Connection, selection: _Selection, query: Query) -> Iterator[Stored]:
    sequence = selection.sequence
    sql = (
        f"SELECT {COLUMNS} FROM {selection.rows} "  # noqa: S608 - made of validated names
        f"WHERE {selection.where} AND {sequence} > ? ORDER BY {sequence} LIMIT ?"
    )
    bounds = (max(_after(query), 0), query.limit + 1)
    return listed(connection, sql, (*selection.parameters, *bounds), query.visible)


def _select(connection: sqlite3.Connection, table: Table, query: Query, counts: Counts) -> _Selection | None:
    """The query as SQL, or None when nothing can match."""
    tags = dict.fromkeys(query.tags)
    postings: list[_Posting] = [_Filter(column, text) for column, text in query.equal.items()]
    postings += [_Filter(None, tag) for tag in tags]
    if query.visible is not None:
        if not (query.visible.owners or query.visible.ids):
            return None
        postings.append(counts.view(connection, table, query.visible))
    if not postings:
        name = f'"{table.name}" AS r'
        return _Selection(frozenset(), name, name, "r.sequence", "TRUE", ())
    texts = [posting.text for posting in postings if isinstance(posting, _Filter)]
    key = table.name, frozenset(postings)
    leader = postings[0] if len(postings) == 1 else counts.leader(key, texts, lambda: _rarest(connection, table, postings))
    return None if leader is None else _led_by(connection, table, leader, [each for each in postings if each != leader])


def _led_by(connection: sqlite3.Connection, table: Table, leader: _Posting, others: Sequence[_Posting]) -> _Selection:
    """The entries of one posting list that all other ones have, too.

    The order of the tables is fixed (CROSS JOIN, INDEXED BY): without statistics SQLite would have to guess it.
    """
    source, sequence, first, parameters = _leading(table, leader)
    joined: list[_Posting] = [each for each in others if isinstance(each, View)]
    joined += [each for each in others if isinstance(each, _Filter)]
    counted: Sequence[str] = ()
    if len(joined) > _JOINED:
        counted = [each.text for each in joined if isinstance(each, _Filter) and each.column is None]
        joined = [each for each in joined if isinstance(each, View) or each.column is not None]
    followers = [_following(table, each, f"f{number}", sequence) for number, each in enumerate(joined)]
    tagged = [carries(connection, table, sequence, counted)] if counted else []
    entries = " CROSS JOIN ".join([source, *(follower for follower, _, _ in followers)])
    return _Selection(
        frozenset([leader, *others]),
        entries if sequence == "r.sequence" else f'{entries} CROSS JOIN "{table.name}" AS r ON r.sequence = {sequence}',
        entries,
        sequence,
        " AND ".join([first, *(condition for _, condition, _ in followers), *(each.text for each in tagged)]),
        (
            *parameters,
            *(text for _, _, texts in followers for text in texts),
            *(each for sql in tagged for each in sql.parameters),
        ),
    )


def _following(table: Table, posting: _Posting, name: str, sequence: str) -> tuple[str, str, tuple[str, ...]]:
    """A posting list that a leader's entries are looked up in: the table, the condition, and the parameters of that.

    Never the resources themselves: a posting list is dense, where each row is on a page of its own.
    """
    same = f"{name}.sequence = {sequence}"
    if isinstance(posting, View):
        return f'temp."{posting.name}" AS {name}', same, ()
    if posting.column is None:
        return f'"{table.name}_tag" AS {name}', f"{name}.tag = ? AND {same}", (posting.text,)
    source = f'"{table.name}" AS {name} INDEXED BY "{table.index_name(posting.column)}"'
    return source, f'{name}."{posting.column}" = ? AND {same}', (posting.text,)


def _leading(table: Table, posting: _Posting) -> tuple[str, str, str, tuple[str, ...]]:
    """A posting list as the first of some tables: the table, its sequence, what selects the list, and the parameter of that."""
    if isinstance(posting, View):
        return f'temp."{posting.name}" AS v', "v.sequence", "TRUE", ()
    if posting.column is None:
        return f'"{table.name}_tag" AS l', "l.sequence", "l.tag = ?", (posting.text,)
    source = f'"{table.name}" AS r INDEXED BY "{table.index_name(posting.column)}"'
    return source, "r.sequence", f'r."{posting.column}" = ?', (posting.text,)


def _rarest(connection: sqlite3.Connection, table: Table, postings: Sequence[_Posting]) -> _Posting | None:
    """The shortest posting list, found without reading the long ones; None when one has no entry."""
    lengths = dict.fromkeys(postings, 0)
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


def _length(connection: sqlite3.Connection, table: Table, posting: _Posting, limit: int) -> int:
    """How many entries the posting list has, counted up to ``limit``."""
    if isinstance(posting, View):
        return min(posting.size, limit)
    source, _, where, parameters = _leading(table, posting)
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT ?)"  # noqa: S608 - made of validated names
    length: int = connection.execute(sql, (*parameters, limit)).fetchall()[0][0]
    return length
