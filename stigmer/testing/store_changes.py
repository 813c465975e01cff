"""What holds for every store that tells of changes: its version, its log, and what it says of its own transactions."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.errors import StigmerError
from stigmer.session.kind import SESSION
from stigmer.store import Commit, Store
from stigmer.testing.stored import OTHER, make_stored_session


@pytest.mark.asyncio
class ChangeConformance:
    """A part of ``StoreConformance``."""

    async def test_the_version_changes_with_each_write(self, store: Store) -> None:
        """An insert, an update and a delete give three new versions; reads and refused writes give none."""
        versions = [store.version()]
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        versions.append(store.version())
        stored = await store.update(SESSION, make_stored_session("ses-1", subject="new"), stored.revision)
        versions.append(store.version())
        await store.delete(SESSION, "ses-1", stored.revision)
        versions.append(store.version())
        assert None not in versions
        assert all(versions[a] != versions[b] for a in range(4) for b in range(a))
        await store.get(SESSION, "ses-1")
        with pytest.raises(StigmerError):
            await store.insert(SESSION, make_stored_session("ses-1"))
        assert store.version() == versions[-1]

    async def test_changes_name_what_was_written_since(self, store: Store) -> None:
        """From a number on, all resources of the kind that were created, updated or deleted; nothing of another kind."""
        first = await store.insert(SESSION, make_stored_session("ses-1", slug="one"))
        known = (await store.changes({SESSION.key: -1}))[SESSION.key]
        assert known.sequences is None
        second = await store.insert(SESSION, make_stored_session("ses-2", slug="two"))
        await store.update(SESSION, make_stored_session("ses-1", slug="one", subject="new"), first.revision)
        await store.insert(OTHER, make_stored_session("agt-1", kind=OTHER))
        both = await store.changes({SESSION.key: known.last, OTHER.key: -1})
        assert both[SESSION.key].sequences == frozenset({first.sequence, second.sequence})
        await store.delete(SESSION, "ses-2", second.revision)
        after = (await store.changes({SESSION.key: both[SESSION.key].last}))[SESSION.key]
        assert (after.sequences, after.last) == (frozenset({second.sequence}), both[SESSION.key].last + 1)
        assert (await store.changes({SESSION.key: after.last}))[SESSION.key] == (frozenset(), after.last)

    async def test_who_is_far_behind_begins_anew(self, store: Store) -> None:
        """More changes than anybody would follow are not told one by one."""
        known = (await store.changes({SESSION.key: -1}))[SESSION.key]
        writes = [store.insert(SESSION, make_stored_session(f"ses-{number}", slug=f"s-{number}")) for number in range(1001)]
        await asyncio.gather(*writes)
        now = (await store.changes({SESSION.key: known.last}))[SESSION.key]
        assert (now.sequences, now.last) == (None, known.last + 1001)

    async def test_followers_hear_of_each_write_before_it_returns(self, store: Store) -> None:
        """Each transaction is told with the versions around it and what it wrote, in an unbroken row."""
        heard: list[Commit] = []
        store.follow(heard.append)
        before = store.version()
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        assert [write for commit in heard for write in commit.written] == [(SESSION.key, stored.sequence, stored)]
        newer = await store.update(SESSION, make_stored_session("ses-1", subject="new"), stored.revision)
        await store.delete(SESSION, "ses-1", newer.revision)
        writes = [write for commit in heard for write in commit.written]
        assert writes[1:] == [(SESSION.key, stored.sequence, newer), (SESSION.key, stored.sequence, None)]
        assert [commit.before for commit in heard] == [before, *(commit.after for commit in heard[:-1])]
        assert heard[-1].after == store.version()
