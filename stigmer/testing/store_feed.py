"""What holds for every store's change feed: each sentence of ``stigmer.store.feed`` is a test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stigmer.errors import Compacted, IdTaken, KeyUsed, Stale
from stigmer.session.kind import SESSION
from stigmer.store import Cause, Query, Store
from stigmer.store.feed import Answer, Change, Claim, Event, Most, Retention
from stigmer.testing.stored import OTHER, make_stored_session

WRITERS = 64
LONG = 3600.0
SECOND = 1_000_000
ANSWER = Answer(b"k" * 32, b"r" * 32, b"answer", 5)


async def every_change(store: Store, after: int = 0) -> list[Change]:
    """All that the feed tells after a number, a few at a time."""
    found: list[Change] = []
    while some := await store.feed(SESSION, found[-1].number if found else after, Most(changes=7)):
        found += some
    return found


def numbers(changes: Sequence[Change]) -> list[int]:
    """Their numbers."""
    return [change.number for change in changes]


@pytest.mark.asyncio
class FeedConformance:
    """A part of ``StoreConformance``."""

    async def test_each_write_is_told(self, store: Store) -> None:
        """What happened, to what, when, by whom, and what it was before; nothing is told of another kind."""
        document = make_stored_session("ses-1", version="ver-1", updated=7)
        first = await store.insert(SESSION, document, Cause(actor="ann", trace="00-1-2-01"))
        await store.insert(OTHER, make_stored_session("agt-1", kind=OTHER))
        newer = make_stored_session("ses-1", version="ver-2", subject="new", updated=8)
        second = await store.update(SESSION, newer, first.revision, Cause(actor="bob"))
        await store.delete(SESSION, "ses-1", second.revision, Cause(actor="eve", time=9))
        one, two, three = await every_change(store)
        same: dict[str, Any] = {"sequence": first.sequence, "id": "ses-1"}
        assert one == Change(
            number=1, event=Event.CREATED, revision=first.revision, version="ver-1", time=7, actor="ann", trace="00-1-2-01",
            wire=document.wire, before=None, **same,
        )  # fmt: skip
        assert two == Change(
            number=2, event=Event.UPDATED, revision=second.revision, version="ver-2", time=8, actor="bob", trace="",
            wire=newer.wire, before=document.wire, **same,
        )  # fmt: skip
        assert three == Change(
            number=3, event=Event.DELETED, revision=second.revision, version="ver-2", time=9, actor="eve", trace="",
            wire=newer.wire, before=newer.wire, **same,
        )  # fmt: skip

    async def test_what_was_refused_is_not_told(self, store: Store) -> None:
        """A write that raised leaves no change behind."""
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        with pytest.raises(IdTaken):
            await store.insert(SESSION, make_stored_session("ses-1"))
        with pytest.raises(Stale):
            await store.update(SESSION, make_stored_session("ses-1"), stored.revision + 1)
        with pytest.raises(Stale):
            await store.delete(SESSION, "ses-2", 1)
        assert numbers(await every_change(store)) == [1]

    async def test_the_feed_goes_on_anywhere(self, store: Store) -> None:
        """After any number follow all later ones, without gaps, in the order of the writes, many or few at a time."""
        writes = [store.insert(SESSION, make_stored_session(f"ses-{number}")) for number in range(WRITERS)]
        stored = await asyncio.gather(*writes)
        told = await every_change(store)
        assert numbers(told) == [*range(1, WRITERS + 1)]
        assert [change.sequence for change in told] == sorted(each.sequence for each in stored)
        for after in (1, WRITERS - 1, WRITERS):
            assert await every_change(store, after) == told[after:]
        assert numbers(await store.feed(SESSION, 0, Most(bytes=1))) == [1]
        size = len(told[0].wire) + len(told[1].wire)
        assert len(await store.feed(SESSION, 0, Most(bytes=size))) == 2  # noqa: PLR2004 - that is what fits

    async def test_what_was_never_told_is_out_of_range(self, store: Store) -> None:
        """Who comes from another store, or from before a restore, must begin anew."""
        await store.insert(SESSION, make_stored_session("ses-1"))
        assert await store.feed(SESSION, 1) == []
        with pytest.raises(Compacted):
            await store.feed(SESSION, 2)

    async def test_a_page_tells_which_changes_it_shows(self, store: Store) -> None:
        """The number is that of the last change before the page; only when it is asked for."""
        assert (await store.page(SESSION, Query(as_of=True))).as_of == 0
        await store.insert(SESSION, make_stored_session("ses-1", tags=["t"]))
        await store.insert(SESSION, make_stored_session("ses-2"))
        for query in (Query(as_of=True), Query(as_of=True, tags=("t",)), Query(as_of=True, tags=("none",))):
            assert (await store.page(SESSION, query)).as_of == 2  # noqa: PLR2004 - two writes
        assert (await store.page(SESSION, Query())).as_of is None

    # History

    async def test_versions_are_the_states_of_a_resource(self, store: Store) -> None:
        """The newest first, also from any of them on; none of a resource that is gone or never was."""
        stored = await store.insert(SESSION, make_stored_session("ses-1", version="ver-0"))
        await store.insert(SESSION, make_stored_session("ses-2", version="ver-0"))
        for number in range(1, 4):
            stored = await store.update(SESSION, make_stored_session("ses-1", version=f"ver-{number}"), stored.revision)
        found = await store.versions(SESSION, "ses-1")
        assert [each.version for each in found] == ["ver-3", "ver-2", "ver-1", "ver-0"]
        assert found[0].wire == stored.wire
        assert [each.before for each in found] == [None] * 4
        assert await store.versions(SESSION, "ses-1", found[1].number) == found[2:]
        assert await store.versions(SESSION, "ses-1", None, Most(changes=1)) == found[:1]
        assert await store.versions(SESSION, "ses-1", None, Most(bytes=1)) == found[:1]
        assert await store.version_of(SESSION, "ses-1", "ver-2") == found[1]
        assert await store.version_of(SESSION, "ses-2", "ver-2") is None
        await store.delete(SESSION, "ses-1", stored.revision)
        assert await store.versions(SESSION, "ses-1") == []
        assert await store.version_of(SESSION, "ses-1", "ver-2") is None
        assert await store.versions(SESSION, "ses-3") == []

    # Compaction

    async def _compacted(self, store: Store, retention: Retention, now: int = 0) -> None:
        while await store.compact(SESSION, retention, now):
            pass

    async def test_the_oldest_changes_are_let_go(self, store: Store) -> None:
        """Whoever is behind what is kept is told so; nobody ever meets a gap; the numbers go on."""
        for number in range(300):
            await store.insert(SESSION, make_stored_session(f"ses-{number}"))
        await self._compacted(store, Retention(changes=10, seconds=LONG, versions=1))
        for after in (0, 100, 289):
            with pytest.raises(Compacted) as refused:
                await store.feed(SESSION, after)
            assert refused.value.kept_after == 290  # noqa: PLR2004 - all but the last ten
        assert numbers(await every_change(store, 290)) == [*range(291, 301)]
        await self._compacted(store, Retention(changes=0, seconds=LONG, versions=1))
        assert numbers(await every_change(store, 299)) == [300]
        await store.insert(SESSION, make_stored_session("ses-new"))
        assert numbers(await every_change(store, 299)) == [300, 301]

    async def test_old_changes_are_let_go(self, store: Store) -> None:
        """What is older than the retention goes, up to the first that is not."""
        for number, updated in enumerate((1, 2, 60, 3, 61)):
            await store.insert(SESSION, make_stored_session(f"ses-{number}", updated=updated * SECOND))
        await self._compacted(store, Retention(changes=100, seconds=10, versions=1), now=20 * SECOND)
        assert numbers(await every_change(store, 2)) == [3, 4, 5]
        with pytest.raises(Compacted):
            await store.feed(SESSION, 1)

    async def test_many_old_changes_are_let_go(self, store: Store) -> None:
        """However many are too old: whoever asks until nothing is left to do has done it all."""
        for number in range(450):
            await store.insert(SESSION, make_stored_session(f"ses-{number}", updated=SECOND))
        await self._compacted(store, Retention(changes=1000, seconds=10, versions=1), now=20 * SECOND)
        assert numbers(await every_change(store, 449)) == [450]
        with pytest.raises(Compacted):
            await store.feed(SESSION, 448)

    async def test_history_outlives_the_feed(self, store: Store) -> None:
        """So many versions of a resource stay as are to be kept beside those that the feed still tells of, until it is gone."""
        kept = await store.insert(SESSION, make_stored_session("ses-1", version="ver-0"))
        gone = await store.insert(SESSION, make_stored_session("ses-2", version="ver-0"))
        for number in range(1, 10):
            kept = await store.update(SESSION, make_stored_session("ses-1", version=f"ver-{number}"), kept.revision)
        await store.delete(SESSION, "ses-2", gone.revision)
        await store.insert(SESSION, make_stored_session("ses-3"))
        await self._compacted(store, Retention(changes=0, seconds=LONG, versions=3))
        assert [each.version for each in await store.versions(SESSION, "ses-1")] == ["ver-9", "ver-8", "ver-7"]
        kept = await store.update(SESSION, make_stored_session("ses-1", version="ver-10"), kept.revision)
        (last,) = await store.feed(SESSION, 13)
        assert last.before == (await store.versions(SESSION, "ses-1"))[1].wire
        await store.insert(SESSION, make_stored_session("ses-4"))
        await self._compacted(store, Retention(changes=1, seconds=LONG, versions=1))
        assert [each.version for each in await store.versions(SESSION, "ses-1")] == ["ver-10"]
        assert list(await store.check()) == []

    async def test_what_a_resource_was_before_is_always_known(self, store: Store) -> None:
        """Also to who goes on from the last change that was let go."""
        stored = await store.insert(SESSION, make_stored_session("ses-1", version="ver-0"))
        first = await store.update(SESSION, make_stored_session("ses-1", version="ver-1"), stored.revision)
        second = await store.update(SESSION, make_stored_session("ses-1", version="ver-2"), first.revision)
        await store.delete(SESSION, "ses-1", second.revision)
        await self._compacted(store, Retention(changes=2, seconds=LONG, versions=1))
        updated, deleted = await store.feed(SESSION, 2)
        assert (updated.before, updated.wire, deleted.wire) == (first.wire, second.wire, second.wire)

    # Consumers

    async def test_one_works_for_a_consumer_at_a_time(self, store: Store) -> None:
        """A claim keeps others away until it ends, by time or by its holder; who lost it cannot note anything."""
        await store.insert(SESSION, make_stored_session("ses-1"))
        ann, bob = Claim("relay", "ann", 0, 10), Claim("relay", "bob", 5 * SECOND, 10)
        assert await store.claim(ann) == {SESSION.key: 1, OTHER.key: 0}
        assert await store.claim(bob) is None
        assert await store.claim(bob._replace(consumer="another")) == {SESSION.key: 1, OTHER.key: 0}
        assert await store.advance(ann._replace(now=6 * SECOND), {SESSION.key: 7})
        assert await store.claim(bob._replace(now=11 * SECOND)) is None
        assert await store.claim(bob._replace(now=16 * SECOND)) == {SESSION.key: 7, OTHER.key: 0}
        assert not await store.advance(ann._replace(now=17 * SECOND), {SESSION.key: 9})
        await store.release(ann)
        assert await store.claim(ann._replace(now=18 * SECOND)) is None
        await store.release(bob)
        assert await store.claim(ann._replace(now=18 * SECOND)) == {SESSION.key: 7, OTHER.key: 0}
        assert not await store.advance(ann._replace(now=40 * SECOND), {})

    async def test_what_a_consumer_has_to_do_is_kept(self, store: Store) -> None:
        """Nothing that it has not done is let go, unless nobody has worked for it as long as changes are kept."""
        claim = Claim("relay", "ann", 0, 1)
        await store.claim(claim)
        for number in range(20):
            await store.insert(SESSION, make_stored_session(f"ses-{number}"))
        await store.advance(claim, {SESSION.key: 5})
        await self._compacted(store, Retention(changes=0, seconds=100, versions=1), now=50 * SECOND)
        assert numbers(await every_change(store, 5)) == [*range(6, 21)]
        await self._compacted(store, Retention(changes=0, seconds=100, versions=1), now=102 * SECOND)
        with pytest.raises(Compacted):
            await store.feed(SESSION, 5)

    # Answers

    async def test_an_answer_is_remembered_with_the_write(self, store: Store) -> None:
        """Of whatever has written; a second write with its key does nothing."""
        cause = Cause(answer=ANSWER)
        assert await store.answer(ANSWER.key) is None
        stored = await store.insert(SESSION, make_stored_session("ses-1"), cause)
        assert await store.answer(ANSWER.key) == ANSWER
        for write in (
            store.insert(SESSION, make_stored_session("ses-2"), cause),
            store.update(SESSION, make_stored_session("ses-1", subject="new"), stored.revision, cause),
            store.delete(SESSION, "ses-1", stored.revision, cause),
            store.remember(ANSWER),
        ):
            with pytest.raises(KeyUsed):
                await write
        assert await store.get(SESSION, "ses-1") == stored
        assert await store.get(SESSION, "ses-2") is None
        assert numbers(await every_change(store)) == [1]

    async def test_answers_to_updates_and_deletions(self, store: Store) -> None:
        """They are remembered, too; a refused write remembers none."""
        causes = [Cause(answer=ANSWER._replace(key=bytes([number]) * 32)) for number in range(4)]
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        with pytest.raises(Stale):
            await store.update(SESSION, make_stored_session("ses-1"), stored.revision + 1, causes[0])
        stored = await store.update(SESSION, make_stored_session("ses-1", subject="new"), stored.revision, causes[1])
        await store.delete(SESSION, "ses-1", stored.revision, causes[2])
        await store.remember(causes[3].answer)  # type: ignore[arg-type]  # it is one
        assert [await store.answer(bytes([number]) * 32) for number in range(4)] == [
            None,
            *(cause.answer for cause in causes[1:]),
        ]

    async def test_one_of_many_writes_with_a_key_happens(self, store: Store) -> None:
        """Of 64 concurrent writes with one key one is stored, and 63 raise KeyUsed."""
        writes = (store.insert(SESSION, make_stored_session(f"ses-{n}"), Cause(answer=ANSWER)) for n in range(WRITERS))
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert sum(isinstance(result, KeyUsed) for result in results) == WRITERS - 1
        assert (await store.page(SESSION, Query())).total == 1

    async def test_old_answers_are_forgotten(self, store: Store) -> None:
        """Those from before a time; their keys can be used again."""
        await store.remember(ANSWER)
        await store.remember(ANSWER._replace(key=b"n" * 32, time=6))
        while await store.forget_answers(6):
            pass
        assert await store.answer(ANSWER.key) is None
        assert await store.answer(b"n" * 32) is not None
        await store.remember(ANSWER)
