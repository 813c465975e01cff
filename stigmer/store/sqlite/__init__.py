"""The store in a SQLite file: one writer with group commit, a few readers, and a file that may be shared by processes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from stigmer.kind import Kind
from stigmer.store import NO_CAUSE, Cause, Changes, Commit, Document, Owner, Page, Query, Repairs, Stored
from stigmer.store.sqlite import rows
from stigmer.store.sqlite.backup import backup
from stigmer.store.sqlite.changes import changed_since
from stigmer.store.sqlite.check import check
from stigmer.store.sqlite.checkpoints import Checkpoints, Pin
from stigmer.store.sqlite.connection import connect, connect_inline, submit
from stigmer.store.sqlite.counts import Counts
from stigmer.store.sqlite.faults import closed, translated
from stigmer.store.sqlite.feed import SqliteFeed
from stigmer.store.sqlite.inline import DECLINED, InlineReader
from stigmer.store.sqlite.lock import FileLock
from stigmer.store.sqlite.opening import make_ready
from stigmer.store.sqlite.pages import is_short, page
from stigmer.store.sqlite.readers import Readers
from stigmer.store.sqlite.repair import repair
from stigmer.store.sqlite.room import Rooms
from stigmer.store.sqlite.table import Table, distinct
from stigmer.store.sqlite.wal_index import wal_index
from stigmer.store.sqlite.writer import Writer

T = TypeVar("T")

READERS = 4
"""Connections that read: so many slow lists at a time are borne before a get has to wait."""
_INSTRUCTIONS = 1000


async def open_sqlite(path: Path, kinds: Sequence[Kind[Any]]) -> SqliteStore:
    """Opens the store in a file, which is made when it is missing.

    Raises:
        ConfigurationError: the file is refused, or a kind's names cannot be tables and columns; the text is one line.
        StigmerError: the file system fails now.
    """
    tables = distinct([Table(kind) for kind in kinds])
    path, secret, lock = await _made_ready(path, tables)
    connections: list[aiosqlite.Connection] = []
    inline: list[sqlite3.Connection] = []
    try:
        with _translating():
            for number in range(2 + READERS):
                connections.append(await connect(path, query_only=number > 1))  # noqa: PERF401 - those made so far get closed
            await submit(connections[0], lambda connection: connection.execute("SELECT one FROM meta").fetchall())
            for _ in range(3):
                inline.append(connect_inline(path))  # noqa: PERF401 - as above; nobody is served yet whom it could hold up
        return SqliteStore(path, tables, secret, lock, Connections(connections, inline))
    except BaseException:
        for each in inline:
            each.close()
        for connection in connections:
            await connection.close()
        lock.close()
        raise


async def _made_ready(path: Path, tables: Sequence[Table]) -> tuple[Path, bytes, FileLock]:
    """``make_ready`` in a thread. It cannot be stopped; when nobody waits any more, its lock is let go at the end."""
    ready = asyncio.ensure_future(asyncio.to_thread(make_ready, path, tables))
    try:
        return await asyncio.shield(ready)
    except asyncio.CancelledError:
        ready.add_done_callback(_let_go)
        raise


def _let_go(ready: asyncio.Future[tuple[Path, bytes, FileLock]]) -> None:
    if not ready.cancelled() and ready.exception() is None:
        ready.result()[2].close()


class Connections(NamedTuple):
    """The connections of a store.

    Attributes:
        threaded: each with a thread of its own: the one that writes, the one that makes checkpoints, those that read.
        inline: those that are read in the event loop, for look-ups and for pages, which should not suffer for each other; and
            the one that keeps the log from beginning again.
    """

    threaded: Sequence[aiosqlite.Connection]
    inline: Sequence[sqlite3.Connection]


class SqliteStore(SqliteFeed):
    """A ``Store`` in a SQLite file. Made by ``open_sqlite``."""

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table],
        secret: bytes,
        lock: FileLock,
        connections: Connections,
    ) -> None:
        writing, checkpointing, *reading = connections.threaded
        self._path = path
        self._tables = {table.name: table for table in tables}
        self._secret = secret
        self._lock = lock
        self._connections = connections.threaded
        self._index = wal_index(path)
        self._followers: list[Callable[[Commit], None]] = []
        self._writer = Writer(writing, lock, self.version)
        self._writer.committed = self._committed
        self._readers = Readers(reading)
        self._rooms = Rooms(self._readers)
        lookups, pages, pin = connections.inline
        self._lookups, self._pages = InlineReader(lookups), InlineReader(pages)
        self._pin = Pin(pin, self._index)
        self._checkpoints = Checkpoints(checkpointing, self._pin, self._writer)
        self._counts = Counts()
        self._alone: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    async def get(self, kind: Kind[Any], id_: str) -> Stored | None:
        """The resource with this id, compared by case, or None."""
        table = self._table(kind)
        return await self._look_up(lambda connection: rows.get(connection, table, id_))

    async def get_many(self, kind: Kind[Any], ids: Sequence[str]) -> Mapping[str, Stored]:
        """Those of the resources with these ids that exist, by id, as they were at one moment."""
        table = self._table(kind)
        return await self._readers.scan(lambda connection, _: rows.get_many(connection, table, ids))

    async def find(self, kind: Kind[Any], owner: Owner, slug: str) -> Stored | None:
        """The resource with this slug within this owner, or None."""
        table = self._table(kind)
        return await self._look_up(lambda connection: rows.find(connection, table, owner, slug))

    async def id_used(self, kind: Kind[Any], id_: str) -> bool:
        """Whether a resource has this id or ever had."""
        table = self._table(kind)
        return await self._look_up(lambda connection: rows.id_used(connection, table, id_))

    async def _look_up(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """In the loop if that is quick, else in a thread."""
        found = self._lookups.read(work)
        return await self._readers.look_up(work) if found is DECLINED else found

    async def insert(self, kind: Kind[Any], document: Document, cause: Cause = NO_CAUSE, most: int | None = None) -> Stored:
        """Writes a new resource; raises KeyUsed, IdTaken, SlugTaken, OwnerFull."""
        table = self._table(kind)
        room = None if most is None else await self._rooms.get(table, document.owner, most)
        work = partial(rows.insert, table=table, document=document, cause=cause, room=room)
        return await self._writer.write(work, table.name, _size(document))

    async def update(self, kind: Kind[Any], document: Document, revision: int, cause: Cause = NO_CAUSE) -> Stored:
        """Replaces the resource with the document's id; raises KeyUsed, Stale."""
        table = self._table(kind)
        work = partial(rows.update, table=table, document=document, revision=revision, cause=cause)
        return await self._writer.write(work, table.name, _size(document))

    async def delete(self, kind: Kind[Any], id_: str, revision: int, cause: Cause = NO_CAUSE) -> None:
        """Removes a resource; raises KeyUsed, Stale."""
        table = self._table(kind)
        work = partial(rows.delete, table=table, id_=id_, revision=revision, cause=cause)
        await self._writer.write(work, table.name)

    async def page(self, kind: Kind[Any], query: Query) -> Page:
        """One page of the resources that the query selects."""
        table = self._table(kind)
        if is_short(query):
            found = self._pages.read(lambda connection: page(connection, table, query, self._counts))
            if found is not DECLINED:
                return found
        return await self._readers.scan(lambda connection, counts: page(connection, table, query, counts))

    def version(self) -> bytes | None:
        """Changes with each write of anybody; None when that cannot be told."""
        return None if self._index is None else self._index.header()

    async def changes(self, after: Mapping[str, int]) -> Mapping[str, Changes]:
        """What has changed since, by kind."""
        self._check_open()
        asked = [(self._tables[name], number) for name, number in after.items()]
        return await self._look_up(lambda connection: changed_since(connection, asked))

    def follow(self, follower: Callable[[Commit], None]) -> None:
        """Calls ``follower`` in the event loop for each transaction of this process."""
        self._followers.append(follower)

    def _committed(self, commit: Commit) -> None:
        self._checkpoints.committed()
        for follower in self._followers:
            follower(commit)

    async def secret(self) -> bytes:
        """32 random bytes, the same for every process and after every restart."""
        self._check_open()
        return self._secret

    async def check(self) -> Sequence[str]:
        """Reads everything and names what is wrong, one line each."""
        self._check_open()
        return await self._by_itself(partial(check, tables=list(self._tables.values())))

    async def repair(self) -> Repairs:
        """Mends what can be mended."""
        before = await self.check()
        if not before:
            return Repairs()
        await self._writer.between(partial(repair, tables=list(self._tables.values())))
        left = await self.check()
        return Repairs([line for line in before if line not in left], left)

    async def backup(self, target: Path) -> None:
        """Writes a copy of one moment to a file that does not exist yet; raises ConfigurationError."""
        self._check_open()
        await self._by_itself(partial(backup, target=target))

    async def close(self) -> None:
        """Finishes what is under way and lets go of everything. Being cancelled does not stop it."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        while self._alone:
            await asyncio.wait(self._alone)
        await self._writer.finish()
        await self._readers.finish()
        await self._checkpoints.finish()
        await self._writer.finish()
        for connection in self._connections:
            await connection.close()
        self._lookups.close()
        self._pages.close()
        self._pin.close()
        if self._index is not None:
            self._index.close()
        self._lock.close()

    async def _by_itself(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs something long on a connection of its own."""
        task = asyncio.create_task(_alone(self._path, work))
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)
        return await task

    def _table(self, kind: Kind[Any]) -> Table:
        self._check_open()
        return self._tables[kind.key]

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed()


def _size(document: Document) -> int:
    return len(document.wire) + len(document.json)


async def _alone(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Runs ``work`` on a new connection; when it is cancelled, whatever statement runs is interrupted, and the next ones."""
    cancelled = threading.Event()

    def interruptible(connection: sqlite3.Connection) -> T:
        connection.set_progress_handler(cancelled.is_set, _INSTRUCTIONS)
        return work(connection)

    with _translating():
        connection = await connect(path)
        try:
            return await submit(connection, interruptible)
        finally:
            cancelled.set()
            await connection.close()


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from None
