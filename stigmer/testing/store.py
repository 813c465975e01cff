"""What holds for every store, as a test class to inherit from: each sentence of the ``Store`` protocol is a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.errors import ConfigurationError, IdTaken, SlugTaken, Stale, Unavailable
from stigmer.ownership import ORGANIZATION
from stigmer.session.kind import SESSION
from stigmer.store import SECRET_BYTES, Owner, Page, Query, Store
from stigmer.store.document import MAX_WIRE_BYTES, make_document
from stigmer.testing.store_changes import ChangeConformance
from stigmer.testing.store_feed import FeedConformance
from stigmer.testing.store_owners import OwnerConformance
from stigmer.testing.store_pages import PageConformance
from stigmer.testing.store_selection import SelectionConformance
from stigmer.testing.store_visible import VisibleConformance
from stigmer.testing.stored import ACME, KINDS, OTHER, OTHERS, make_stored_session, read_all

__all__ = ["KINDS", "StoreConformance", "make_stored_session", "read_all"]

RACERS = 64
Reopen = Callable[[], Awaitable[Store]]


@pytest.mark.asyncio
class StoreConformance(
    ChangeConformance, FeedConformance, OwnerConformance, PageConformance, SelectionConformance, VisibleConformance
):
    """Inherit from it, and give the fixture ``store``: an empty store, opened for ``KINDS``.

    A store that outlives its process gives ``reopen`` as well: closes what ``store`` gave, and opens the same again.
    """

    @pytest.fixture
    def store(self) -> Store:
        """An empty store."""
        raise NotImplementedError("give a fixture `store`")

    @pytest.fixture
    def reopen(self) -> Reopen:
        """Opens the same store again."""
        pytest.skip("this store does not outlive its process")

    async def test_gets_what_was_inserted(self, store: Store) -> None:
        """A resource is found by id and by slug as soon as insert returns, its bytes unchanged."""
        document = make_stored_session("ses-1")
        stored = await store.insert(SESSION, document)
        assert stored.wire == document.wire
        assert await store.get(SESSION, "ses-1") == stored
        assert await store.find(SESSION, ACME, document.slug) == stored

    async def test_unknown_is_none(self, store: Store) -> None:
        """What is not there is None, not an error."""
        assert await store.get(SESSION, "ses-1") is None
        assert await store.find(SESSION, ACME, "nothing") is None

    async def test_ids_are_compared_by_case(self, store: Store) -> None:
        """Ids that differ in case are two."""
        lower = await store.insert(SESSION, make_stored_session("ses-a", slug="lower"))
        upper = await store.insert(SESSION, make_stored_session("ses-A", slug="upper"))
        assert await store.get(SESSION, "ses-a") == lower
        assert await store.get(SESSION, "ses-A") == upper
        assert await store.get(SESSION, "SES-a") is None

    async def test_slugs_belong_to_owners(self, store: Store) -> None:
        """Owners that differ in id or in scope may each have the same slug."""
        owners = [ACME, OTHERS, Owner(ORGANIZATION + 1, "acme")]
        stored = [
            await store.insert(SESSION, make_stored_session(f"ses-{number}", slug="same", owner=owner))
            for number, owner in enumerate(owners)
        ]
        assert [await store.find(SESSION, owner, "same") for owner in owners] == stored

    async def test_kinds_are_apart(self, store: Store) -> None:
        """Ids, slugs and pages of one kind are not those of another."""
        await store.insert(SESSION, make_stored_session("one", slug="same"))
        assert await store.get(OTHER, "one") is None
        assert not await store.id_used(OTHER, "one")
        await store.insert(OTHER, make_stored_session("one", slug="same", kind=OTHER))
        assert (await store.page(OTHER, Query())).total == 1

    async def test_unknown_fields_are_kept(self, store: Store) -> None:
        """Bytes that the schema does not know are given back."""
        message = Session.from_binary(make_stored_session("ses-1").wire + b"\x9a\x3f\x05later")
        document = make_document(SESSION, message, ACME)
        await store.insert(SESSION, document)
        stored = await store.get(SESSION, "ses-1")
        assert stored is not None
        assert b"later" in stored.wire

    async def test_the_largest_document_is_kept(self, store: Store) -> None:
        """A document of nearly 10 MiB comes back whole."""
        document = make_stored_session("ses-1", subject="x" * (MAX_WIRE_BYTES - 200))
        await store.insert(SESSION, document)
        stored = await store.get(SESSION, "ses-1")
        assert stored is not None
        assert stored.wire == document.wire

    async def test_an_id_in_use_is_refused(self, store: Store) -> None:
        """A second insert of an id raises IdTaken, whatever its slug, and changes nothing."""
        first = await store.insert(SESSION, make_stored_session("ses-1", slug="one"))
        for slug in ("one", "two"):
            with pytest.raises(IdTaken):
                await store.insert(SESSION, make_stored_session("ses-1", slug=slug, tags=["new"]))
        assert await store.get(SESSION, "ses-1") == first
        assert await read_all(store, Query(tags=("new",))) == []

    async def test_a_slug_in_use_is_refused(self, store: Store) -> None:
        """A second insert of a slug raises SlugTaken and leaves nothing behind, not even a used id."""
        await store.insert(SESSION, make_stored_session("ses-1", slug="same"))
        with pytest.raises(SlugTaken):
            await store.insert(SESSION, make_stored_session("ses-2", slug="same", tags=["new"]))
        assert await store.get(SESSION, "ses-2") is None
        assert not await store.id_used(SESSION, "ses-2")
        assert await read_all(store, Query(tags=("new",))) == []

    async def test_id_used(self, store: Store) -> None:
        """An id is used while its resource is there and for ever after."""
        assert not await store.id_used(SESSION, "ses-1")
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        assert await store.id_used(SESSION, "ses-1")
        await store.delete(SESSION, "ses-1", stored.revision)
        assert await store.id_used(SESSION, "ses-1")

    async def test_update_replaces(self, store: Store) -> None:
        """An update changes bytes and revision, keeps the place in the order, and shows at once."""
        first = await store.insert(SESSION, make_stored_session("ses-1"))
        document = make_stored_session("ses-1", subject="new")
        second = await store.update(SESSION, document, first.revision)
        assert second.wire == document.wire
        assert second.sequence == first.sequence
        assert second.revision != first.revision
        assert await store.get(SESSION, "ses-1") == second

    async def test_update_moves_what_is_indexed(self, store: Store) -> None:
        """After an update, pages select by what the resource is now."""
        old = make_stored_session("ses-1", agent="ain-old", tags=["both", "old"], labels={"a": "1"})
        new = make_stored_session("ses-1", agent="ain-new", tags=["new", "both"], labels={"a": "2"})
        stored = await store.insert(SESSION, old)
        await store.update(SESSION, new, stored.revision)
        for query in (Query(equal={"agent_instance_id": "ain-old"}), Query(tags=("old",))):
            assert (await store.page(SESSION, query)).total == 0
        for query in (Query(equal={"agent_instance_id": "ain-new"}), Query(tags=("new",)), Query(tags=("both",))):
            assert await read_all(store, query) == [new.wire]
        assert list(await store.check()) == []

    async def test_update_leaves_owner_and_slug(self, store: Store) -> None:
        """A resource stays at the address that it was inserted with."""
        stored = await store.insert(SESSION, make_stored_session("ses-1", slug="first"))
        moved = make_stored_session("ses-1", slug="second", owner=OTHERS)
        updated = await store.update(SESSION, moved, stored.revision)
        assert await store.find(SESSION, ACME, "first") == updated
        assert await store.find(SESSION, OTHERS, "second") is None

    async def test_update_of_another_revision_is_stale(self, store: Store) -> None:
        """An update or a delete that is based on an old revision raises Stale and changes nothing."""
        first = await store.insert(SESSION, make_stored_session("ses-1"))
        second = await store.update(SESSION, make_stored_session("ses-1", subject="second"), first.revision)
        with pytest.raises(Stale):
            await store.update(SESSION, make_stored_session("ses-1", subject="third"), first.revision)
        with pytest.raises(Stale):
            await store.delete(SESSION, "ses-1", first.revision)
        assert await store.get(SESSION, "ses-1") == second

    async def test_writes_to_what_is_gone_are_stale(self, store: Store) -> None:
        """Neither update nor delete finds what was deleted, or never was."""
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        await store.delete(SESSION, "ses-1", stored.revision)
        for id_ in ("ses-1", "ses-2"):
            with pytest.raises(Stale):
                await store.update(SESSION, make_stored_session(id_), stored.revision)
            with pytest.raises(Stale):
                await store.delete(SESSION, id_, stored.revision)
        assert await store.get(SESSION, "ses-1") is None

    async def test_delete_removes(self, store: Store) -> None:
        """A deleted resource is nowhere; its slug is free, its id is not."""
        document = make_stored_session("ses-1", slug="same", tags=["t"], labels={"a": "b"})
        stored = await store.insert(SESSION, document)
        await store.delete(SESSION, "ses-1", stored.revision)
        assert await store.get(SESSION, "ses-1") is None
        assert await store.find(SESSION, ACME, "same") is None
        assert await store.page(SESSION, Query()) == Page([], more=False, total=0)
        with pytest.raises(IdTaken):
            await store.insert(SESSION, document)
        await store.insert(SESSION, make_stored_session("ses-2", slug="same"))
        assert await read_all(store, Query(tags=("t",))) == []

    async def test_sequences_rise_and_are_never_given_twice(self, store: Store) -> None:
        """A new resource comes after all that ever were, also when the last one is gone."""
        last = 0
        for number in range(4):
            stored = await store.insert(SESSION, make_stored_session(f"ses-{number}"))
            assert stored.sequence > last
            last = stored.sequence
            await store.delete(SESSION, f"ses-{number}", stored.revision)

    async def test_one_of_many_inserts_of_a_slug_wins(self, store: Store) -> None:
        """Of 64 concurrent inserts of one slug one is stored and 63 raise SlugTaken."""
        results = await asyncio.gather(
            *(store.insert(SESSION, make_stored_session(f"ses-{number}", slug="same")) for number in range(RACERS)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, SlugTaken) for result in results) == RACERS - 1
        assert (await store.page(SESSION, Query())).total == 1

    async def test_one_of_many_updates_of_a_revision_wins(self, store: Store) -> None:
        """Of 64 concurrent updates of one revision one is stored and 63 raise Stale."""
        first = await store.insert(SESSION, make_stored_session("ses-1"))
        documents = [make_stored_session("ses-1", subject=str(number)) for number in range(RACERS)]
        results = await asyncio.gather(
            *(store.update(SESSION, document, first.revision) for document in documents), return_exceptions=True
        )
        won = [result for result in results if not isinstance(result, BaseException)]
        assert len(won) == 1
        assert await store.get(SESSION, "ses-1") == won[0]
        assert all(isinstance(result, Stale) for result in results if result is not won[0])

    async def test_a_cancelled_write_is_whole_or_not_there(self, store: Store) -> None:
        """Whenever it is cancelled: an insert that returned is stored, one that did not return is not."""
        returned: set[str] = set()

        async def insert(id_: str) -> None:
            await store.insert(SESSION, make_stored_session(id_, tags=["t"]))
            returned.add(id_)
            await asyncio.sleep(3600)

        tasks = []
        for number in range(RACERS):
            tasks.append(asyncio.create_task(insert(f"ses-{number}")))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            tasks[number // 2].cancel()
        for task in tasks:
            task.cancel()
        assert all(isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True))
        there = {Session.from_binary(wire).metadata.id for wire in await read_all(store, Query(tags=("t",)))}  # type: ignore[union-attr]  # all have metadata
        assert there == returned
        assert [await store.id_used(SESSION, f"ses-{n}") for n in range(RACERS)] == [
            f"ses-{n}" in returned for n in range(RACERS)
        ]

    async def test_a_time_out_is_a_time_out(self, store: Store) -> None:
        """``asyncio.timeout`` around a write raises TimeoutError, whether the write was finished first or not."""
        for number in range(8):
            with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what is cut short
                async with asyncio.timeout(number * 0.0002):
                    await store.insert(SESSION, make_stored_session(f"ses-{number}"))
                    await asyncio.sleep(3600)
            assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task

    async def test_a_cancelled_read_hurts_nobody(self, store: Store) -> None:
        """Reads that were asked for at the same time are answered."""
        stored = await store.insert(SESSION, make_stored_session("ses-1"))
        for _ in range(20):
            tasks = [asyncio.create_task(store.get(SESSION, "ses-1")) for _ in range(8)]
            await asyncio.sleep(0)
            tasks[3].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [result for number, result in enumerate(results) if number != 3] == [stored] * 7  # noqa: PLR2004 - the one above

    async def test_the_secret_stays(self, store: Store) -> None:
        """The secret is 32 bytes, the same each time."""
        secret = await store.secret()
        assert len(secret) == SECRET_BYTES
        assert await store.secret() == secret

    async def test_check_finds_nothing_wrong(self, store: Store) -> None:
        """After all kinds of writes, everything agrees."""
        for number in range(50):
            labels = {"b": "1", "a": "2"}
            stored = await store.insert(SESSION, make_stored_session(f"ses-{number}", tags=["x", "y"], labels=labels))
            if number % 3 == 0:
                await store.update(SESSION, make_stored_session(f"ses-{number}", tags=["y", "z"]), stored.revision)
            elif number % 5 == 0:
                await store.delete(SESSION, f"ses-{number}", stored.revision)
        assert list(await store.check()) == []

    async def test_repair_leaves_a_sound_store_alone(self, store: Store) -> None:
        """There is nothing to mend, and nothing is changed."""
        stored = await store.insert(SESSION, make_stored_session("ses-1", tags=["x"]))
        version = store.version()
        repairs = await store.repair()
        assert not [*repairs.mended, *repairs.left]
        assert await store.get(SESSION, "ses-1") == stored
        assert store.version() == version

    async def test_backup_is_a_new_file_or_refused(self, store: Store, tmp_path: Path) -> None:
        """A backup writes a file that was not there, and refuses one that is; or the store has nothing to copy."""
        target = tmp_path / "copy"
        try:
            await store.backup(target)
        except ConfigurationError as error:
            assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
            assert not target.exists()
        else:
            before = target.read_bytes()
            with pytest.raises(ConfigurationError):
                await store.backup(target)
            assert target.read_bytes() == before

    async def test_close_may_be_called_twice(self, store: Store) -> None:
        """The second close does nothing; every other call is Unavailable."""
        await store.insert(SESSION, make_stored_session("ses-1"))
        await store.close()
        await store.close()
        for call in (store.get(SESSION, "ses-1"), store.insert(SESSION, make_stored_session("ses-2")), store.secret()):
            with pytest.raises(Unavailable):
                await call

    async def test_close_finishes_what_is_under_way(self, store: Store) -> None:
        """Calls that began before close are answered."""
        writes = [asyncio.create_task(store.insert(SESSION, make_stored_session(f"ses-{number}"))) for number in range(RACERS)]
        reads = [asyncio.create_task(store.page(SESSION, Query())) for _ in range(RACERS)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*writes, *reads)

    async def test_everything_is_there_after_reopening(self, store: Store, reopen: Reopen) -> None:
        """Resources, used ids, the order, the revisions and the secret outlive the store that wrote them."""
        kept = await store.insert(SESSION, make_stored_session("ses-1", tags=["t"]))
        gone = await store.insert(SESSION, make_stored_session("ses-2"))
        kept = await store.update(SESSION, make_stored_session("ses-1", tags=["t"], subject="new"), kept.revision)
        await store.delete(SESSION, "ses-2", gone.revision)
        secret = await store.secret()
        again = await reopen()
        assert await again.get(SESSION, "ses-1") == kept
        assert await again.secret() == secret
        assert await read_all(again, Query(tags=("t",))) == [kept.wire]
        with pytest.raises(IdTaken):
            await again.insert(SESSION, make_stored_session("ses-2"))
        new = await again.insert(SESSION, make_stored_session("ses-3"))
        assert new.sequence > gone.sequence
