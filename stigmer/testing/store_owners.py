"""What holds for every store that is told how many resources an owner may have."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.errors import IdTaken, OwnerFull, SlugTaken
from stigmer.session.kind import SESSION
from stigmer.store import Query, Store
from stigmer.testing.stored import OTHER, OTHERS, make_stored_session

MOST = 5
RACERS = 64


@pytest.mark.asyncio
class OwnerConformance:
    """A part of ``StoreConformance``."""

    async def test_an_owner_gets_no_more_than_it_may_have(self, store: Store) -> None:
        """So many are taken, and the next is refused and leaves no trace: neither its id nor its slug is used."""
        await _fill(store)
        before = store.version()
        with pytest.raises(OwnerFull) as refusal:
            await store.insert(SESSION, make_stored_session("ses-more"), most=MOST)
        assert refusal.value.metadata == {"limit": str(MOST)}
        assert (store.version(), await store.id_used(SESSION, "ses-more")) == (before, False)
        await store.insert(SESSION, make_stored_session("ses-more"))

    async def test_others_have_room_of_their_own(self, store: Store) -> None:
        """What another owner has, or the same one of another kind, does not count."""
        await _fill(store)
        await store.insert(SESSION, make_stored_session("ses-others", owner=OTHERS), most=1)
        await store.insert(OTHER, make_stored_session("agt-1", kind=OTHER), most=1)

    async def test_a_deletion_makes_room_for_one(self, store: Store) -> None:
        """And no more than one, however often that happens."""
        await _fill(store)
        for number in range(3):
            await store.delete(SESSION, f"ses-{number}", 1)
            await store.insert(SESSION, make_stored_session(f"ses-new-{number}"), most=MOST)
            with pytest.raises(OwnerFull):
                await store.insert(SESSION, make_stored_session("ses-more"), most=MOST)

    async def test_the_number_may_change(self, store: Store) -> None:
        """Each insert is held against the number that comes with it; none or a negative one leaves no room at all."""
        await _fill(store)
        await store.insert(SESSION, make_stored_session("ses-6"), most=MOST + 1)
        for most in (MOST + 1, MOST, 0, -1):
            with pytest.raises(OwnerFull):
                await store.insert(SESSION, make_stored_session("ses-7"), most=most)
        await store.insert(SESSION, make_stored_session("ses-7"), most=10**12)

    async def test_what_is_taken_is_told_first(self, store: Store) -> None:
        """A taken id or slug is the reason, also where there is no room: to an apply it means something else."""
        await _fill(store)
        with pytest.raises(IdTaken):
            await store.insert(SESSION, make_stored_session("ses-1", slug="free"), most=MOST)
        with pytest.raises(SlugTaken):
            await store.insert(SESSION, make_stored_session("ses-free", slug="slug-of-ses-1"), most=MOST)

    async def test_of_many_at_once_just_as_many_get_in_as_there_is_room(self, store: Store) -> None:
        """While others write, too, and while what is there comes and goes."""
        tasks = [store.insert(SESSION, make_stored_session(f"ses-{n}"), most=MOST) for n in range(RACERS)]
        noise = [store.insert(SESSION, make_stored_session(f"oth-{n}", owner=OTHERS)) for n in range(RACERS)]
        answers = (await asyncio.gather(*tasks, *noise, return_exceptions=True))[:RACERS]
        refused = [answer for answer in answers if isinstance(answer, OwnerFull)]
        assert (len(refused), await _total(store)) == (RACERS - MOST, MOST + RACERS)


async def _fill(store: Store) -> None:
    """Gives an owner what it may have, one by one."""
    for number in range(MOST):
        await store.insert(SESSION, make_stored_session(f"ses-{number}"), most=MOST)


async def _total(store: Store) -> int:
    return (await store.page(SESSION, Query(limit=1))).total
