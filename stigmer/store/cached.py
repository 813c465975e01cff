"""A store that remembers what it has read: a wrapper around any other, for single resources and pages, never a stale answer.

What is remembered is good as of one version of the store. A read looks at the version first: while nobody has written, it is
answered at once. When somebody has, the cache asks the store what has changed since and lets go of that. Writes of this process
tell themselves, so that the cache follows them without asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stigmer.kind import Kind
from stigmer.store import NO_CAUSE, Cause, Commit, Document, Owner, Page, Query, Repairs, Store, Stored
from stigmer.store.entries import Entries, Key
from stigmer.store.feed import MOST, Answer, Change, Claim, Most, Retention
from stigmer.store.pages import Pages, key_of, weight_of

_SHARE_OF_PAGES = 4
"""A page is gone with the next write, whatever it is about: they get this part of the room."""


class CachedStore:
    """A ``Store`` in front of another one.

    Attributes:
        entries: what is remembered of resources, and how often that helped.
        pages: the same of pages.
    """

    def __init__(self, store: Store, max_bytes: int) -> None:
        """Remembers up to ``max_bytes`` of ``store``, which is closed together with this one."""
        self.pages = Pages(max_bytes // _SHARE_OF_PAGES)
        self.entries = Entries(max_bytes - max_bytes // _SHARE_OF_PAGES)
        self._store = store
        self._version = store.version
        self._good: object = None
        self._numbers: dict[str, int] = {}
        self._generation = 0
        self._begun = self._done = 0
        self._asking: asyncio.Task[None] | None = None
        store.follow(self._committed)

    async def get(self, kind: Kind[Any], id_: str) -> Stored | None:
        """The resource with this id, or None."""
        key = (kind.key, id_)
        version = self._version()
        if version is not None:
            if version != self._good:
                await self._catch_up(kind)
            stored = self.entries.get(key)
            if stored is not None:
                return stored
        generation = self._generation
        stored = await self._store.get(kind, id_)
        self._keep(key, stored, generation)
        return stored

    async def find(self, kind: Kind[Any], owner: Owner, slug: str) -> Stored | None:
        """The resource with this slug within this owner, or None."""
        key = (kind.key, owner, slug)
        version = self._version()
        if version is not None:
            if version != self._good:
                await self._catch_up(kind)
            stored = self.entries.get(key)
            if stored is not None:
                return stored
        generation = self._generation
        stored = await self._store.find(kind, owner, slug)
        self._keep(key, stored, generation)
        return stored

    def _keep(self, key: Key, stored: Stored | None, generation: int) -> None:
        """Remembers what was read, unless something has changed meanwhile: it might have been read before that."""
        self.entries.misses += 1
        if stored is not None and generation == self._generation and key[0] in self._numbers:
            self.entries.put(key, stored)

    async def _catch_up(self, kind: Kind[Any]) -> None:
        """Waits until all that is remembered is good as of now or later; one question serves all who wait meanwhile."""
        self._numbers.setdefault(kind.key, -1)
        wanted = self._begun + 1  # one that is under way may have begun before a write that was acknowledged since
        while self._done < wanted:
            if self._asking is None:
                self._begun += 1
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        try:
            version = self._version()
            changed = await self._store.changes(dict(self._numbers))
            # With a write in between, the answer is of that version or of a newer one, and a write that it has counted already
            # would be counted again when it tells itself. So it is good as of no version: the next read asks again.
            self._good = version if version == self._version() else None
            self._generation += 1
            for name, changes in changed.items():
                self._numbers[name] = changes.last
                if changes.sequences is None:
                    self.entries.clear(name)
                else:
                    for sequence in changes.sequences:
                        self.entries.drop((name, sequence))
        finally:
            self._done += 1
            self._asking = None

    def _committed(self, commit: Commit) -> None:
        """Follows a write of this process, if nobody else has written since the cache was good."""
        if not commit.written:
            return
        self._generation += 1
        if commit.before is None or commit.before != self._good:
            return
        self._good = commit.after
        for name, sequence, stored in commit.written:
            if name in self._numbers:
                self._numbers[name] += 1
            self.entries.renew((name, sequence), stored)

    # Everything else is as it is

    async def get_many(self, kind: Kind[Any], ids: Sequence[str]) -> Mapping[str, Stored]:
        """See ``Store``."""
        return await self._store.get_many(kind, ids)

    async def id_used(self, kind: Kind[Any], id_: str) -> bool:
        """See ``Store``."""
        return await self._store.id_used(kind, id_)

    async def insert(self, kind: Kind[Any], document: Document, cause: Cause = NO_CAUSE, most: int | None = None) -> Stored:
        """See ``Store``."""
        return await self._store.insert(kind, document, cause, most)

    async def update(self, kind: Kind[Any], document: Document, revision: int, cause: Cause = NO_CAUSE) -> Stored:
        """See ``Store``."""
        return await self._store.update(kind, document, revision, cause)

    async def delete(self, kind: Kind[Any], id_: str, revision: int, cause: Cause = NO_CAUSE) -> None:
        """See ``Store``."""
        await self._store.delete(kind, id_, revision, cause)

    async def page(self, kind: Kind[Any], query: Query) -> Page:
        """One page of the resources that the query selects."""
        version = self._version()
        if version is None:
            return await self._store.page(kind, query)
        key = key_of(kind, query)
        page = self.pages.get(version, key)
        if page is None:
            page = await self._store.page(kind, query)
            if version == self._version():  # else it may be of either
                self.pages.put(version, key, page, weight_of(query))
        return page

    def version(self) -> object:
        """See ``Store``."""
        return self._version()

    async def changes(self, after: Mapping[str, int]) -> Mapping[str, Any]:
        """See ``Store``."""
        return await self._store.changes(after)

    def follow(self, follower: Any) -> None:
        """See ``Store``."""
        self._store.follow(follower)

    async def feed(self, kind: Kind[Any], after: int, most: Most = MOST) -> Sequence[Change]:
        """See ``Feed``."""
        return await self._store.feed(kind, after, most)

    async def versions(self, kind: Kind[Any], id_: str, before: int | None = None, most: Most = MOST) -> Sequence[Change]:
        """See ``Feed``."""
        return await self._store.versions(kind, id_, before, most)

    async def version_of(self, kind: Kind[Any], id_: str, version: str) -> Change | None:
        """See ``Feed``."""
        return await self._store.version_of(kind, id_, version)

    async def compact(self, kind: Kind[Any], retention: Retention, now: int) -> int:
        """See ``Feed``."""
        return await self._store.compact(kind, retention, now)

    async def claim(self, claim: Claim) -> Mapping[str, int] | None:
        """See ``Feed``."""
        return await self._store.claim(claim)

    async def advance(self, claim: Claim, done: Mapping[str, int]) -> bool:
        """See ``Feed``."""
        return await self._store.advance(claim, done)

    async def release(self, claim: Claim) -> None:
        """See ``Feed``."""
        await self._store.release(claim)

    async def answer(self, key: bytes) -> Answer | None:
        """See ``Answers``."""
        return await self._store.answer(key)

    async def remember(self, answer: Answer) -> None:
        """See ``Answers``."""
        await self._store.remember(answer)

    async def forget_answers(self, before: int) -> int:
        """See ``Answers``."""
        return await self._store.forget_answers(before)

    async def secret(self) -> bytes:
        """See ``Store``."""
        return await self._store.secret()

    async def check(self) -> Sequence[str]:
        """See ``Store``."""
        return await self._store.check()

    async def repair(self) -> Repairs:
        """See ``Store``."""
        return await self._store.repair()

    async def backup(self, target: Path) -> None:
        """See ``Store``."""
        await self._store.backup(target)

    async def close(self) -> None:
        """See ``Store``."""
        await self._store.close()
        self.entries.clear()
        self.pages.clear()
