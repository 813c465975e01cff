"""Makes OpenFGA's tuples and the stored resources agree again, after crashes and failures."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from stigmer import ConfigurationError, Kind, Query, Store, Stored
from stigmer.steps import Existing
from stigmer_openfga.client import Client, Held
from stigmer_openfga.names import entity, id_of, type_of
from stigmer_openfga.policies import policies_of

GRACE_NS = 60 * 1_000_000_000
"""A resource of which OpenFGA knows, but the store does not yet, may be about to be stored: it is given this long."""

_PAGE = 500


@dataclasses.dataclass
class Report:
    """What was found, and done unless it was a dry run.

    Attributes:
        resources: how many are stored.
        restored: tuples that stored resources had lost.
        removed: tuples of resources that are gone or never came to be.
        waiting: tuples of resources that may be about to be stored.
        ownerless: stored resources that nobody made: they are from a time when callers were not told apart.
    """

    resources: int = 0
    restored: int = 0
    removed: int = 0
    waiting: int = 0
    ownerless: int = 0


class Reconciliation:
    """One run over the kinds that the store keeps and the model knows.

    Args:
        client: of OpenFGA.
        store: the only store whose resources this OpenFGA store is about.
        dry: look, but change nothing.
        now_ns: the time in nanoseconds since the Unix epoch. OpenFGA's clock must not be off by much of the grace.
    """

    def __init__(self, client: Client, store: Store, *, dry: bool = False, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._client = client
        self._store = store
        self._now_ns = now_ns
        self._dry = dry
        self.report = Report()

    async def run(self, kinds: Iterable[Kind[Any]]) -> Report:
        """Repairs what is to be repaired.

        Raises:
            ConfigurationError: the store is empty although OpenFGA knows resources: it is another one's store.
            StigmerError: OpenFGA or the store does not answer; running it again goes on.
        """
        held = await self._held()
        for kind in kinds:
            known = held.get(kind.key, {})
            there = {id_ async for id_ in self._restored(kind, known)}
            self.report.resources += len(there)
            await self._clean(kind, [id_ for id_ in known if id_ not in there], empty=not there)
        return self.report

    async def _restored(self, kind: Kind[Any], known: Mapping[str, frozenset[str]]) -> AsyncIterator[str]:
        """The ids of all that is stored, each after it has what it must have."""
        async for stored in self._stored(kind):
            state = Existing.of(kind, stored).message
            await self._restore(kind, state, known.get(state.metadata.id, frozenset()))
            yield state.metadata.id

    async def _clean(self, kind: Kind[Any], ids: Sequence[str], *, empty: bool) -> None:
        """Takes away what ``ids`` have, which were not there."""
        found = {id_: tuples for id_ in ids if (tuples := await self._left_over(kind, id_))}
        if empty and found and not await self._was_ours(kind, found):
            raise ConfigurationError(f"the store holds no {kind.key}, but OpenFGA knows {len(found)}: is it the right store?")
        for id_, tuples in found.items():
            self.report.removed += len(tuples)
            if not self._dry:
                await self._client.delete([held.relation for held in tuples])
                await self._came_late(kind, id_)

    async def _held(self) -> dict[str, dict[str, frozenset[str]]]:
        """The relations that each object has at least one of, by type and id."""
        found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        async for relation, _ in self._client.read():
            ids, id_ = found[type_of(relation.object)], id_of(relation.object)
            ids[id_] = ids.get(id_, frozenset()) | {relation.relation}
        return found

    async def _stored(self, kind: Kind[Any]) -> AsyncIterator[Stored]:
        after, more = None, True
        while more:
            page = await self._store.page(kind, Query(after=after, limit=_PAGE))
            for stored in page.entries:
                yield stored
            after, more = page.end, page.more

    async def _restore(self, kind: Kind[Any], state: Any, relations: frozenset[str]) -> None:
        """Gives a resource what it must have and has none of. An owner that somebody chose is left."""
        wanted = policies_of(kind.key, state)
        self.report.ownerless += not any(relation.relation == "owner" for relation in wanted)
        missing = [relation for relation in wanted if relation.relation not in relations]
        if missing:
            has = {held.relation.relation for held in await self._tuples(missing[0].object)}
            missing = [relation for relation in missing if relation.relation not in has]
        if missing and await self._store.get(kind, state.metadata.id) is not None:
            self.report.restored += len(missing)
            if not self._dry:
                await self._client.write(missing)

    async def _left_over(self, kind: Kind[Any], id_: str) -> list[Held]:
        """What ``id_`` has although it is not there; looks again, since the world has moved on."""
        object_ = entity(kind.key, id_)
        if object_ is None or await self._store.get(kind, id_) is not None:
            return []
        tuples = await self._tuples(object_)
        young = any(held.written_ns > self._now_ns() - GRACE_NS for held in tuples)
        if young and not await self._store.id_used(kind, id_):
            self.report.waiting += len(tuples)
            return []
        return tuples

    async def _came_late(self, kind: Kind[Any], id_: str) -> None:
        """A resource that was stored in that very moment, after a minute of hesitation, gets its tuples back."""
        stored = await self._store.get(kind, id_)
        if stored is not None:
            await self._client.write(policies_of(kind.key, Existing.of(kind, stored).message))

    async def _was_ours(self, kind: Kind[Any], ids: Iterable[str]) -> bool:
        """Whether this store ever kept one of them."""
        for id_ in ids:
            if await self._store.id_used(kind, id_):
                return True
        return False

    async def _tuples(self, object_: str) -> list[Held]:
        return [held async for held in self._client.read(object_)]
