"""What sessions were before: list_versions, and get_by_reference with a version."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadataVersion as Version
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import ApiResourceAuditActor as Actor

UNKNOWN = "ver-01kdvdna043f61n8678vna7x01"


def of(subject: str) -> SessionSpec:
    return SessionSpec(agent_instance_id="ain-1", subject=subject)


@pytest.fixture
async def states(wire, a_session):
    """Writes a session ``x`` so many times, and gives what it was each time, the first state first."""

    async def write(times: int):
        found = [await wire.create(a_session(id="x", spec=of("0"), version=Version(message="0")))]
        for number in range(1, times):
            version = Version(message=str(number))
            found.append(await wire.update(a_session(id="x", spec=of(str(number)), version=version)))
        return found

    return write


async def test_versions(wire, states):
    """All versions, the newest first: id, message, the one before, what happened, when, and who did it."""
    written = await states(4)
    answer = await wire.list_versions("x")
    assert [entry.version for entry in answer.entries] == [each.metadata.version for each in reversed(written)]
    assert [entry.event for entry in answer.entries] == ["updated", "updated", "updated", "created"]
    times = [each.status.audit.spec_audit.updated_at for each in reversed(written)]
    assert [entry.time for entry in answer.entries] == times
    assert [entry.actor for entry in answer.entries] == [Actor(id="system")] * 4
    assert answer.next_page_token == ""


async def test_actors(users, a_session):
    """Each version tells who made it."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    await ann.create(a_session(id="x"))
    await bob.update(a_session(id="x", spec=of("2")))
    assert [entry.actor.id for entry in (await ann.list_versions("x")).entries] == ["bob", "ann"]


async def test_nothing_written_is_no_version(wire, a_session):
    """An apply that changes nothing, and a write that is refused, make no version."""
    stored = await wire.create(a_session(id="x"))
    await wire.apply(a_session(id="x"))
    await wire.refused(wire.update(a_session(id="x", version=Version(id=UNKNOWN))))
    assert [entry.version for entry in (await wire.list_versions("x")).entries] == [stored.metadata.version]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages(wire, states, size):
    """Pages of any size make the same list; the last has no token."""
    written = await states(6)
    pages = [await wire.list_versions("x", page_size=size)]
    while pages[-1].next_page_token:
        pages.append(await wire.list_versions("x", page_size=size, page_token=pages[-1].next_page_token))
    entries = [entry.version for page in pages for entry in page.entries]
    assert entries == [each.metadata.version for each in reversed(written)]
    assert {len(page.entries) for page in pages[:-1]} <= {size}
    assert len(pages) == -(-6 // size)


async def test_pages_of_large_versions(wire, a_session):
    """A page of versions that are large may end early, and none is left out."""
    ids = []
    for number in range(4):
        stored = await wire.apply(a_session(id="") if not ids else a_session(spec=of(str(number) + "x" * 3_000_000)))
        ids.append(stored.metadata.version.id)
    pages = [await wire.list_versions(stored.metadata.id)]
    while pages[-1].next_page_token:
        pages.append(await wire.list_versions(stored.metadata.id, page_token=pages[-1].next_page_token))
    assert len(pages) > 1
    assert [entry.version.id for page in pages for entry in page.entries] == ids[::-1]


async def test_a_page_while_it_is_written(wire, states, a_session):
    """A version that is made between two pages moves none of the others."""
    written = await states(4)
    first = await wire.list_versions("x", page_size=2)
    await wire.update(a_session(id="x", spec=of("new")))
    second = await wire.list_versions("x", page_size=2, page_token=first.next_page_token)
    entries = [entry.version for entry in [*first.entries, *second.entries]]
    assert entries == [each.metadata.version for each in reversed(written)]


async def test_tokens(users, a_session):
    """A token is good for the same session and caller only, and not for another list."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    for id_ in ("x", "y"):
        await ann.create(a_session(id_, id=id_))
        await ann.update(a_session(id_, id=id_))
    token = (await ann.list_versions("x", page_size=1)).next_page_token
    assert len((await ann.list_versions("x", page_token=token)).entries) == 1
    others = (await ann.list(page_size=1)).next_page_token
    for call in (
        ann.list_versions("y", page_token=token),
        bob.list_versions("x", page_token=token),
        ann.list(page_token=token),
        ann.list_versions("x", page_token=others),
        ann.list_versions("x", page_token=token[:-1]),
    ):
        refusal = await ann.refused(call)
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_token"])


async def test_bad_requests(wire):
    """Without an id, or with a negative size, there is no such list."""
    assert (await wire.refused(wire.list_versions(""))).fields == ["session_id"]
    assert (await wire.refused(wire.list_versions("x", page_size=-1))).fields == ["page_size"]


async def test_unknown_session(wire, states):
    """A session that is not there has no versions; one that is gone has none any more."""
    refusal = await wire.refused(wire.list_versions("nobody"))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "SESSION_NOT_FOUND")
    await states(2)
    await wire.delete("x")
    assert (await wire.refused(wire.list_versions("x"))).code == "NOT_FOUND"


async def test_get_by_reference(wire, states):
    """Each version is answered as it was, byte for byte, the current one by its own id too."""
    for state in await states(3):
        assert await wire.get_by_reference("deploy", org="acme", version=state.metadata.version.id) == state


async def test_versions_of_others(wire, states, a_session):
    """A version is looked for in the session that the reference names, and nowhere else."""
    first, _ = await states(2)
    await wire.create(a_session("Other"))
    refusal = await wire.refused(wire.get_by_reference("other", org="acme", version=first.metadata.version.id))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", "Session not found: other")


async def test_versions_of_one_that_is_gone(wire, states, a_session):
    """A new session under a slug that was free again has no part in the history of the one before."""
    first, _ = await states(2)
    await wire.delete("x")
    call = wire.get_by_reference("deploy", org="acme", version=first.metadata.version.id)
    assert (await wire.refused(call)).code == "NOT_FOUND"
    await wire.create(a_session())
    call = wire.get_by_reference("deploy", org="acme", version=first.metadata.version.id)
    assert (await wire.refused(call)).code == "NOT_FOUND"


async def test_versions_outlive_the_server(served, sqlite_url, a_session):
    """What a session was is known after a restart."""
    wire = await served(store=sqlite_url)
    first = await wire.create(a_session(id="x"))
    await wire.update(a_session(id="x", spec=of("2")))
    again = await served(store=sqlite_url)
    assert len((await again.list_versions("x")).entries) == 2
    assert await again.get_by_reference("deploy", org="acme", version=first.metadata.version.id) == first
