"""Restoring: a session becomes what it was in an earlier version."""

import asyncio

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

UNKNOWN = "ver-01kdvdna043f61n8678vna7x01"


def of(subject: str) -> SessionSpec:
    return SessionSpec(agent_instance_id="ain-1", subject=subject)


@pytest.fixture
async def two(wire, a_session):
    """A session ``x`` in two versions that differ in everything that can be changed."""
    first = await wire.create(a_session("Old", id="x", labels={"a": "1"}, annotations={"n": "m"}, tags=["t"], spec=of("old")))
    second = await wire.update(a_session("New", id="x", labels={"b": "2"}, annotations={"o": "p"}, tags=["u"], spec=of("new")))
    return first, second


async def test_restored(wire, two):
    """Name, labels, annotations, tags and spec are those of the version; it is a new one, and says where it came from."""
    first, second = two
    answer = await wire.restore("x", first.metadata.version.id)
    assert await wire.get("x") == answer
    version, old = answer.metadata.version, first.metadata.version
    assert version.id not in {old.id, second.metadata.version.id}
    assert (version.previous_version_id, version.message) == (second.metadata.version.id, f"restored from {old.id}")
    audit, before = answer.status.audit.spec_audit, second.status.audit.spec_audit
    assert (audit.created_at, audit.event) == (before.created_at, "updated")
    assert (audit.updated_at.seconds, audit.updated_at.nanos) > (before.updated_at.seconds, before.updated_at.nanos)
    answer.metadata.version, answer.status = old, first.status
    assert answer == first


async def test_message(wire, two):
    """The message of the new version is the one that the request gives."""
    answer = await wire.restore("x", two[0].metadata.version.id, message="that was better")
    assert answer.metadata.version.message == "that was better"


async def test_back_and_forth(wire, two):
    """What a restore has replaced is a version as any other, and can be restored."""
    first, second = two
    await wire.restore("x", first.metadata.version.id)
    answer = await wire.restore("x", second.metadata.version.id)
    assert (answer.metadata.name, answer.spec) == ("New", second.spec)
    assert len((await wire.list_versions("x")).entries) == 4


async def test_unknown_fields(wire, a_session):
    """Fields that this server does not know come back with the version that had them."""
    request = a_session(id="x").to_binary() + b"\xfa\x01\x03abc"
    first = await wire.create(request)
    await wire.update(a_session(id="x", spec=of("2")).to_binary() + b"\xfa\x01\x03xyz")
    await wire.restore("x", first.metadata.version.id)
    assert b"\xfa\x01\x03abc" in await wire.get_bytes("x")


async def test_only_the_current_version(wire, two):
    """A restore that is meant for another version than the current one is ABORTED, and names it."""
    first, second = two
    for wrong in (first.metadata.version.id, UNKNOWN, "anything"):
        refusal = await wire.refused(wire.restore("x", first.metadata.version.id, current_version_id=wrong))
        assert (refusal.code, refusal.reason) == ("ABORTED", "VERSION_NOT_CURRENT")
        assert dict(refusal.metadata) == {"currentVersionId": second.metadata.version.id}
    assert await wire.get("x") == second
    answer = await wire.restore("x", first.metadata.version.id, current_version_id=second.metadata.version.id)
    assert answer.spec == first.spec


async def test_unknown_version(wire, two, a_session):
    """A version that is not there, or is another session's, is NOT_FOUND."""
    other = await wire.create(a_session("Other"))
    for version in (UNKNOWN, other.metadata.version.id, "latest", "x" * 200):
        refusal = await wire.refused(wire.restore("x", version))
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "SESSION_VERSION_NOT_FOUND")
        assert refusal.text == f"Session version not found: {version[:128]}"


async def test_unknown_session(wire, two):
    """A session that is not there, or not any more, is NOT_FOUND: nothing brings it back."""
    for id_ in ("nobody", "x"):
        refusal = await wire.refused(wire.restore(id_, two[0].metadata.version.id))
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "SESSION_NOT_FOUND")
        await wire.delete("x") if id_ == "nobody" else None
    assert await wire.count() == 0


async def test_bad_requests(wire):
    """Session and version are required."""
    refusal = await wire.refused(wire.call("restore", RestoreSessionRequest()))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["session_id", "version_id"])


async def test_restores_racing_updates(wire, two, a_session):
    """Restores and updates at once all succeed, one after the other, each on what the one before it wrote."""
    first, _ = two
    calls = [wire.restore("x", first.metadata.version.id) for _ in range(8)]
    calls += [wire.update(a_session(id="x", spec=of(str(number)))) for number in range(8)]
    answers = await asyncio.gather(*calls)
    versions = {answer.metadata.version.id: answer.metadata.version.previous_version_id for answer in answers}
    entries = (await wire.list_versions("x")).entries
    assert len(entries) == 18
    assert {entry.version.id: entry.version.previous_version_id for entry in entries[:16]} == versions
    assert [entry.version.previous_version_id for entry in entries[:-1]] == [entry.version.id for entry in entries[1:]]
