"""What a cache remembers: resources by every key they were asked for with, bounded by their bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from stigmer.store import Owner, Stored

Key: TypeAlias = tuple[str, str] | tuple[str, Owner, str]
"""(kind, id) or (kind, owner, slug)."""
Place: TypeAlias = tuple[str, int]
"""(kind, sequence): which resource it is, whatever it was asked for with."""

OVERHEAD = 700
"""Bytes that an entry takes beside its wire bytes, by measurement: keys, objects and places in dictionaries."""


class _Entry:
    __slots__ = ("keys", "size", "stored", "used")

    def __init__(self, stored: Stored) -> None:
        self.keys: list[Key] = []
        self.stored = stored
        self.size = _size(stored)
        self.used = False


class Entries:
    """Resources, the least of them forgotten when there are too many: those that nobody asked for since they came up last.

    Attributes:
        hits: how often a resource was there.
        misses: how often it had to be read.
        dropped: entries that were let go because of a change.
        evicted: entries that were let go for want of room.
        size: bytes that are in use.
    """

    def __init__(self, max_bytes: int) -> None:
        self.hits = self.misses = self.dropped = self.evicted = self.size = 0
        self._max_bytes = max_bytes
        self._keys: dict[Key, _Entry] = {}
        self._places: OrderedDict[Place, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: Key) -> Stored | None:
        """The resource, if it is there."""
        entry = self._keys.get(key)
        if entry is None:
            return None
        entry.used = True
        self.hits += 1
        return entry.stored

    def put(self, key: Key, stored: Stored) -> None:
        """Adds a resource that was asked for with ``key``, or one more key for it."""
        place = (key[0], stored.sequence)
        entry = self._places.get(place)
        if entry is None:
            entry = self._places[place] = _Entry(stored)
            self.size += entry.size
        else:
            self._replace(entry, stored)
        if key not in self._keys:
            entry.keys.append(key)
            self._keys[key] = entry
        self._make_room()

    def renew(self, place: Place, stored: Stored | None) -> None:
        """Puts what was written in place of what is there; nothing is added for a resource that nobody asked for."""
        if stored is None:
            self.drop(place)
            return
        entry = self._places.get(place)
        if entry is not None:
            self._replace(entry, stored)
            self._make_room()

    def drop(self, place: Place) -> None:
        """Lets a resource go since it has changed."""
        if self._remove(place):
            self.dropped += 1

    def clear(self, kind: str | None = None) -> None:
        """Lets all resources go, or all of one kind."""
        for place in [place for place in self._places if kind in {None, place[0]}]:
            self.drop(place)

    def _replace(self, entry: _Entry, stored: Stored) -> None:
        size = _size(stored)
        self.size += size - entry.size
        entry.stored, entry.size = stored, size

    def _make_room(self) -> None:
        while self.size > self._max_bytes and self._places:
            place, entry = next(iter(self._places.items()))
            if entry.used and entry.size <= self._max_bytes:
                entry.used = False
                self._places.move_to_end(place)
            else:
                self._remove(place)
                self.evicted += 1

    def _remove(self, place: Place) -> bool:
        entry = self._places.pop(place, None)
        if entry is None:
            return False
        self.size -= entry.size
        for key in entry.keys:
            del self._keys[key]
        return True


def _size(stored: Stored) -> int:
    return len(stored.wire) + OVERHEAD
