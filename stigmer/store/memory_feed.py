"""The change feed of a store in memory: a part of ``MemoryStore``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stigmer.errors import Compacted, KeyUsed
from stigmer.kind import Kind
from stigmer.store import Cause, Document, Stored
from stigmer.store.feed import MOST, Answer, Change, Claim, Event, Most, Retention

_MOST = 1000
_TOGETHER = 200
_MICROSECONDS = 1_000_000


class Log:
    """The changes of one kind, by number. Those up to ``compacted`` are history: some of them are gone."""

    def __init__(self) -> None:
        self.last = self.compacted = 0
        self._kept: dict[int, Change] = {}
        self._newest: dict[int, int] = {}

    def append(self, event: Event, document: Document, stored: Stored, cause: Cause) -> None:
        """Tells of a write."""
        self.last += 1
        before = self._kept.get(self._newest.get(stored.sequence, 0))
        change = Change(
            number=self.last,
            event=event,
            sequence=stored.sequence,
            revision=stored.revision,
            id=document.id,
            version=document.version,
            time=cause.time or (0 if event is Event.DELETED else int(document.indexed["updated_at"])),
            actor=cause.actor,
            trace=cause.trace,
            wire=stored.wire,
            before=before.wire if before else None,
        )
        self._kept[self.last] = change
        self._newest[stored.sequence] = self.last

    def sequences_after(self, number: int) -> frozenset[int] | None:
        """Of the resources that were changed; None when that is too much to tell, or no longer known."""
        if not max(self.compacted, self.last - _MOST) <= number <= self.last:
            return None
        return frozenset(self._kept[each].sequence for each in range(number + 1, self.last + 1))

    def after(self, number: int) -> Iterator[Change]:
        """The changes after this one.

        Raises:
            Compacted: not all of them are kept, or there never were so many.
        """
        if not self.compacted <= number <= self.last:
            raise Compacted(self.compacted)
        return (self._kept[each] for each in range(number + 1, self.last + 1))

    def of(self, sequence: int) -> list[Change]:
        """The states of a resource, the newest first."""
        return [change._replace(before=None) for change in reversed(self._kept.values()) if change.sequence == sequence]

    def compact(self, retention: Retention, oldest: int, end: int) -> int:
        """See ``Feed.compact``; nothing after ``end`` is dealt with."""
        end = min(end, self.last - 1)
        for number in range(self.compacted + 1, min(end, self.compacted + _TOGETHER) + 1):
            if number > self.last - retention.changes and self._kept[number].time >= oldest:
                end = self.compacted
                break
            self.compacted = number
            self._shorten(self._kept[number].sequence, retention.versions)
        return max(0, end - self.compacted)

    def _shorten(self, sequence: int, versions: int) -> None:
        numbers = [number for number, change in self._kept.items() if change.sequence == sequence and number <= self.compacted]
        gone = self._kept[numbers[-1]].event is Event.DELETED
        for number in numbers if gone else numbers[:-versions]:
            del self._kept[number]


@dataclasses.dataclass(slots=True)
class _Consumer:
    holder: str = ""
    until: int = 0
    done: dict[str, int] = dataclasses.field(default_factory=dict)


class MemoryFeed:
    """Tells of every write, and remembers answers. See ``stigmer.store.feed``."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Answer] = {}
        self._consumers: dict[str, _Consumer] = {}

    def _log(self, kind: Kind[Any]) -> Log:
        raise NotImplementedError

    def _logs(self) -> Mapping[str, Log]:
        raise NotImplementedError

    def _sequence(self, kind: Kind[Any], id_: str) -> int | None:
        raise NotImplementedError

    def _check_open(self) -> None:
        raise NotImplementedError

    async def feed(self, kind: Kind[Any], after: int, most: Most = MOST) -> Sequence[Change]:
        """The changes that follow the one with the number ``after``; raises Compacted."""
        return _fitting(self._log(kind).after(after), most)

    async def versions(self, kind: Kind[Any], id_: str, before: int | None = None, most: Most = MOST) -> Sequence[Change]:
        """The states of a resource that is there, the newest first."""
        found = (each for each in self._history(kind, id_) if before is None or each.number < before)
        return _fitting(found, most)

    async def version_of(self, kind: Kind[Any], id_: str, version: str) -> Change | None:
        """The state of a resource that is there which had this version."""
        return next((change for change in self._history(kind, id_) if change.version == version), None)

    def _history(self, kind: Kind[Any], id_: str) -> list[Change]:
        sequence = self._sequence(kind, id_)
        return [] if sequence is None else self._log(kind).of(sequence)

    async def compact(self, kind: Kind[Any], retention: Retention, now: int) -> int:
        """Removes some of what need not be kept; gives how many changes are left to do."""
        log, oldest = self._log(kind), now - int(retention.seconds * _MICROSECONDS)
        done = [consumer.done[kind.key] for consumer in self._consumers.values() if consumer.until >= oldest]
        return log.compact(retention, oldest, min([log.last, *done]))

    async def claim(self, claim: Claim) -> Mapping[str, int] | None:
        """Makes a claim, or makes it last longer."""
        self._check_open()
        found = self._consumers.setdefault(claim.consumer, _Consumer())
        if found.holder != claim.holder and found.until > claim.now:
            return None
        found.holder, found.until = claim.holder, claim.until
        found.done = {**{key: log.last for key, log in self._logs().items()}, **found.done}
        return dict(found.done)

    async def advance(self, claim: Claim, done: Mapping[str, int]) -> bool:
        """Everything up to these numbers is done; False when the claim was lost."""
        self._check_open()
        found = self._consumers.get(claim.consumer)
        if found is None or found.holder != claim.holder or found.until <= claim.now:
            return False
        found.done |= done
        found.until = claim.until
        return True

    async def release(self, claim: Claim) -> None:
        """Ends a claim."""
        self._check_open()
        found = self._consumers.get(claim.consumer)
        if found is not None and found.holder == claim.holder:
            found.until = 0

    async def answer(self, key: bytes) -> Answer | None:
        """What was answered to the request with this key, or None."""
        self._check_open()
        return self._answers.get(key)

    async def remember(self, answer: Answer) -> None:
        """Remembers the answer to a request that has written nothing; raises KeyUsed."""
        self._check_open()
        cause = Cause(answer=answer)
        self._check_unused(cause)
        self._remember(cause)

    async def forget_answers(self, before: int) -> int:
        """Forgets those that were given before this time; gives how many."""
        self._check_open()
        old = [key for key, answer in self._answers.items() if answer.time < before]
        for key in old:
            del self._answers[key]
        return len(old)

    def _check_unused(self, cause: Cause) -> None:
        if cause.answer is not None and cause.answer.key in self._answers:
            raise KeyUsed

    def _remember(self, cause: Cause) -> None:
        if cause.answer is not None:
            self._answers[cause.answer.key] = cause.answer


def _fitting(changes: Iterable[Change], most: Most) -> list[Change]:
    found: list[Change] = []
    room = most.bytes
    for change in changes:
        room -= len(change.wire) + len(change.before or b"")
        if len(found) >= most.changes or (room < 0 and found):
            break
        found.append(change)
    return found
