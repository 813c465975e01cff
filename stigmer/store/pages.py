"""What a cache remembers of lists: whole pages, all as they were in one version of a store, bounded by their bytes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from stigmer.kind import Kind
from stigmer.store import Page, Query

ENTRY_BYTES, PAGE_BYTES = 150, 600
"""What an entry, and a page, take beside wire bytes, by measurement."""
_CHARACTER_BYTES, _SEEN_BYTES = 8, 150


def key_of(kind: Kind[Any], query: Query) -> Hashable:
    """What two queries have in common if they ask for the same."""
    equal = tuple(sorted(query.equal.items()))
    selected = (kind.key, equal, query.tags, query.visible, query.condition, query.words)
    return *selected, query.order, query.after, query.limit, query.max_bytes, query.as_of


def weight_of(query: Query) -> int:
    """Bytes that a query takes itself, and generously: clients can make it as long as a message."""
    told = (query.condition, query.tags, query.words, tuple(query.equal.items()), query.after)
    seen = 0 if query.visible is None else len(query.visible.owners) + len(query.visible.ids)
    return (_CHARACTER_BYTES * len(repr(told)) if any(told) else 0) + _SEEN_BYTES * seen


class Pages:
    """Pages by what was asked for. A write by anybody makes all of them old; for want of room the oldest go.

    Attributes:
        hits: how often a page was there.
        misses: how often it had to be read.
        size: bytes that are in use.
    """

    def __init__(self, max_bytes: int) -> None:
        self.hits = self.misses = self.size = 0
        self._max_bytes = max_bytes
        self._version: object = None
        self._pages: dict[Hashable, tuple[Page, int]] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, version: object, key: Hashable) -> Page | None:
        """The page, if it is there in this version of the store, which is that of now."""
        if version != self._version:
            self.clear()
            self._version = version
        found = self._pages.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        return found[0]

    def put(self, version: object, key: Hashable, page: Page, weight: int = 0) -> None:
        """Adds a page, unless it is of another version than those that are there; ``weight`` is what its key takes."""
        size = PAGE_BYTES + weight + sum(len(stored.wire) + ENTRY_BYTES for stored in page.entries)
        if version != self._version or size > self._max_bytes or key in self._pages:
            return
        self._pages[key] = page, size
        self.size += size
        while self.size > self._max_bytes:
            self.size -= self._pages.pop(next(iter(self._pages)))[1]

    def clear(self) -> None:
        """Lets all pages go."""
        self._pages.clear()
        self.size = 0
