"""The row "list" of the contract: order, pages, totals and tags."""

import asyncio

import pytest


async def fill(wire, a_session, count, **metadata):
    """Creates sessions ``n0``, ``n1`` … one after the other."""
    for number in range(count):
        await wire.create(a_session(f"n{number}", **metadata))


async def test_empty_store(wire):
    """Nothing stored is a list without entries, pages or token."""
    page = await wire.list()
    assert (list(page.entries), page.total_pages, page.total_count, page.next_page_token) == ([], 0, 0, "")


async def test_order_of_creation(wire, a_session):
    """Sessions come in the order in which they were created, whatever ids their clients chose."""
    for number, id_ in enumerate(["zzz", "aaa", "", "ses-0", "MMM", ""]):
        await wire.create(a_session(f"n{number}", id=id_))
    assert await wire.names() == [f"n{number}" for number in range(6)]
    assert await wire.names(page_size=1) == [f"n{number}" for number in range(6)]


async def test_update_does_not_move(wire, a_session):
    """A session that is updated keeps its place."""
    for number in range(3):
        await wire.create(a_session(f"n{number}", id=f"id{number}"))
    await wire.update(a_session("new", id="id0"))
    await wire.apply(a_session("newer", id="id1"))
    assert await wire.names() == ["new", "newer", "n2"]


async def test_recreated_session_goes_last(wire, a_session):
    """A session that is deleted and created again is a new one at the end."""
    await fill(wire, a_session, 3)
    await wire.delete((await wire.list()).entries[0].metadata.id)
    await wire.create(a_session("n0"))
    assert await wire.names() == ["n1", "n2", "n0"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7, 8, 1000])
async def test_pages(wire, a_session, size):
    """Pages of any size give everything once, in order, each full but the last, with exact totals and no token on the last."""
    await fill(wire, a_session, 7)
    pages = await wire.pages(page_size=size)
    assert [entry.metadata.name for page in pages for entry in page.entries] == [f"n{number}" for number in range(7)]
    assert [len(page.entries) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert {(page.total_count, page.total_pages) for page in pages} == {(7, -(-7 // size))}
    assert len(pages) == -(-7 // size)


async def test_page_size_may_change_on_the_way(wire, a_session):
    """A token leads on from where its page ended, whatever the size of the next page."""
    await fill(wire, a_session, 6)
    first = await wire.list(page_size=1)
    rest = await wire.list(page_size=1000, page_token=first.next_page_token)
    assert [entry.metadata.name for entry in rest.entries] == ["n1", "n2", "n3", "n4", "n5"]
    assert (rest.next_page_token, rest.total_pages, rest.total_count) == ("", 1, 6)


async def test_default_and_largest_page_size(wire, a_session):
    """page_size 0 means 100, and anything above 1,000 means 1,000, in entries as in total_pages."""
    for begin in range(0, 1005, 201):
        await asyncio.gather(*(wire.create(a_session(f"n{number}", spec=False)) for number in range(begin, begin + 201)))
    expected = {0: (100, 11), 100: (100, 11), 1000: (1000, 2), 1001: (1000, 2), 2**31 - 1: (1000, 2)}
    for size, (entries, pages) in expected.items():
        page = await wire.list(page_size=size)
        assert (len(page.entries), page.total_pages, page.total_count) == (entries, pages, 1005)
        assert page.next_page_token
    assert len(set(await wire.names(page_size=2000))) == 1005


@pytest.mark.parametrize("size", [-1, -100, -(2**31)])
async def test_negative_page_size(wire, size):
    """A negative page size is INVALID_ARGUMENT at ``page_size``."""
    refusal = await wire.refused(wire.list(page_size=size))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_size"])


async def test_tags_are_all_asked_for(wire, a_session):
    """With tags only the sessions that carry all of them are listed and counted, in order."""
    tags = {"none": [], "a": ["a"], "ab": ["a", "b"], "ba": ["b", "a"], "abc": ["c", "b", "a"], "twice": ["a", "a"]}
    for name, carried in tags.items():
        await wire.create(a_session(name, tags=carried))
    assert await wire.names() == list(tags)
    assert await wire.names(tags=["a"]) == ["a", "ab", "ba", "abc", "twice"]
    assert await wire.names(tags=["b", "a"]) == ["ab", "ba", "abc"]
    assert await wire.names(tags=["c", "a", "b"]) == ["abc"]
    assert await wire.names(tags=["a", "a"]) == ["a", "ab", "ba", "abc", "twice"]
    assert await wire.names(tags=["a", "x"]) == []
    page = await wire.list(tags=["b"], page_size=2)
    assert (page.total_count, page.total_pages, len(page.entries)) == (3, 2, 2)


@pytest.mark.parametrize("tag", ["A", "a ", "a%", "_", "*", "🚀", "שלום", "a\0b", "\0", "x" * 5000, "'", '"', "a,b", "ﬀ"])
async def test_tags_are_compared_exactly(wire, a_session, tag):
    """A tag is found as it is, and by nothing that merely looks like it."""
    await wire.create(a_session("plain", tags=["a", "b", "ab", "x", ""]))
    assert await wire.names(tags=[tag]) == []
    await wire.create(a_session("odd", tags=[tag]))
    assert await wire.names(tags=[tag]) == ["odd"]


async def test_the_empty_tag(wire, a_session):
    """The empty tag is a tag like others."""
    await wire.create(a_session("with", tags=[""]))
    await wire.create(a_session("without", tags=["a"]))
    assert await wire.names(tags=[""]) == ["with"]


async def test_pages_of_tagged_sessions(wire, a_session):
    """Pages of a filtered list give everything that carries the tags once, in order."""
    for number in range(20):
        await wire.create(a_session(f"n{number}", tags=["even"] if number % 2 == 0 else ["odd"]))
    assert await wire.names(tags=["even"], page_size=3) == [f"n{number}" for number in range(0, 20, 2)]


async def test_tags_follow_updates(wire, a_session):
    """After an update a session is found by its new tags and no more by the old ones."""
    await wire.create(a_session("one", id="x", tags=["old", "both"]))
    await wire.update(a_session("one", id="x", tags=["both", "new"]))
    assert await wire.names(tags=["old"]) == []
    assert await wire.names(tags=["new", "both"]) == ["one"]


async def test_changes_between_pages(wire, a_session):
    """Deleting and creating between two pages neither skips nor repeats what is still there."""
    for number in range(6):
        await wire.create(a_session(f"n{number}", id=f"id{number}"))
    first = await wire.list(page_size=2)
    await wire.delete("id0")
    await wire.delete("id1")  # the one that the token stands at
    await wire.delete("id3")
    await wire.create(a_session("n6"))
    rest = await wire.list(page_size=10, page_token=first.next_page_token)
    assert [entry.metadata.name for entry in rest.entries] == ["n2", "n4", "n5", "n6"]
    assert rest.total_count == 4


async def test_entries_are_whole(wire, a_session):
    """An entry is the session as get answers it, unknown fields included."""
    await wire.create(a_session(id="x", labels={"k": "v"}, tags=["t"]).to_binary() + b"\xfa\x3f\x06at-top")
    entry = (await wire.list()).entries[0]
    assert entry == await wire.get("x")
    assert b"at-top" in entry.to_binary()


async def test_without_authorization_everybodys(users, a_session):
    """Where nothing is authorized a list holds the sessions of all owners."""
    await users.as_user("ann").create(a_session("one", owner_scope=3))
    await users.as_user("bob").create(a_session("two", owner_scope=3))
    assert await users.as_user("eve").names() == ["one", "two"]
