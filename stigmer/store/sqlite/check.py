"""Reads everything in a store and names what is wrong. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from stigmer.errors import StigmerError, Undecodable
from stigmer.payload import decode
from stigmer.store import Document, Owner
from stigmer.store.document import agrees, make_document
from stigmer.store.selection import Word
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.check_log import check_log
from stigmer.store.sqlite.conditions import match_of
from stigmer.store.sqlite.rows import words_in
from stigmer.store.sqlite.table import Table


class Beside(NamedTuple):
    """What other tables hold of a resource."""

    tags: Sequence[str]
    labels: dict[str, str]
    words_are_found: bool


_CHUNK = 32
"""So many rows are read in one transaction: a reader that stays in one keeps the write-ahead log from shrinking."""
_NO_LIMIT = 2**31


def check(connection: sqlite3.Connection, tables: Sequence[Table]) -> Sequence[str]:
    """What is wrong, one line each. Lines quote ids, and nothing else of what is stored."""
    connection.text_factory = lambda text: text.decode(errors="replace")  # a damaged text is for the checksums to find
    return [line for found in (_integrity(connection), *(_table(connection, table) for table in tables)) for line in found]


def _integrity(connection: sqlite3.Connection) -> Iterator[str]:
    """What SQLite finds: pages, trees, indexes, constraints."""
    try:
        for (line,) in connection.execute("PRAGMA integrity_check").fetchall():
            if line != "ok":
                yield f"file: {line}"
    except sqlite3.DatabaseError as error:
        yield f"file: {error}"


def _table(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    try:
        yield from _rows(connection, table)
        yield from _strays(connection, table)
        yield from _size(connection, table)
        yield from check_log(connection, table)
    except sqlite3.DatabaseError as error:
        yield f"{table.name}: cannot be read: {error}"


def _rows(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    after = 0
    while rows := _chunk(connection, table, after):
        for row, beside in rows:
            for text in problems_of(table, row, beside):
                yield f"{table.name} {row['id']}: {text}"
        after = rows[-1][0]["sequence"]


def _chunk(connection: sqlite3.Connection, table: Table, after: int) -> list[tuple[dict[str, Any], Beside]]:
    """Some rows of one moment."""
    connection.execute("BEGIN")
    try:
        return read_rows(connection, table, after)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def read_rows(connection: sqlite3.Connection, table: Table, after: int) -> list[tuple[dict[str, Any], Beside]]:
    """Some rows in order of sequence, each with what other tables hold of it."""
    cursor = connection.execute(
        f'SELECT * FROM "{table.name}" WHERE sequence > ? ORDER BY sequence LIMIT ?',  # noqa: S608 - validated names
        (after, _CHUNK),
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return [(row, _beside(connection, table, row)) for row in rows]


def _beside(connection: sqlite3.Connection, table: Table, row: dict[str, Any]) -> Beside:
    sequence = row["sequence"]
    tags = [tag for (tag,) in connection.execute(table.write.tags, (sequence,)).fetchall()]
    labels = dict(connection.execute(table.write.labels, (sequence,)).fetchall())
    return Beside(tags, labels, _are_found(connection, table, sequence, words_in(table, row).split()))


def _are_found(connection: sqlite3.Connection, table: Table, sequence: int, words: Sequence[str]) -> bool:
    """Whether the resource is found by each of these words, and has as many in the index."""
    name = f"{table.name}_text"
    size = connection.execute(f'SELECT sz FROM "{name}_docsize" WHERE id = ?', (sequence,)).fetchall()  # noqa: S608 - validated names
    if [_number(row[0]) for row in size] != [len(words)]:
        return False
    match = match_of(Word(word) for word in dict.fromkeys(words))
    found = f'SELECT 1 FROM "{name}" WHERE "{name}" MATCH ? AND rowid = ?'  # noqa: S608 - as above
    return not words or bool(connection.execute(found, (match, sequence)).fetchall())


def _number(varint: bytes) -> int:
    """How FTS5 writes the number of words: seven bits a byte, the highest first."""
    number = 0
    for byte in varint:
        number = number << 7 | byte & 0x7F
    return number


def problems_of(table: Table, row: dict[str, Any], beside: Beside) -> Iterator[str]:
    """What is wrong with one row."""
    owner = Owner(row["scope"], row["owner"])
    if not checksum.key_is_good(row["id"], owner, row["slug"], row["revision"], row["key_checksum"]):
        yield "its key is damaged"
    document_is_good = checksum.document_is_good(row["id"], row["document"], row["json_checksum"])
    if not document_is_good:
        yield "its document is damaged"
    if not checksum.wire_is_good(row["id"], row["wire"], row["wire_checksum"]):
        yield "its wire bytes are damaged"
        return
    try:
        meant = make_document(table.kind, decode(table.kind.message, row["wire"]), owner, max_wire_bytes=_NO_LIMIT)
    except (Undecodable, StigmerError):
        yield "its wire bytes cannot be decoded"
        return
    if document_is_good and not agrees(table.kind, row["document"], row["wire"]):
        yield "document and wire bytes disagree"
    yield from (f"its {name} disagrees with its wire bytes" for name in _differences(table, meant, row, beside))


def _differences(table: Table, meant: Document, row: dict[str, Any], beside: Beside) -> Iterator[str]:
    columns = {"id": meant.id, "slug": meant.slug, "org": meant.org, **meant.indexed}
    yield from (name for name in ("id", "slug", "org", *table.columns) if row[name] != columns[name])
    if sorted(beside.tags) != sorted(meant.tags):
        yield "tag index"
    if beside.labels != dict(meant.labels):
        yield "label index"
    if not beside.words_are_found:
        yield "word index"


def _strays(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    """Entries that belong to no resource, and resources that ought to be gone."""
    name = table.name
    for what, part, sequence in (("tag", "tag", "sequence"), ("label", "label", "sequence"), ("word", "text_docsize", "id")):
        stray = (
            f'SELECT COUNT(*) FROM "{name}_{part}" AS p '  # noqa: S608 - validated names
            f'LEFT JOIN "{name}" AS r ON r.sequence = p.{sequence} WHERE r.sequence IS NULL'
        )
        if count := connection.execute(stray).fetchall()[0][0]:
            yield f"{name}: {count} entries of the {what} index belong to nothing"
    revived = f'SELECT d.id FROM "{name}_deleted" AS d JOIN "{name}" AS r ON r.id = d.id'  # noqa: S608 - as above
    for (id_,) in connection.execute(revived).fetchall():
        yield f"{name} {id_}: is there, and remembered as deleted"


def _size(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    name = table.name
    sizes = f'SELECT (SELECT group_concat(total) FROM "{name}_size"), (SELECT COUNT(*) FROM "{name}")'  # noqa: S608 - validated names
    told, there = connection.execute(sizes).fetchall()[0]
    if told != str(there):
        yield f"{name}: {there} resources are there, {told or 'nothing'} is told"
