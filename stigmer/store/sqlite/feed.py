"""The change feed of a SQLite store: a part of ``SqliteStore``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from stigmer.kind import Kind
from stigmer.store.feed import MOST, Answer, Cause, Change, Claim, Most, Retention
from stigmer.store.sqlite import answers, changes, consumers
from stigmer.store.sqlite.compaction import compact
from stigmer.store.sqlite.inline import DECLINED, InlineReader
from stigmer.store.sqlite.readers import Readers
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.writer import Writer

T = TypeVar("T")

_NO_TABLE = ""


class SqliteFeed:
    """Tells of every write, and remembers answers. See ``stigmer.store.feed``."""

    _tables: Mapping[str, Table]
    _writer: Writer
    _readers: Readers
    _pages: InlineReader

    def _table(self, kind: Kind[Any]) -> Table:
        raise NotImplementedError

    def _check_open(self) -> None:
        raise NotImplementedError

    async def _look_up(self, work: Callable[[sqlite3.Connection], T]) -> T:
        raise NotImplementedError

    async def feed(self, kind: Kind[Any], after: int, most: Most = MOST) -> Sequence[Change]:
        """The changes that follow the one with the number ``after``; raises Compacted."""
        table = self._table(kind)
        return await self._scan(lambda connection: changes.feed(connection, table, after, most))

    async def versions(self, kind: Kind[Any], id_: str, before: int | None = None, most: Most = MOST) -> Sequence[Change]:
        """The states of a resource that is there, the newest first."""
        table = self._table(kind)
        return await self._scan(lambda connection: changes.versions(connection, table, (id_, before), most))

    async def version_of(self, kind: Kind[Any], id_: str, version: str) -> Change | None:
        """The state of a resource that is there which had this version."""
        table = self._table(kind)
        return await self._look_up(lambda connection: changes.version_of(connection, table, id_, version))

    async def compact(self, kind: Kind[Any], retention: Retention, now: int) -> int:
        """Removes some of what need not be kept; gives how many changes are left to do."""
        table = self._table(kind)
        return await self._write(lambda connection: compact(connection, table, retention, now))

    async def claim(self, claim: Claim) -> Mapping[str, int] | None:
        """Makes a claim, or makes it last longer."""
        tables = [*self._tables.values()]
        return await self._write(lambda connection: consumers.claim(connection, tables, claim))

    async def advance(self, claim: Claim, done: Mapping[str, int]) -> bool:
        """Everything up to these numbers is done; False when the claim was lost."""
        return await self._write(lambda connection: consumers.advance(connection, claim, done))

    async def release(self, claim: Claim) -> None:
        """Ends a claim."""
        await self._write(lambda connection: consumers.release(connection, claim))

    async def answer(self, key: bytes) -> Answer | None:
        """What was answered to the request with this key, or None."""
        self._check_open()
        return await self._look_up(lambda connection: answers.find(connection, key))

    async def remember(self, answer: Answer) -> None:
        """Remembers the answer to a request that has written nothing; raises KeyUsed."""

        def work(connection: sqlite3.Connection) -> None:
            answers.check_unused(connection, Cause(answer=answer))
            answers.remember(connection, answer)

        await self._write(work)

    async def forget_answers(self, before: int) -> int:
        """Forgets some of those that were given before this time; gives how many."""
        return await self._write(lambda connection: answers.forget(connection, before))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        return await self._writer.write(lambda connection, _: work(connection), _NO_TABLE)

    async def _scan(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """In the loop if that is quick, else in a thread; ``work`` makes its own transaction."""
        found = self._pages.read(work)
        return await self._readers.scan(lambda connection, _: work(connection)) if found is DECLINED else found
