"""The rows "list_by_agent" and "agent instance" of the contract."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec


def of(agent: str) -> SessionSpec:
    return SessionSpec(agent_instance_id=agent)


async def test_only_the_agents_sessions(wire, a_session):
    """Sessions whose spec names the agent instance are listed and counted, in order of creation."""
    for number in range(9):
        await wire.create(a_session(f"n{number}", spec=of(f"ain-{number % 3}")))
    await wire.create(a_session("no spec", spec=False))
    page = await wire.list_by_agent("ain-1", page_size=2)
    assert [entry.metadata.name for entry in page.entries] == ["n1", "n4"]
    assert (page.total_count, page.total_pages) == (3, 2)
    rest = await wire.list_by_agent("ain-1", page_size=2, page_token=page.next_page_token)
    assert [entry.metadata.name for entry in rest.entries] == ["n7"]
    assert rest.next_page_token == ""


@pytest.mark.parametrize("agent", ["AIN-1", "ain-1 ", "ain-", "ain-%", "%", "_____", "ain-1\0", "\0", "🚀", "x" * 20_000])
async def test_compared_exactly(wire, a_session, agent):
    """The agent instance is compared as it is; that it exists is not asked."""
    await wire.create(a_session("plain"))
    page = await wire.list_by_agent(agent)
    assert (list(page.entries), page.total_count, page.total_pages, page.next_page_token) == ([], 0, 0, "")
    await wire.create(a_session("odd", spec=of(agent)))
    assert [entry.metadata.name for entry in (await wire.list_by_agent(agent)).entries] == ["odd"]


async def test_follows_updates(wire, a_session):
    """A session whose spec names another agent instance now is listed there, at its old place."""
    await wire.create(a_session("one", id="x", spec=of("a")))
    await wire.create(a_session("two", spec=of("b")))
    await wire.update(a_session("one", id="x", spec=of("b")))
    assert (await wire.list_by_agent("a")).total_count == 0
    assert [entry.metadata.name for entry in (await wire.list_by_agent("b")).entries] == ["one", "two"]


@pytest.mark.parametrize(("size", "entries", "pages"), [(0, 100, 2), (1001, 103, 1), (2**31 - 1, 103, 1), (50, 50, 3)])
async def test_page_sizes(wire, a_session, size, entries, pages):
    """page_size means the same as in list."""
    for number in range(103):
        await wire.create(a_session(f"n{number}"))
    page = await wire.list_by_agent("ain-1", page_size=size)
    assert (len(page.entries), page.total_pages, page.total_count) == (entries, pages, 103)


async def test_negative_page_size(wire):
    """A negative page size is INVALID_ARGUMENT at ``page_size``."""
    refusal = await wire.refused(wire.list_by_agent("a", page_size=-1))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_size"])


async def test_the_instance_is_not_checked(wire, a_session):
    """A session may name any agent instance; nothing is created or deleted beside it."""
    stored = await wire.create(a_session(spec=of("never heard of")))
    assert await wire.count() == 1
    await wire.delete(stored.metadata.id)
    assert await wire.count() == 0
