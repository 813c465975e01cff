"""The row "delete" of the contract."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec


async def test_answers_the_deleted_session(wire, a_session):
    """The answer is the session as it was, byte for byte."""
    stored = await wire.create(a_session(id="x", tags=["a"], labels={"k": "v"}))
    assert await wire.delete("x") == stored


async def test_answers_the_latest_state(wire, a_session):
    """After an update the answer is the updated session."""
    await wire.create(a_session(id="x"))
    updated = await wire.update(a_session("New", id="x"))
    assert await wire.delete("x") == updated


async def test_second_time(wire, a_session):
    """A session that is gone cannot be deleted: NOT_FOUND."""
    await wire.create(a_session(id="x"))
    await wire.delete("x")
    refusal = await wire.refused(wire.delete("x"))
    assert (refusal.code, refusal.text, refusal.reason) == ("NOT_FOUND", "Session not found: x", "SESSION_NOT_FOUND")


@pytest.mark.parametrize("id_", ["nobody", "X", "x ", "deploy", "%", "'; DROP TABLE session; --", "\0", "x" * 20_000])
async def test_unknown_id(wire, a_session, id_):
    """An id that no session has is NOT_FOUND; a slug is no id, and case counts."""
    await wire.create(a_session(id="x"))
    assert (await wire.refused(wire.delete(id_))).code == "NOT_FOUND"
    assert await wire.count() == 1


async def test_gone_from_every_read(wire, a_session):
    """A deleted session is in no get, reference, list or count."""
    await wire.create(a_session(id="x", tags=["t"]))
    await wire.create(a_session("Other", id="y", tags=["t"]))
    await wire.delete("x")
    assert (await wire.refused(wire.get("x"))).code == "NOT_FOUND"
    assert (await wire.refused(wire.get_by_reference("deploy", org="acme"))).code == "NOT_FOUND"
    for page in (await wire.list(), await wire.list(tags=["t"]), await wire.list_by_agent("ain-1")):
        assert [entry.metadata.id for entry in page.entries] == ["y"]
        assert (page.total_count, page.total_pages) == (1, 1)


async def test_nothing_else_is_deleted(wire, a_session):
    """Sessions of the same agent instance, owner and tags stay."""
    for number in range(3):
        await wire.create(a_session(f"n{number}", id=f"id{number}", tags=["t"], spec=SessionSpec(agent_instance_id="a")))
    await wire.delete("id1")
    assert [entry.metadata.id for entry in (await wire.list_by_agent("a")).entries] == ["id0", "id2"]
