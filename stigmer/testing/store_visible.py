"""What holds in every store for pages of what a caller may see."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

import pytest

from stigmer.ownership import IDENTITY_ACCOUNT, ORGANIZATION
from stigmer.session.kind import SESSION
from stigmer.store import Document, Owner, Query, Store, Visible
from stigmer.store.selection import Position
from stigmer.testing.stored import ACME, OTHERS, make_stored_session, read_all

MINE = Owner(IDENTITY_ACCOUNT, "acme")
"""Another owner than the organization, although it has the same id."""
MANY = 12_000
"""More than a statement takes as parameters, and more than a server of relations names at once."""
MANY_OWNERS = 500


def visible(*ids: str, owners: Iterable[Owner] = ()) -> Visible:
    """What somebody may see."""
    return Visible(owners=frozenset(owners), ids=frozenset(ids))


async def insert_all(store: Store, documents: Iterable[Document]) -> None:
    """Inserts one after the other."""
    for document in documents:
        await store.insert(SESSION, document)


async def check_pages(store: Store, query: Query, expected: Iterable[Document]) -> None:
    """Asserts that pages of every size hold what is expected, and that totals and ``more`` count that and nothing else."""
    wires = [document.wire for document in expected]
    for limit in (1, 2, max(1, len(wires)), len(wires) + 1):
        sized = dataclasses.replace(query, limit=limit)
        assert await read_all(store, sized) == wires
        page = await store.page(SESSION, sized)
        assert (page.total, page.more) == (len(wires), len(wires) > limit)
        beyond = await store.page(SESSION, dataclasses.replace(sized, after=Position(10**9)))
        assert (beyond.entries, beyond.total, beyond.more) == ([], len(wires), False)


class VisibleConformance:
    """A part of ``StoreConformance``."""

    async def test_only_what_is_visible_is_listed(self, store: Store) -> None:
        """A resource is listed once if its owner or its id is visible; scope and case count, and unknown ids do not."""
        a = make_stored_session("ses-a", owner=ACME)
        b = make_stored_session("ses-b", owner=OTHERS)
        c = make_stored_session("ses-c", owner=MINE)
        d = make_stored_session("ses-d", owner=ACME, slug="d")
        await insert_all(store, [a, b, c, d])
        expected = [
            (visible(owners=[ACME]), [a, d]),
            (visible(owners=[MINE]), [c]),
            (visible(owners=[ACME, OTHERS, MINE]), [a, b, c, d]),
            (visible("ses-d", "ses-b"), [b, d]),
            (visible("ses-b", "ses-a", owners=[ACME]), [a, b, d]),
            (visible("ses-c", "SES-A", "nobody", ""), [c]),
            (visible("nobody", owners=[Owner(ORGANIZATION, "Acme"), Owner(ORGANIZATION, "")]), []),
        ]
        for seen, documents in expected:
            await check_pages(store, Query(visible=seen), documents)

    async def test_who_sees_nothing_gets_nothing(self, store: Store) -> None:
        """Nothing visible selects nothing, where None selects everything."""
        document = make_stored_session("ses-1", tags=["t"])
        await store.insert(SESSION, document)
        for query in (Query(), Query(tags=("t",)), Query(equal={"agent_instance_id": "ain-1"})):
            await check_pages(store, dataclasses.replace(query, visible=Visible()), [])
            await check_pages(store, query, [document])

    async def test_what_is_visible_is_filtered(self, store: Store) -> None:
        """Columns and tags select among what is visible, whichever of them is rarer."""
        documents = [
            make_stored_session(
                f"ses-{n}",
                owner=(ACME, OTHERS, MINE)[n % 3],
                agent=f"ain-{n % 2}",
                tags=["all", *(["few"] if n % 8 == 0 else []), *(["half"] if n % 4 < 2 else [])],  # noqa: PLR2004 - half of them
            )
            for n in range(48)
        ]
        await insert_all(store, documents)
        for seen in (
            visible("ses-7"),
            visible("ses-0", "ses-9", "ses-40", "gone"),
            visible(owners=[ACME]),
            visible("ses-1", owners=[ACME, MINE]),
            visible(owners=[ACME, MINE, OTHERS]),
        ):
            mine = [each for each in documents if each.owner in seen.owners or each.id in seen.ids]
            for tags in ((), ("all",), ("few",), ("all", "half"), ("few", "half", "all"), ("none",)):
                tagged = [each for each in mine if set(tags) <= set(each.tags)]
                await check_pages(store, Query(tags=tags, visible=seen), tagged)
                for agent in ("ain-0", "ain-1", "ain-2"):
                    equal = {"agent_instance_id": agent}
                    both = [each for each in tagged if each.indexed["agent_instance_id"] == agent]
                    await check_pages(store, Query(equal, tags, seen), both)

    async def test_what_is_visible_follows_the_writes(self, store: Store) -> None:
        """What is created, changed and deleted between two pages shows in the second one."""
        seen = visible("ses-1", "ses-3", "ses-5", owners=[OTHERS])
        query = Query(visible=seen)
        documents: dict[str, Document] = {}

        async def check() -> None:
            mine = [each for each in documents.values() if each.owner in seen.owners or each.id in seen.ids]
            await check_pages(store, query, mine)
            tagged = [each for each in mine if "t" in each.tags]
            await check_pages(store, dataclasses.replace(query, tags=("t",)), tagged)

        await check()
        for number in range(8):
            document = make_stored_session(f"ses-{number}", owner=OTHERS if number % 4 == 0 else ACME)
            documents[document.id] = document
            await store.insert(SESSION, document)
            await check()
        for number in (3, 2, 4, 7):
            document = make_stored_session(f"ses-{number}", owner=documents[f"ses-{number}"].owner, tags=["t"])
            stored = await store.get(SESSION, document.id)
            assert stored is not None
            await store.update(SESSION, document, stored.revision)
            documents[document.id] = document
            await check()
        for number in (7, 5, 0, 3, 1, 4):
            stored = await store.get(SESSION, f"ses-{number}")
            assert stored is not None
            await store.delete(SESSION, f"ses-{number}", stored.revision)
            del documents[f"ses-{number}"]
            await check()
        await store.insert(SESSION, added := make_stored_session("ses-9", owner=OTHERS))
        documents[added.id] = added
        await check()

    async def test_very_much_may_be_visible(self, store: Store) -> None:
        """Twelve thousand ids and five hundred owners are as good as one; what they name twice is listed once."""
        documents = [make_stored_session(f"ses-{n}", owner=Owner(ORGANIZATION, f"org-{n % 7}")) for n in range(60)]
        await insert_all(store, documents)
        ids = frozenset(f"ses-{n}" for n in range(30, 30 + MANY))
        owners = frozenset(Owner(ORGANIZATION, f"org-{n}") for n in range(3, 3 + MANY_OWNERS))
        for seen in (Visible(ids=ids), Visible(owners=owners), Visible(owners, ids)):
            expected = [each for each in documents if each.id in seen.ids or each.owner in seen.owners]
            assert 0 < len(expected) < len(documents)
            page = await store.page(SESSION, Query(visible=seen, limit=7, after=Position(20)))
            assert page.total == len(expected)
            assert await read_all(store, Query(visible=seen, limit=7)) == [each.wire for each in expected]

    async def test_odd_names_open_nothing(self, store: Store) -> None:
        """An id or owner is the whole text: what begins alike, or would not be Unicode, is another."""
        documents = [
            make_stored_session("ses-1", owner=ACME),
            make_stored_session("ses-2", owner=Owner(ORGANIZATION, "acme\0x")),
            make_stored_session("ses-3", owner=Owner(ORGANIZATION, "a'b\"c\\u0000")),
            make_stored_session("ses-4", owner=Owner(ORGANIZATION, "\N{GRINNING FACE}")),
            make_stored_session("ses-5\0", slug="five", owner=OTHERS),
            make_stored_session("1", slug="six", owner=OTHERS),
        ]
        await insert_all(store, documents)
        for document in documents:
            await check_pages(store, Query(visible=visible(document.id)), [document])
        for document in documents[:4]:
            await check_pages(store, Query(visible=visible(owners=[document.owner])), [document])
        odd = ["ses-1\0", "ses-1\0x", "ses-5", "ses-\ud800", "\0", "ses-%", "*", "\\u0000", "1.0", "01"]
        await check_pages(store, Query(visible=visible(*odd)), [])
        names = ["acme\0", "acm", "acme\ud800", "ACME", "", "%"]
        await check_pages(store, Query(visible=visible(owners=[Owner(ORGANIZATION, name) for name in names])), [])

    async def test_pages_of_what_is_visible_fit(self, store: Store) -> None:
        """``max_bytes`` ends these pages, too, and they go on where they ended."""
        documents = [make_stored_session(f"ses-{n}", subject="x" * 100) for n in range(6)]
        await insert_all(store, documents)
        query = Query(visible=visible("ses-1", "ses-2", "ses-5"), max_bytes=1)
        page = await store.page(SESSION, query)
        assert (len(page.entries), page.more, page.total) == (1, True, 3)
        assert await read_all(store, query) == [documents[n].wire for n in (1, 2, 5)]

    async def test_what_is_visible_is_of_one_moment(self, store: Store) -> None:
        """While others write, totals fit the entries, whoever asks."""
        queries = [
            Query(visible=visible(*(f"ses-{n}" for n in range(0, 60, 2))), limit=1000),
            Query(visible=visible(owners=[OTHERS]), limit=1000, tags=("t",)),
            Query(visible=visible("ses-1", owners=[ACME, OTHERS]), limit=1000),
        ]

        async def write() -> None:
            for n in range(60):
                owner = OTHERS if n % 2 else ACME
                stored = await store.insert(SESSION, make_stored_session(f"ses-{n}", owner=owner, tags=["t"]))
                if n % 3 == 0:
                    await store.delete(SESSION, f"ses-{n}", stored.revision)

        writing = asyncio.create_task(write())
        while not writing.done():
            for page in await asyncio.gather(*(store.page(SESSION, query) for query in queries * 2)):
                assert page.total == len(page.entries)
            after = [
                dataclasses.replace(query, after=Position(page.entries[0].sequence)) for query in queries[:1] if page.entries
            ]
            for query in after:
                rest = await store.page(SESSION, query)
                assert rest.total >= len(rest.entries)
        await writing

    async def test_many_callers_see_different_things(self, store: Store) -> None:
        """A hundred callers who list in turn get what each of them may see."""
        documents = [make_stored_session(f"ses-{n}") for n in range(20)]
        await insert_all(store, documents)
        queries = [Query(visible=visible(f"ses-{n % 20}", f"ses-{n // 5}"), limit=1) for n in range(100)]
        for _ in range(2):
            pages = await asyncio.gather(*(store.page(SESSION, query) for query in queries))
            for n, page in enumerate(pages):
                first = documents[min(n % 20, n // 5)]
                assert (page.entries[0].wire, page.total) == (first.wire, len({n % 20, n // 5}))

    async def test_a_cancelled_list_hurts_nobody(self, store: Store) -> None:
        """However early a list is given up, the next one is right."""
        documents = [make_stored_session(f"ses-{n}") for n in range(20)]
        await insert_all(store, documents)
        seen = visible(*(f"ses-{n}" for n in range(10, 10 + MANY)))
        for number in range(10):
            with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what is cut short
                async with asyncio.timeout(number * 0.001):
                    await store.page(SESSION, Query(visible=seen))
                    await asyncio.sleep(3600)
        assert (await store.page(SESSION, Query(visible=seen, limit=3))).total == 10  # noqa: PLR2004 - ses-10 to ses-19
