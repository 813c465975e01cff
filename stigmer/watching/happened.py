"""What a watcher hears of."""

from __future__ import annotations

from typing import Any, NamedTuple

from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.errors import DataLoss
from stigmer.kind import Kind
from stigmer.store import Document, Owner, Visible
from stigmer.watching.selection import Happening, Told


class Happened(NamedTuple):
    """Something that a watcher hears of.

    Attributes:
        happening: what.
        wire: the resource: as it is since, and when it is gone as it was; empty in a bookmark.
        number: of the change up to which everything has been told; None when more belongs to it that has not.
        time: in microseconds since 1970; 0 when it is not known.
        id: of the resource.
        owner: of the resource; None when it is not told any more.
    """

    happening: Happening
    wire: bytes
    number: int | None
    time: int = 0
    id: str = ""
    owner: Owner | None = None

    @classmethod
    def of(cls, told: Told, happening: Happening) -> Happened:
        """A change, to somebody to whom it is ``happening``."""
        change = told.change
        gone = happening is Happening.DELETED
        document, wire = (told.before, change.before) if gone else (told.after, change.wire)
        if document is None or wire is None:
            raise DataLoss("a stored change is damaged")
        return cls(happening, wire, change.number, change.time, document.id, document.owner)

    @classmethod
    def added(cls, document: Document, wire: bytes) -> Happened:
        """Something that is there, told to somebody who has not seen it."""
        return cls(Happening.ADDED, wire, None, 0, document.id, document.owner)

    @classmethod
    def lost(cls, kind: Kind[Any], id_: str) -> Happened:
        """Something that the watcher may not see any more: what it is now is nothing to tell."""
        message = kind.message(metadata=ApiResourceMetadata(id=id_))
        return cls(Happening.DELETED, message.to_binary(), None, 0, id_)

    @classmethod
    def bookmark(cls, number: int) -> Happened:
        """Nothing; everything up to ``number`` has been told."""
        return cls(Happening.BOOKMARK, b"", number)

    def is_visible(self, visible: Visible) -> bool:
        """Whether the resource is among those."""
        return self.id in visible.ids or self.owner in visible.owners
