"""What holds for the pages of every store."""

from __future__ import annotations

import asyncio

from stigmer.session.kind import SESSION
from stigmer.store import ENTRY_OVERHEAD, Query, Store
from stigmer.store.selection import Order, Position
from stigmer.testing.stored import make_stored_session, read_all


class PageConformance:
    """A part of ``StoreConformance``."""

    async def test_pages_are_in_order_of_creation(self, store: Store) -> None:
        """Pages hold everything once, in order of creation, whatever the ids; ``more`` is false on the last one alone."""
        documents = [make_stored_session(f"ses-{9 - number}") for number in range(7)]
        for document in documents:
            await store.insert(SESSION, document)
        stored = await store.get(SESSION, documents[2].id)
        assert stored is not None
        await store.update(SESSION, documents[2], stored.revision)
        for limit in (1, 2, 3, 7, 100):
            assert await read_all(store, Query(limit=limit)) == [document.wire for document in documents]
        assert not (await store.page(SESSION, Query(limit=7))).more
        assert (await store.page(SESSION, Query(limit=6))).more

    async def test_totals_count_the_whole_query(self, store: Store) -> None:
        """The total is that of all pages together, on each of them, and of what the query selects."""
        for number in range(5):
            await store.insert(SESSION, make_stored_session(f"ses-{number}", agent=f"ain-{number % 2}", tags=["t"]))
        first = await store.page(SESSION, Query(limit=2))
        last = await store.page(SESSION, Query(limit=2, after=Position(first.entries[-1].sequence + 100)))
        assert (first.total, last.total, len(last.entries), last.more) == (5, 5, 0, False)
        assert (await store.page(SESSION, Query(equal={"agent_instance_id": "ain-1"}, limit=1))).total == 2  # noqa: PLR2004 - ses-1 and ses-3
        assert (await store.page(SESSION, Query(tags=("t",), limit=1))).total == 5  # noqa: PLR2004 - all of them

    async def test_queries_select(self, store: Store) -> None:
        """A column must have the text, every tag must be carried, and both conditions hold together."""
        a = make_stored_session("ses-a", agent="ain-1", tags=["red", "round", "red"])
        b = make_stored_session("ses-b", agent="ain-2", tags=["red"])
        c = make_stored_session("ses-c", agent="ain-1", tags=["round", "Red"])
        for document in (a, b, c):
            await store.insert(SESSION, document)
        expected = [
            (Query(equal={"agent_instance_id": "ain-1"}), [a, c]),
            (Query(equal={"agent_instance_id": "AIN-1"}), []),
            (Query(tags=("red",)), [a, b]),
            (Query(tags=("red", "round")), [a]),
            (Query(tags=("round", "red", "round")), [a]),
            (Query(tags=("red", "square")), []),
            (Query(equal={"agent_instance_id": "ain-2"}, tags=("red",)), [b]),
            (Query(equal={"agent_instance_id": "ain-2"}, tags=("round",)), []),
        ]
        for query, documents in expected:
            assert await read_all(store, query) == [document.wire for document in documents]
            assert (await store.page(SESSION, query)).total == len(documents)

    async def test_tags_may_be_odd_and_many(self, store: Store) -> None:
        """Any text is a tag, and a query may name thousands."""
        tags = ["", "a'b\"c", "a\0b", "a\0c", "%_*", "\N{GRINNING FACE}", " ", *(f"tag-{number}" for number in range(1500))]
        document = make_stored_session("ses-1", tags=tags, labels={"a\0": "'"})
        await store.insert(SESSION, document)
        await store.insert(SESSION, make_stored_session("ses-2", tags=tags[1:]))
        for some in (tags, tags[:2], ["", "a\0b"]):
            assert await read_all(store, Query(tags=tuple(some))) == [document.wire]
            assert await read_all(store, Query(tags=tuple(some), order=Order("name"))) == [document.wire]
        assert await read_all(store, Query(tags=(*tags, "a\0"))) == []

    async def test_pages_end_before_they_are_too_large(self, store: Store) -> None:
        """A page never exceeds ``max_bytes``, each entry counted with its overhead; but it has one entry at least."""
        documents = [make_stored_session(f"ses-{number}", subject="x" * 100) for number in range(4)]
        for document in documents:
            await store.insert(SESSION, document)
        two = 2 * (len(documents[0].wire) + ENTRY_OVERHEAD)
        for max_bytes, count in ((two, 2), (two - 1, 1), (1, 1)):
            query = Query(max_bytes=max_bytes)
            page = await store.page(SESSION, query)
            assert (len(page.entries), page.more, page.total) == (count, True, len(documents))
            assert await read_all(store, query) == [document.wire for document in documents]

    async def test_a_page_is_of_one_moment(self, store: Store) -> None:
        """While others write, a page's total fits its entries."""

        async def write() -> None:
            for number in range(40):
                stored = await store.insert(SESSION, make_stored_session(f"ses-{number}", tags=["t"]))
                if number % 3 == 0:
                    await store.delete(SESSION, f"ses-{number}", stored.revision)

        writing = asyncio.create_task(write())
        while not writing.done():
            for query in (Query(limit=1000), Query(limit=1000, tags=("t",))):
                page = await store.page(SESSION, query)
                assert page.total == len(page.entries)
            await asyncio.sleep(0)
        await writing
