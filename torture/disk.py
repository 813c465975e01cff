"""A disk that forgets: what was written to it since the last sync may be there after the power was cut, or not, or in part."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Literal, TypeAlias

from sqlite_vfs import OK, Watcher

SECTOR = 512
"""Bytes that a disk writes whole."""


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """Bytes were written."""

    path: Path
    offset: int
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Truncated:
    """A file was cut to a size, in bytes."""

    path: Path
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """What was done to a file before is durable."""

    path: Path


@dataclasses.dataclass(frozen=True, slots=True)
class Deleted:
    """A file was removed; ``durable`` when the folder was synced too."""

    path: Path
    durable: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """A client has asked for a write: ``revision`` is what the resource has after it, 0 when it is to be gone."""

    id: str
    revision: int


@dataclasses.dataclass(frozen=True, slots=True)
class Acknowledged:
    """A client was told that the write is done."""

    id: str
    revision: int


Change: TypeAlias = Written | Truncated
Event: TypeAlias = Change | Synced | Deleted | Begun | Acknowledged


class Recorder(Watcher):
    """Writes down everything that happens to files, in its order.

    Attributes:
        events: what has happened; clients add what they have asked for and been told.
    """

    real_sync = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """See ``Watcher``."""
        self.events.append(Written(path, offset, data))
        return OK

    def truncate(self, path: Path, size: int) -> int:
        """See ``Watcher``."""
        self.events.append(Truncated(path, size))
        return OK

    def sync(self, path: Path) -> int:
        """See ``Watcher``."""
        self.events.append(Synced(path))
        return OK

    def delete(self, path: Path, *, durably: bool) -> int:
        """See ``Watcher``."""
        self.events.append(Deleted(path, durably))
        return OK


class Disk:
    """What is durable of some files, and what has been done to them since."""

    def __init__(self, files: dict[Path, bytes]) -> None:
        """``files`` are there durably."""
        self._durable = {path: bytearray(content) for path, content in files.items()}
        self._since: dict[Path, list[Change | Deleted]] = {}

    def happen(self, event: Written | Truncated | Synced | Deleted) -> None:
        """Goes on by one event."""
        match event:
            case Synced(path):
                content = self._durable.get(path, bytearray())
                for change in self._since.pop(path, []):
                    content = _changed(content, change)
                self._durable[path] = content
            case Deleted(path, durable=True):
                self._durable.pop(path, None)
                self._since.pop(path, None)
            case _:
                self._since.setdefault(event.path, []).append(event)

    def killed(self) -> dict[Path, bytes]:
        """What is there when only the process has died: everything."""
        found = {path: bytearray(content) for path, content in self._durable.items()}
        for path, changes in self._since.items():
            for change in changes:
                if isinstance(change, Deleted):
                    found.pop(path, None)
                else:
                    found[path] = _changed(found.get(path, bytearray()), change)
        return {path: bytes(content) for path, content in found.items()}

    def cut(self, chance: random.Random) -> dict[Path, bytes]:
        """What is there when the power comes back."""
        mood: Literal["none", "first", "any", "torn", "all"] = chance.choice(("none", "first", "any", "torn", "all"))
        found = {path: bytearray(content) for path, content in self._durable.items()}
        for path, changes in self._since.items():
            if mood == "none" or (path not in found and chance.random() < 0.3):
                continue
            content = found.get(path, bytearray())
            keep = chance.randrange(len(changes) + 1)
            for number, change in enumerate(changes):
                if mood == "all" or (mood == "first" and number < keep) or (mood == "any" and chance.random() < 0.5):
                    content = _changed(content, change)
                elif mood == "torn":
                    for part in _torn(change, chance):
                        content = _changed(content, part)
            found[path] = content
        return {path: bytes(content) for path, content in found.items()}


def _changed(content: bytearray, change: Change | Deleted) -> bytearray:
    match change:
        case Written(_, offset, data):
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        case Truncated(_, size):
            del content[size:]
        case Deleted():
            content.clear()
    return content


def _torn(change: Change | Deleted, chance: random.Random) -> list[Change | Deleted]:
    """Some of the sectors of a write, in any order; all or nothing of what else there is."""
    if not isinstance(change, Written):
        return [change] if chance.random() < 0.5 else []
    parts: list[Change | Deleted] = []
    at = 0
    while at < len(change.data):
        end = min(len(change.data), (change.offset + at) // SECTOR * SECTOR + SECTOR - change.offset)
        if chance.random() < 0.6:
            parts.append(Written(change.path, change.offset + at, change.data[at:end]))
        at = end
    chance.shuffle(parts)
    return parts
