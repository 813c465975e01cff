"""The row "audit" of the contract."""

import time

import pytest

from stigmer.testing import SteppingClock


def instant(timestamp) -> int:
    return timestamp.seconds * 1_000_000_000 + timestamp.nanos


@pytest.fixture
async def stepping(served, by_metadata, store_url):
    """A server whose clock moves with every look, and that tells callers apart."""
    return await served(by_metadata, store=store_url, clock=SteppingClock())


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_a_new_session(wire, a_session, method):
    """Spec and status audit of a new session are equal: created and updated by the caller at one time, event created."""
    before = time.time_ns()
    audit = (await wire.call(method, a_session())).status.audit
    assert audit.spec_audit == audit.status_audit
    assert audit.spec_audit.created_at == audit.spec_audit.updated_at
    assert audit.spec_audit.created_by.id == audit.spec_audit.updated_by.id == "system"
    assert audit.spec_audit.event == "created"
    assert before - 1000 <= instant(audit.spec_audit.created_at) <= time.time_ns()


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_an_updated_session(stepping, a_session, method):
    """An update keeps who created and when, and the status audit; updated_* tell of the caller and now."""
    ann, bob = stepping.as_user("ann"), stepping.as_user("bob")
    old = await ann.create(a_session())
    new = await bob.call(method, a_session("Renamed", id=old.metadata.id))
    before, after = old.status.audit, new.status.audit
    assert after.status_audit == before.status_audit
    assert after.spec_audit.created_by == before.spec_audit.created_by
    assert after.spec_audit.created_at == before.spec_audit.created_at
    assert after.spec_audit.created_by.id == "ann"
    assert after.spec_audit.updated_by.id == "bob"
    assert after.spec_audit.event == "updated"
    assert instant(after.spec_audit.updated_at) > instant(before.spec_audit.updated_at)
    assert await bob.get(old.metadata.id) == new


async def test_every_update_moves_updated_at(stepping, a_session):
    """Updated again, a session has a later updated_at and still the same created_at, even if nothing else changed."""
    ann = stepping.as_user("ann")
    sessions = [await ann.create(a_session(id="x"))]
    sessions += [await ann.update(a_session(id="x")) for _ in range(3)]
    audits = [session.status.audit.spec_audit for session in sessions]
    times = [instant(audit.updated_at) for audit in audits]
    assert times == sorted(set(times))
    assert len({instant(audit.created_at) for audit in audits}) == 1


async def test_actor_is_the_caller(users, a_session):
    """The actor's id is the authenticated caller, and nothing else is said of them."""
    audit = (await users.as_user("ann").create(a_session())).status.audit.spec_audit
    assert (audit.created_by.id, audit.created_by.avatar) == ("ann", "")


async def test_reads_and_refusals_leave_the_audit_alone(stepping, a_session):
    """Neither a read nor a refused write is a change."""
    ann = stepping.as_user("ann")
    stored = await ann.create(a_session(id="x"))
    await ann.list()
    await ann.get_by_reference("deploy", org="acme")
    await ann.refused(ann.update(a_session(id="x", spec=False)))
    await ann.refused(ann.create(a_session()))
    assert await ann.get("x") == stored


async def test_times_are_whole_microseconds(wire, a_session):
    """Times hold nothing that a client's language could not."""
    assert (await wire.create(a_session())).status.audit.spec_audit.created_at.nanos % 1000 == 0
