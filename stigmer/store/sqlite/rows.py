"""Writes and reads single resources. Everything here runs in a connection's thread.

Words are written at the end of a transaction: FTS5 writes out what it has whenever another statement begins that can fail
half-way, which would make a segment of its index for each resource.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from stigmer.errors import IdTaken, OwnerFull, SlugTaken, Stale, StigmerError
from stigmer.store import Document, Owner, Stored
from stigmer.store.feed import NO_CAUSE, Cause, Event
from stigmer.store.sqlite import checksum
from stigmer.store.sqlite.answers import check_unused, remember
from stigmer.store.sqlite.connection import moment
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.room import Room
from stigmer.store.sqlite.table import Table
from stigmer.store.words import words_of

Later: TypeAlias = list[tuple[str, tuple[object, ...]]]
"""Statements and their parameters, to be run at the end of the transaction."""


class Key(NamedTuple):
    """By what a resource is found besides its id, and which revision of it is there."""

    owner: Owner
    slug: str
    revision: int


class Gone(NamedTuple):
    """What a deletion gives: the sequence of the resource."""

    sequence: int


def insert(
    connection: sqlite3.Connection,
    later: Later,
    table: Table,
    document: Document,
    *,
    cause: Cause = NO_CAUSE,
    room: Room | None = None,
) -> Stored:
    """Writes a new resource.

    Raises:
        KeyUsed: the key of the answer in ``cause`` is.
        IdTaken: a resource has this id, or ever had.
        SlugTaken: another resource of the owner has the slug.
        OwnerFull: the owner has no ``room``.
    """
    check_unused(connection, cause)
    if room is not None and not room.has_any(connection, table, document.owner):
        raise _why_not(connection, table, document, room.most)
    id_, owner, slug = document.id, document.owner, document.slug
    values = [document.indexed[column] for column in table.columns]
    row = (id_, int(owner.scope), owner.id, slug, document.org, *values, 1, *_content(document, owner, slug, 1), id_)
    try:
        cursor = connection.execute(table.write.insert, row)
    except sqlite3.IntegrityError:
        if connection.execute(table.write.id_taken, (id_,)).fetchall():
            raise IdTaken(table.kind, id_) from None
        raise SlugTaken(table.kind, slug) from None
    if not cursor.rowcount:
        raise IdTaken(table.kind, id_)
    sequence = cursor.lastrowid
    if sequence is None:
        raise damaged()
    _add_tags(connection, table, document, sequence)
    _add_labels(connection, table, document, sequence)
    later.append((table.write.add_words, (sequence, words_in(table, document.indexed))))
    _log(connection, table, _told(Event.CREATED, sequence, 1, document, cause), document.wire, cause)
    return Stored(sequence, 1, document.wire)


def _why_not(connection: sqlite3.Connection, table: Table, document: Document, most: int) -> StigmerError:
    """Why a resource cannot be added for which there is no room: what is taken comes first."""
    if id_used(connection, table, document.id):
        return IdTaken(table.kind, document.id)
    if find(connection, table, document.owner, document.slug) is not None:
        return SlugTaken(table.kind, document.slug)
    return OwnerFull(table.kind, document.owner.id, most)


def update(
    connection: sqlite3.Connection,
    later: Later,
    table: Table,
    document: Document,
    revision: int,
    *,
    cause: Cause = NO_CAUSE,
) -> Stored:
    """Replaces a resource; owner and slug stay.

    Raises:
        KeyUsed: the key of the answer in ``cause`` is.
        Stale: its revision is not ``revision``, or it is gone.
    """
    check_unused(connection, cause)
    write = table.write
    sequence, scope, owner, slug, *old = _locate(connection, table, document.id, revision)
    names = ("org", *table.columns)
    new = (document.org, *(document.indexed[column] for column in table.columns))
    changed = [index for index, value in enumerate(new) if value != old[index]]
    statement = table.update(tuple(names[index] for index in changed))
    content = _content(document, Owner(scope, owner), slug, revision + 1)
    connection.execute(statement, (*(new[index] for index in changed), revision + 1, *content, sequence))
    if {tag for (tag,) in connection.execute(write.tags, (sequence,))} != set(document.tags):
        connection.execute(write.drop_tags, (sequence,))
        _add_tags(connection, table, document, sequence)
    if dict(connection.execute(write.labels, (sequence,)).fetchall()) != dict(document.labels):
        connection.execute(write.drop_labels, (sequence,))
        _add_labels(connection, table, document, sequence)
    before, after = _words(table, old[1:]), _words(table, new[1:])
    if before != after:
        later += [(write.drop_words, (sequence, before)), (write.add_words, (sequence, after))]
    _log(connection, table, _told(Event.UPDATED, sequence, revision + 1, document, cause), document.wire, cause)
    return Stored(sequence, revision + 1, document.wire)


def rewrite(connection: sqlite3.Connection, table: Table, sequence: int, document: Document, key: Key) -> None:
    """Writes everything anew that is kept of a resource, but for its words and what the change log tells."""
    columns = ("id", "scope", "owner", "slug", "org", *table.columns)
    owner, slug, revision = key
    values = (document.id, int(owner.scope), owner.id, slug, document.org, *(document.indexed[each] for each in table.columns))
    parameters = (*values, revision, *_content(document, owner, slug, revision), sequence)
    connection.execute(table.update(columns), parameters)
    for statement in (table.write.drop_tags, table.write.drop_labels):
        connection.execute(statement, (sequence,))
    _add_tags(connection, table, document, sequence)
    _add_labels(connection, table, document, sequence)


def delete(
    connection: sqlite3.Connection, later: Later, table: Table, id_: str, revision: int, *, cause: Cause = NO_CAUSE
) -> Gone:
    """Removes a resource and remembers its id.

    Raises:
        KeyUsed: the key of the answer in ``cause`` is.
        Stale: its revision is not ``revision``, or it is gone.
    """
    check_unused(connection, cause)
    write = table.write
    sequence, _, _, _, _, *values = _locate(connection, table, id_, revision)
    _log(connection, table, (sequence, int(Event.DELETED), revision, cause.time, id_, ""), None, cause)
    later.append((write.drop_words, (sequence, _words(table, values))))
    for statement in (write.delete, write.drop_tags, write.drop_labels):
        connection.execute(statement, (sequence,))
    connection.execute(write.remember, (id_,))
    return Gone(sequence)


def _told(event: Event, sequence: int, revision: int, document: Document, cause: Cause) -> tuple[object, ...]:
    """What the change log tells of a resource that was written, but for who did it."""
    time = cause.time or document.indexed["updated_at"]
    return sequence, int(event), revision, time, document.id, document.version


def _log(connection: sqlite3.Connection, table: Table, told: tuple[object, ...], wire: bytes | None, cause: Cause) -> None:
    """Writes an entry of the change log, and remembers the answer."""
    told = (*told, cause.actor, cause.trace)
    connection.execute(table.write.log, (*told, checksum.of_change(told, wire), wire))
    remember(connection, cause.answer)


def get(connection: sqlite3.Connection, table: Table, id_: str) -> Stored | None:
    """The resource with this id, or None."""
    return _one(connection, table.read.get, (id_,), id_=id_)


def get_many(connection: sqlite3.Connection, table: Table, ids: Sequence[str]) -> Mapping[str, Stored]:
    """Those of the resources with these ids that exist, by id, as they were at one moment."""
    with moment(connection):
        found = ((id_, get(connection, table, id_)) for id_ in ids)
        return {id_: stored for id_, stored in found if stored is not None}


def find(connection: sqlite3.Connection, table: Table, owner: Owner, slug: str) -> Stored | None:
    """The resource with this slug within this owner, or None."""
    return _one(connection, table.read.find, (int(owner.scope), owner.id, slug), owner=owner, slug=slug)


def id_used(connection: sqlite3.Connection, table: Table, id_: str) -> bool:
    """Whether a resource has this id or ever had."""
    return bool(connection.execute(table.read.id_used, (id_, id_)).fetchall())


def _one(
    connection: sqlite3.Connection,
    statement: str,
    key: tuple[object, ...],
    *,
    id_: str | None = None,
    owner: Owner | None = None,
    slug: str | None = None,
) -> Stored | None:
    """The row that an index led to. What was asked for takes the place of what the row says: a damaged index shows, too."""
    found = connection.execute(statement, key).fetchall()
    if not found:
        return None
    sequence, revision, wire, of_wire, of_key, row_id, row_scope, row_owner, row_slug = found[0]
    id_ = row_id if id_ is None else id_
    owner = Owner(row_scope, row_owner) if owner is None else owner
    slug = row_slug if slug is None else slug
    if not (checksum.wire_is_good(id_, wire, of_wire) and checksum.key_is_good(id_, owner, slug, revision, of_key)):
        raise damaged()
    return Stored(sequence, revision, wire)


def words_in(table: Table, values: Mapping[str, str | int]) -> str:
    """The words that a text search finds a resource by, as they are indexed."""
    return _words(table, [values[column] for column in table.columns])


def _words(table: Table, values: Sequence[object]) -> str:
    return " ".join([word for index in table.searched for word in words_of(str(values[index]))])


def _locate(connection: sqlite3.Connection, table: Table, id_: str, revision: int) -> tuple[Any, ...]:
    """Sequence, scope, owner, slug, org, and the indexed columns."""
    found = connection.execute(table.write.locate, (id_, revision)).fetchall()
    if not found:
        raise Stale
    row: tuple[Any, ...] = found[0]
    return row


def _content(document: Document, owner: Owner, slug: str, revision: int) -> tuple[object, ...]:
    id_ = document.id
    return (
        checksum.of_wire(id_, document.wire),
        checksum.of_key(id_, owner, slug, revision),
        checksum.of_document(id_, document.json),
        document.wire,
        document.json,
    )


def _add_tags(connection: sqlite3.Connection, table: Table, document: Document, sequence: int) -> None:
    connection.executemany(table.write.add_tag, [(tag, sequence) for tag in dict.fromkeys(document.tags)])


def _add_labels(connection: sqlite3.Connection, table: Table, document: Document, sequence: int) -> None:
    connection.executemany(table.write.add_label, [(*label, sequence) for label in document.labels.items()])
