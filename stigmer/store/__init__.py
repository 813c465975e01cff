"""The port to whatever keeps documents: the ``Store`` protocol and the values that cross it.

A backend is one file that implements ``Store`` and one test file that hands it to ``stigmer.testing.StoreConformance``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from stigmer.kind import Kind
from stigmer.store.feed import NO_CAUSE, Answers, Cause, Feed
from stigmer.store.selection import BY_CREATION, Condition, Order, Position, Word

__all__ = [
    "BY_CREATION",
    "ENTRY_OVERHEAD",
    "NO_CAUSE",
    "SECRET_BYTES",
    "Cause",
    "Changes",
    "Commit",
    "Condition",
    "Document",
    "Order",
    "Owner",
    "Page",
    "Position",
    "Query",
    "Store",
    "Stored",
    "Visible",
    "Word",
    "fitting",
]

SECRET_BYTES = 32
"""Length of ``Store.secret()``."""

ENTRY_OVERHEAD = 10
"""What an entry of a page costs in bytes beside its wire bytes: its tag and length in the list that carries it."""


class Owner(NamedTuple):
    """Within whom a slug is unique.

    Attributes:
        scope: an ``ApiResourceOwnerScope`` number.
        id: the organization, or the identity account.
    """

    scope: int
    id: str


class Document(NamedTuple):
    """A resource as it is written: what clients get, what people read, and what is indexed, all made from one message.

    Attributes:
        id: unique within the kind for ever, also after a deletion.
        owner: with ``slug`` unique within the kind.
        slug: the resource's name in addresses.
        version: ``metadata.version.id``; may be empty.
        org: ``metadata.org``; may be empty.
        tags: without repetitions.
        labels: indexed as pairs.
        indexed: a value for each column in ``Kind.indexed``, and for the common ones ``name``, ``created_at`` and
            ``updated_at``; times in microseconds since 1970, 0 where there is none.
        json: canonical JSON, maps sorted by key.
        wire: the same message as protobuf bytes; the authority, since JSON has no room for unknown fields.
    """

    id: str
    owner: Owner
    slug: str
    version: str
    org: str
    tags: Sequence[str]
    labels: Mapping[str, str]
    indexed: Mapping[str, str | int]
    json: str
    wire: bytes


class Stored(NamedTuple):
    """A resource as it is read.

    Attributes:
        sequence: place in the order of creation; never given twice.
        revision: changes with each write of the resource; what a conditional write compares.
        wire: protobuf bytes, unchanged since they were written.
    """

    sequence: int
    revision: int
    wire: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Visible:
    """The resources that a caller may see: those of these owners, and these.

    Attributes:
        owners: all that belong to one of them.
        ids: these, whoever they belong to. Ids of resources that do not exist are allowed.
    """

    owners: frozenset[Owner] = frozenset()
    ids: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """What to list.

    Attributes:
        equal: column in ``Kind.indexed`` → the text it must have.
        tags: all of these must be carried.
        visible: only these; None stands for all.
        condition: only what meets it.
        words: only what has all of these in the texts that ``Kind.searched`` names.
        order: of the entries.
        after: only what comes after this position in that order; None from the start.
        limit: at most this many entries, at least 1.
        max_bytes: the page ends before its wire bytes, each entry counted with 10 bytes more, exceed this; but it holds
            one entry at least if there is one.
        as_of: whether the page should tell the number of the last change before it was read.
    """

    equal: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    visible: Visible | None = None
    condition: Condition | None = None
    words: tuple[Word, ...] = ()
    order: Order = BY_CREATION
    after: Position | None = None
    limit: int = 100
    max_bytes: int = 10 * 1024 * 1024
    as_of: bool = False


def fitting(found: Iterable[Stored], query: Query) -> tuple[list[Stored], bool]:
    """As many of ``found``, from its beginning, as a page of ``query`` may hold, and whether there are more."""
    entries: list[Stored] = []
    room = query.max_bytes
    for stored in found:
        room -= len(stored.wire) + ENTRY_OVERHEAD
        if len(entries) >= query.limit or (room < 0 and entries):
            return entries, True
        entries.append(stored)
    return entries, False


class Page(NamedTuple):
    """One page of a query.

    Attributes:
        entries: in the order that was asked for.
        more: whether anything follows the last entry.
        total: how many the whole query selects, whatever ``after`` and ``limit``; of the same moment as the entries.
        end: the position of the last entry; None on an empty page.
        as_of: the number of the last change of the kind that the page shows; None unless the query asks for it.
    """

    entries: Sequence[Stored]
    more: bool
    total: int
    end: Position | None = None
    as_of: int | None = None


class Changes(NamedTuple):
    """What has changed among the resources of a kind.

    Attributes:
        sequences: of the resources that were created, updated or deleted; None when that is too much to tell.
        last: the number of the last change so far.
    """

    sequences: frozenset[int] | None
    last: int


class Commit(NamedTuple):
    """A transaction of this process.

    Attributes:
        before: the store's version that it changed; None when others may have written in between.
        after: the version that it made.
        written: (key of the kind, sequence, the resource as it is now or None) for each that was written, in order.
    """

    before: object
    after: object
    written: Sequence[tuple[str, int, Stored | None]]


class Repairs(NamedTuple):
    """What a repair has come to, in the words of ``Store.check``.

    Attributes:
        mended: what was wrong.
        left: what still is.
    """

    mended: Sequence[str] = ()
    left: Sequence[str] = ()


class Store(Feed, Answers, Protocol):
    """Keeps documents by kind.

    Each write is durable and visible to every reader when it returns, or did not happen when it raises. Cancelling a call
    never leaves half a write: it either stops before it begins or is finished first, and the cancellation comes after.

    Every method may raise ``Unavailable`` (the backend does not answer), ``ResourceExhausted`` (it is full) and ``DataLoss``
    (what it holds is damaged), and nothing else but what its docstring names.
    """

    async def get(self, kind: Kind[Any], id_: str) -> Stored | None:
        """The resource with this id, compared by case, or None."""

    async def get_many(self, kind: Kind[Any], ids: Sequence[str]) -> Mapping[str, Stored]:
        """Those of the resources with these ids that exist, by id, as they were at one moment. No id may be given twice."""

    async def find(self, kind: Kind[Any], owner: Owner, slug: str) -> Stored | None:
        """The resource with this slug within this owner, or None."""

    async def id_used(self, kind: Kind[Any], id_: str) -> bool:
        """Whether a resource has this id or ever had."""

    async def insert(self, kind: Kind[Any], document: Document, cause: Cause = NO_CAUSE, most: int | None = None) -> Stored:
        """Writes a new resource; ``most`` is how many of the kind its owner may have then.

        Raises:
            KeyUsed: there is an answer with the key of ``cause.answer``; this write, as every other, then does nothing.
            IdTaken: a resource has this id, or ever had.
            SlugTaken: another resource of the owner has the slug, and the id is free.
            OwnerFull: the owner has ``most`` already, and neither id nor slug is taken.
        """

    async def update(self, kind: Kind[Any], document: Document, revision: int, cause: Cause = NO_CAUSE) -> Stored:
        """Replaces the resource with the document's id. Owner and slug are those it was inserted with.

        Raises:
            KeyUsed: as with ``insert``.
            Stale: its revision is not ``revision``, or it is gone.
        """

    async def delete(self, kind: Kind[Any], id_: str, revision: int, cause: Cause = NO_CAUSE) -> None:
        """Removes a resource; its id stays used, its slug becomes free.

        Raises:
            KeyUsed: as with ``insert``.
            Stale: its revision is not ``revision``, or it is gone.
        """

    async def page(self, kind: Kind[Any], query: Query) -> Page:
        """One page of the resources that the query selects."""

    def version(self) -> object:
        """Changes with each write of anybody, before that is acknowledged: when two are equal, nothing was written in between.

        Costs less than a microsecond. None when the store cannot tell.
        """

    async def changes(self, after: Mapping[str, int]) -> Mapping[str, Changes]:
        """What has changed since: key of a kind → number of a change → what came after that; -1 stands for any number."""

    def follow(self, follower: Callable[[Commit], None]) -> None:
        """Calls ``follower`` in the event loop for each transaction of this process, before any of its writes returns."""

    async def secret(self) -> bytes:
        """32 random bytes, made when the store was: the same for every process and after every restart."""

    async def check(self) -> Sequence[str]:
        """Reads everything and names what is wrong, one line each; empty when all is well.

        Looks for damaged rows, indexes that disagree with them, and JSON that disagrees with the wire bytes.
        """

    async def repair(self) -> Repairs:
        """Mends what one copy of a resource still has when another one is damaged, and indexes; writes wait meanwhile.

        What cannot be mended stays as it is, and reads of it raise DataLoss. If entries of the feed are lost it begins after
        the newest one: who follows it gets Compacted, and begins again.
        """

    async def backup(self, target: Path) -> None:
        """Writes a copy of one moment, while the store serves, to a file that does not exist yet.

        Raises:
            ConfigurationError: ``target`` exists or cannot be written, or this store has nothing to copy to a file.
        """

    async def close(self) -> None:
        """Finishes what is under way and lets go of everything. Calling it twice does nothing; other calls are Unavailable."""
