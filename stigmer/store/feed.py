"""The change feed's part of the port: every write of a resource, in order, as long as it is kept; and who follows it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from stigmer.kind import Kind


class Event(enum.IntEnum):
    """What happened to a resource."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3


class Answer(NamedTuple):
    """What was answered to a request that may be repeated.

    Attributes:
        key: 32 bytes that stand for the caller, the operation and the key that the client gave.
        request: 32 bytes that stand for the request message.
        wire: the answer.
        time: when, in microseconds since 1970.
    """

    key: bytes
    request: bytes
    wire: bytes
    time: int


class Cause(NamedTuple):
    """Why something is written: what the feed tells beside the resource.

    Attributes:
        actor: id of the caller.
        trace: W3C ``traceparent`` of the call; empty without one.
        time: in microseconds since 1970; 0 stands for when the document says that it was updated.
        answer: is remembered in the same transaction.
    """

    actor: str = ""
    trace: str = ""
    time: int = 0
    answer: Answer | None = None


NO_CAUSE = Cause()


class Change(NamedTuple):
    """A write of a resource.

    Attributes:
        number: of the change among those of its kind; one more than that of the change before.
        event: what happened.
        sequence: of the resource.
        revision: that the resource has since; of a deletion, that it had.
        id: of the resource.
        version: ``metadata.version.id`` of what the resource is since; of a deletion, of what it was; may be empty.
        time: in microseconds since 1970.
        actor: id of the caller; may be empty.
        trace: W3C ``traceparent`` of the call; may be empty.
        wire: the resource as it is since; of a deletion, as it was.
        before: the resource as it was before; None when it was created.
    """

    number: int
    event: Event
    sequence: int
    revision: int
    id: str
    version: str
    time: int
    actor: str
    trace: str
    wire: bytes
    before: bytes | None


class Retention(NamedTuple):
    """How much of the feed is kept.

    Attributes:
        changes: so many of the newest.
        seconds: none that are older.
        versions: so many versions of each resource beside those that the feed still tells of, at least 1; the history of a
            resource ends with it.
    """

    changes: int
    seconds: float
    versions: int


class Most(NamedTuple):
    """How much is read at once: so many changes, and no more than have so many bytes; but one at least if there is one."""

    changes: int = 256
    bytes: int = 4 * 1024 * 1024


MOST = Most()


class Claim(NamedTuple):
    """Somebody works for a consumer of the feed, and nobody else does meanwhile.

    Attributes:
        consumer: its name.
        holder: who works.
        now: in microseconds since 1970.
        seconds: how long nobody else may.
    """

    consumer: str
    holder: str
    now: int
    seconds: float

    @property
    def until(self) -> int:
        """When it ends, in microseconds since 1970."""
        return self.now + int(self.seconds * 1_000_000)


class Feed(Protocol):
    """Tells of every write, once, in the order of the transactions. A part of ``Store``.

    A change is written in the transaction of the write that it tells of: neither is there without the other.
    """

    async def feed(self, kind: Kind[Any], after: int, most: Most = MOST) -> Sequence[Change]:
        """The changes that follow the one with the number ``after``, which may be 0: in order, without gaps.

        Raises:
            Compacted: not all of them are kept any more, or the store has never told so many.
        """

    async def versions(self, kind: Kind[Any], id_: str, before: int | None = None, most: Most = MOST) -> Sequence[Change]:
        """The states of a resource that is there: the newest first; only those whose number is below ``before``.

        ``Change.before`` is always None here.
        """

    async def version_of(self, kind: Kind[Any], id_: str, version: str) -> Change | None:
        """The state of a resource that is there which had this version; ``Change.before`` is always None here."""

    async def compact(self, kind: Kind[Any], retention: Retention, now: int) -> int:
        """Removes some of what need not be kept, at the time ``now`` in microseconds; 0 when it has come to its end.

        Otherwise it gives how many changes may be left to do.

        What a consumer that was active within ``retention.seconds`` has not done yet is kept.
        """

    async def claim(self, claim: Claim) -> Mapping[str, int] | None:
        """Makes a claim, or makes it last longer. A consumer that is new begins after the last change.

        Gives, by key of a kind, the number of the change up to which everything is done; None while it is somebody else's.
        """

    async def advance(self, claim: Claim, done: Mapping[str, int]) -> bool:
        """Everything up to these numbers is done, and the claim lasts longer.

        False, and nothing is noted, when it was lost.
        """

    async def release(self, claim: Claim) -> None:
        """Ends a claim, if it is still the holder's."""


class Answers(Protocol):
    """Remembers answers, so that a repeated request gets the first one. A part of ``Store``."""

    async def answer(self, key: bytes) -> Answer | None:
        """What was answered to the request with this key, or None."""

    async def remember(self, answer: Answer) -> None:
        """Remembers the answer to a request that has written nothing.

        Raises:
            KeyUsed: there is one with its key.
        """

    async def forget_answers(self, before: int) -> int:
        """Forgets some of those that were given before this time, in microseconds since 1970; gives how many."""
