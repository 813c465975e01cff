"""Mends what one copy of a resource still has when another is damaged. Runs in the writer's thread, between transactions."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from stigmer.errors import StigmerError, Undecodable
from stigmer.payload import decode
from stigmer.store import Owner
from stigmer.store.document import make_document, values_of
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.changes import last_change, newest_change
from stigmer.store.sqlite.check import problems_of, read_rows
from stigmer.store.sqlite.repair_log import mend_log
from stigmer.store.sqlite.rows import Key, rewrite, words_in
from stigmer.store.sqlite.schema import transaction
from stigmer.store.sqlite.table import Table

_NO_LIMIT = 2**31
_CHUNK = 100
"""So many rows are in memory at a time."""


def repair(connection: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Mends everything that can be, in one transaction; what cannot stays as it is, for ``check`` to name."""
    with _lenient(connection), transaction(connection):
        with contextlib.suppress(sqlite3.DatabaseError):  # two rows want the same key: which of them is wrong we do not know
            connection.execute("REINDEX")
        for table in tables:
            for row in _damaged(connection, table):
                with contextlib.suppress(sqlite3.IntegrityError, StigmerError):
                    _mend(connection, table, row)
            mend_log(connection, table)
            _drop_strays(connection, table)
            _count(connection, table)
            _index_words(connection, table)


@contextlib.contextmanager
def _lenient(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it, a text that is no text is read all the same: it is for checksums to find."""
    before = connection.text_factory
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        yield
    finally:
        connection.text_factory = before


def _damaged(connection: sqlite3.Connection, table: Table) -> Iterator[dict[str, Any]]:
    after = 0
    while rows := read_rows(connection, table, after):
        yield from (row for row, beside in rows if any(problems_of(table, row, beside)))
        after = rows[-1][0]["sequence"]


def _mend(connection: sqlite3.Connection, table: Table, row: dict[str, Any]) -> None:
    message = next(_good_messages(connection, table, row), None)
    if message is None:
        return
    key = _good_key(connection, table, row, message)
    if key is None:
        return
    _write(connection, table, row["sequence"], key, message)


def _good_messages(connection: sqlite3.Connection, table: Table, row: dict[str, Any]) -> Iterator[Any]:
    """The resource as the wire bytes have it, or else the JSON, or else the change log. A damaged id harms both of them."""
    wire = _decoded(table, row["wire"])
    parsed = _parsed(table, row["document"])
    ids = [row["id"], *(each.metadata.id for each in (wire, parsed) if each is not None and each.metadata)]
    if wire is not None and any(checksum.wire_is_good(id_, row["wire"], row["wire_checksum"]) for id_ in ids):
        yield wire
    if parsed is not None and any(checksum.document_is_good(id_, row["document"], row["json_checksum"]) for id_ in ids):
        yield parsed
    last = newest_change(connection, table, row["sequence"])
    if last is not None and last.wire and last.revision == row["revision"]:
        yield decode(table.kind.message, last.wire)


def _decoded(table: Table, wire: Any) -> Any:
    try:
        return decode(table.kind.message, wire)
    except (Undecodable, TypeError):
        return None


def _parsed(table: Table, document: Any) -> Any:
    try:
        return table.kind.message.from_json(document)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _good_key(connection: sqlite3.Connection, table: Table, row: dict[str, Any], message: Any) -> Key | None:
    """What the row's checksum vouches for, with what the resource itself says in place of what is damaged.

    Where it is the checksum that is damaged, the change log has to vouch for the row.
    """
    metadata = message.metadata
    last = newest_change(connection, table, row["sequence"])
    scope = metadata.owner_scope
    owners = Owner(row["scope"], row["owner"]), Owner(scope, metadata.org), Owner(scope, row["owner"])
    revisions = [row["revision"], *([] if last is None else [last.revision])]
    for owner, slug, revision in itertools.product(owners, (metadata.slug, row["slug"]), revisions):
        if checksum.key_is_good(metadata.id, owner, slug, revision, row["key_checksum"]):
            return Key(owner, slug, revision)
    told = last is not None and (last.id, last.revision) == (row["id"], row["revision"]) == (metadata.id, row["revision"])
    return Key(owners[0], row["slug"], row["revision"]) if told and row["slug"] == metadata.slug else None


def _write(connection: sqlite3.Connection, table: Table, sequence: int, key: Key, message: Any) -> None:
    """Writes everything of a row anew; nobody is told, since nothing has changed."""
    document = make_document(table.kind, message, key.owner, max_wire_bytes=_NO_LIMIT)
    last = last_change(connection, table)
    rewrite(connection, table, sequence, document, key)
    connection.execute(f'DELETE FROM "{table.name}_change" WHERE number > ?', (last,))  # noqa: S608 - as above


def _drop_strays(connection: sqlite3.Connection, table: Table) -> None:
    name = table.name
    for part in ("tag", "label"):
        connection.execute(f'DELETE FROM "{name}_{part}" WHERE sequence NOT IN (SELECT sequence FROM "{name}")')  # noqa: S608 - as above
    connection.execute(f'DELETE FROM "{name}_deleted" WHERE id IN (SELECT id FROM "{name}")')  # noqa: S608 - as above


def _count(connection: sqlite3.Connection, table: Table) -> None:
    name = table.name
    connection.execute(f'DELETE FROM "{name}_size"')  # noqa: S608 - as above
    connection.execute(f'INSERT INTO "{name}_size" SELECT COUNT(*) FROM "{name}"')  # noqa: S608 - as above


def _index_words(connection: sqlite3.Connection, table: Table) -> None:
    """Makes the word index anew. Of what cannot be read there are no words."""
    name = table.name
    connection.execute(f'INSERT INTO "{name}_text" ("{name}_text") VALUES (\'delete-all\')')  # noqa: S608 - as above
    some = f'SELECT sequence, wire FROM "{name}" WHERE sequence > ? ORDER BY sequence LIMIT ?'  # noqa: S608 - as above
    after = 0
    while rows := connection.execute(some, (after, _CHUNK)).fetchall():
        for sequence, wire in rows:
            message = _decoded(table, wire)
            if message is not None:
                connection.execute(table.write.add_words, (sequence, words_in(table, values_of(table.kind, message))))
        after = rows[-1][0]
