"""What a watcher watches, and what a change is to it."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, NamedTuple

from stigmer.errors import DataLoss, Undecodable
from stigmer.kind import Kind
from stigmer.ownership import owner_of_state
from stigmer.payload import decode
from stigmer.store import Condition, Document, Query, Visible, Word
from stigmer.store.document import described
from stigmer.store.evaluate import has_words, meets
from stigmer.store.feed import Change, Event


class Happening(enum.IntEnum):
    """What a change is to a watcher; the numbers are those on the wire."""

    ADDED = 1
    MODIFIED = 2
    DELETED = 3
    BOOKMARK = 4


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which resources are watched.

    Attributes:
        equal: (column, text) that they must have.
        tags: all of these must be carried.
        condition: only what meets it.
        words: only what has all of these.
        visible: only these; None stands for all.
    """

    equal: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    condition: Condition | None = None
    words: tuple[Word, ...] = ()
    visible: Visible | None = None

    def query(self) -> Query:
        """The same as a list."""
        return Query(
            equal=dict(self.equal), tags=self.tags, condition=self.condition, words=self.words, visible=self.visible, as_of=True
        )

    def has(self, kind: Kind[Any], document: Document) -> bool:
        """Whether the resource is watched."""
        return (
            (self.visible is None or document.owner in self.visible.owners or document.id in self.visible.ids)
            and set(self.tags) <= set(document.tags)
            and all(document.indexed[column] == text for column, text in self.equal)
            and meets(document, self.condition)
            and (not self.words or has_words(document, kind.searched, self.words))
        )


class Told(NamedTuple):
    """A change, with what the resource was before and what it is since; None where it was not there, or is not."""

    change: Change
    before: Document | None
    after: Document | None

    @classmethod
    def of(cls, kind: Kind[Any], change: Change) -> Told:
        """``change``, decoded once for everybody.

        Raises:
            DataLoss: what is stored is no message of the kind.
        """
        before = None if change.before is None else decoded(kind, change.before)
        return cls(change, before, None if change.event is Event.DELETED else decoded(kind, change.wire))

    def to(self, kind: Kind[Any], selection: Selection) -> Happening | None:
        """What the change is to who watches ``selection``; None when it is nothing."""
        was = self.before is not None and selection.has(kind, self.before)
        is_ = self.after is not None and selection.has(kind, self.after)
        if is_:
            return Happening.MODIFIED if was else Happening.ADDED
        return Happening.DELETED if was else None


def decoded(kind: Kind[Any], wire: bytes) -> Document:
    """What a stored resource is selected by.

    Raises:
        DataLoss: what is stored is no message of the kind.
    """
    try:
        message = decode(kind.message, wire)
    except Undecodable as error:
        raise DataLoss(f"a stored {kind.key} is damaged") from error
    return described(kind, message, owner_of_state(message))
