"""A store in memory, gone with the process: for trying things out, and the oracle that other backends are tested against."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stigmer.errors import ConfigurationError, IdTaken, OwnerFull, SlugTaken, Stale, Unavailable
from stigmer.kind import Kind
from stigmer.store import NO_CAUSE, SECRET_BYTES, Cause, Changes, Commit, Document, Owner, Page, Query, Repairs, Stored, fitting
from stigmer.store.document import agrees
from stigmer.store.evaluate import has_words, meets, position_of
from stigmer.store.feed import Event
from stigmer.store.memory_feed import Log, MemoryFeed
from stigmer.store.selection import Position


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    stored: Stored
    document: Document


class _Table:
    """The resources of one kind. ``rows`` is in order of creation, since an update keeps its key's place."""

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}
        self.slugs: dict[tuple[Owner, str], str] = {}
        self.used: set[str] = set()
        self.last = 0
        self.log = Log()

    def put(self, document: Document, sequence: int, revision: int) -> Stored:
        stored = Stored(sequence, revision, document.wire)
        self.rows[document.id] = _Row(stored, document)
        return stored

    def current(self, id_: str, revision: int) -> _Row:
        row = self.rows.get(id_)
        if row is None or row.stored.revision != revision:
            raise Stale
        return row


class MemoryStore(MemoryFeed):
    """A ``Store`` made of dictionaries. Nothing in it waits, so nothing can come in between."""

    def __init__(self, kinds: Sequence[Kind[Any]]) -> None:
        super().__init__()
        self._kinds = {kind.key: kind for kind in kinds}
        self._tables = {kind.key: _Table() for kind in kinds}
        self._secret = os.urandom(SECRET_BYTES)
        self._closed = False
        self._version = 0
        self._followers: list[Callable[[Commit], None]] = []

    async def get(self, kind: Kind[Any], id_: str) -> Stored | None:
        """The resource with this id, or None."""
        row = self._table(kind).rows.get(id_)
        return row.stored if row else None

    async def get_many(self, kind: Kind[Any], ids: Sequence[str]) -> Mapping[str, Stored]:
        """Those of the resources with these ids that exist, by id."""
        rows = self._table(kind).rows
        return {id_: rows[id_].stored for id_ in ids if id_ in rows}

    async def find(self, kind: Kind[Any], owner: Owner, slug: str) -> Stored | None:
        """The resource with this slug within this owner, or None."""
        table = self._table(kind)
        id_ = table.slugs.get((owner, slug))
        return table.rows[id_].stored if id_ is not None else None

    async def id_used(self, kind: Kind[Any], id_: str) -> bool:
        """Whether a resource has this id or ever had."""
        return id_ in self._table(kind).used

    async def insert(self, kind: Kind[Any], document: Document, cause: Cause = NO_CAUSE, most: int | None = None) -> Stored:
        """Writes a new resource; raises KeyUsed, IdTaken, SlugTaken, OwnerFull."""
        table = self._table(kind)
        self._check_unused(cause)
        if document.id in table.used:
            raise IdTaken(kind, document.id)
        if (document.owner, document.slug) in table.slugs:
            raise SlugTaken(kind, document.slug)
        if most is not None and sum(owner == document.owner for owner, _ in table.slugs) >= most:
            raise OwnerFull(kind, document.owner.id, most)
        table.last += 1
        table.used.add(document.id)
        table.slugs[document.owner, document.slug] = document.id
        return self._written(kind, document, table.put(document, table.last, 1), Event.CREATED, cause)

    async def update(self, kind: Kind[Any], document: Document, revision: int, cause: Cause = NO_CAUSE) -> Stored:
        """Replaces the resource with the document's id; raises KeyUsed, Stale."""
        table = self._table(kind)
        self._check_unused(cause)
        old = table.current(document.id, revision)
        kept = document._replace(owner=old.document.owner, slug=old.document.slug)
        stored = table.put(kept, old.stored.sequence, revision + 1)
        return self._written(kind, document, stored, Event.UPDATED, cause)

    async def delete(self, kind: Kind[Any], id_: str, revision: int, cause: Cause = NO_CAUSE) -> None:
        """Removes a resource; raises KeyUsed, Stale."""
        table = self._table(kind)
        self._check_unused(cause)
        row = table.current(id_, revision)
        del table.rows[id_], table.slugs[row.document.owner, row.document.slug]
        self._written(kind, row.document, row.stored, Event.DELETED, cause)

    def _written(self, kind: Kind[Any], document: Document, stored: Stored, event: Event, cause: Cause) -> Stored:
        self._tables[kind.key].log.append(event, document, stored, cause)
        self._remember(cause)
        self._version += 1
        now = None if event is Event.DELETED else stored
        commit = Commit(self._version - 1, self._version, [(kind.key, stored.sequence, now)])
        for follower in self._followers:
            follower(commit)
        return stored

    async def page(self, kind: Kind[Any], query: Query) -> Page:
        """One page of the resources that the query selects."""
        rows = [row for row in self._table(kind).rows.values() if _selected(kind, row.document, query)]
        placed = [(position_of(row.document, row.stored.sequence, query.order), row.stored) for row in rows]
        placed.sort(key=lambda each: _rank(each[0]), reverse=query.order.descending)
        following = [(position, stored) for position, stored in placed if _comes_after(position, query)]
        entries, more = fitting((stored for _, stored in following), query)
        end = following[len(entries) - 1][0] if entries else None
        return Page(entries, more, len(rows), end, self._table(kind).log.last if query.as_of else None)

    def version(self) -> int | None:
        """Changes with each write."""
        return None if self._closed else self._version

    async def changes(self, after: Mapping[str, int]) -> Mapping[str, Changes]:
        """What has changed since, by kind."""
        self._check_open()
        logs = {key: self._tables[key].log for key in after}
        return {key: Changes(log.sequences_after(after[key]), log.last) for key, log in logs.items()}

    def follow(self, follower: Callable[[Commit], None]) -> None:
        """Calls ``follower`` for each write."""
        self._followers.append(follower)

    async def secret(self) -> bytes:
        """32 random bytes."""
        self._check_open()
        return self._secret

    async def check(self) -> Sequence[str]:
        """Names the resources whose JSON disagrees with their wire bytes."""
        self._check_open()
        return [
            f"{key} {id_}: document and wire bytes disagree"
            for key, table in self._tables.items()
            for id_, row in table.rows.items()
            if not agrees(self._kinds[key], row.document.json, row.document.wire)
        ]

    async def repair(self) -> Repairs:
        """There is nothing that could be mended from."""
        return Repairs(left=await self.check())

    async def backup(self, target: Path) -> None:
        """Raises ConfigurationError."""
        raise ConfigurationError(f"cannot back up to {target}: a store in memory has nothing to copy to a file")

    async def close(self) -> None:
        """Answers no more calls."""
        self._closed = True

    def _log(self, kind: Kind[Any]) -> Log:
        return self._table(kind).log

    def _logs(self) -> Mapping[str, Log]:
        return {key: table.log for key, table in self._tables.items()}

    def _sequence(self, kind: Kind[Any], id_: str) -> int | None:
        row = self._table(kind).rows.get(id_)
        return row.stored.sequence if row else None

    def _table(self, kind: Kind[Any]) -> _Table:
        self._check_open()
        return self._tables[kind.key]

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed", reason="STORE_CLOSED")


def _rank(position: Position) -> tuple[Any, int]:
    return position.key, position.sequence


def _comes_after(position: Position, query: Query) -> bool:
    if query.after is None:
        return True
    here, there = _rank(position), _rank(query.after)
    return here < there if query.order.descending else here > there


def _selected(kind: Kind[Any], document: Document, query: Query) -> bool:
    return (
        (query.visible is None or document.owner in query.visible.owners or document.id in query.visible.ids)
        and set(query.tags) <= set(document.tags)
        and all(document.indexed[column] == text for column, text in query.equal.items())
        and meets(document, query.condition)
        and has_words(document, kind.searched, query.words)
    )
