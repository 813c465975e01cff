"""The row "update" of the contract; what it shares with an apply that updates is tested for both."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope as Scope
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import ApiResourceAuditStatus

both = pytest.mark.parametrize("method", ["update", "apply"])
RICH = {"labels": {"a": "1", "b": "2"}, "annotations": {"n": "1"}, "tags": ["x", "y"]}


@both
async def test_by_id(wire, a_session, method):
    """The session with the id is changed; it is the answer, and what every later read gives."""
    stored = await wire.create(a_session())
    answer = await wire.call(method, a_session(id=stored.metadata.id, spec=SessionSpec(agent_instance_id="ain-2")))
    assert answer.spec.agent_instance_id == "ain-2"
    assert await wire.get(stored.metadata.id) == answer
    assert await wire.count() == 1


@both
async def test_by_slug(wire, a_session, method):
    """Without an id the slug, or the one that the name gives, says which session is meant."""
    stored = await wire.create(a_session("My Deploy"))
    by_name = await wire.call(method, a_session("My Deploy", spec=SessionSpec(agent_instance_id="ain-2")))
    by_slug = await wire.call(method, a_session("", slug="my-deploy", spec=SessionSpec(agent_instance_id="ain-3")))
    assert by_name.metadata.id == by_slug.metadata.id == stored.metadata.id
    assert (by_name.spec.agent_instance_id, by_slug.spec.agent_instance_id) == ("ain-2", "ain-3")
    assert by_slug.metadata.name == "My Deploy"


@both
async def test_identity_is_kept(wire, a_session, method):
    """Id, slug, org, scope and status stay as they are stored, whatever the request says of them."""
    stored = await wire.create(a_session())
    request = a_session("New Name", id=stored.metadata.id, slug="other", org="other", owner_scope=Scope.identity_account)
    request.status = ApiResourceAuditStatus()
    answer = (await wire.call(method, request)).metadata
    assert (answer.id, answer.slug, answer.org) == (stored.metadata.id, "deploy", "acme")
    assert answer.owner_scope == Scope.organization
    assert answer.name == "New Name"
    assert (await wire.get_by_reference("deploy", org="acme")).metadata.id == stored.metadata.id


@both
async def test_forged_status_is_ignored(wire, a_session, method):
    """A client cannot write the status, nor hide unknown fields in it."""
    stored = await wire.create(a_session(id="x"))
    request = a_session("Changed", id="x").to_binary() + b"\x2a\x07\xfa\x3f\x04evil"
    answer = await wire.call(method, request)
    assert answer.status.audit.status_audit == stored.status.audit.status_audit
    assert b"evil" not in answer.to_binary()


async def test_absent_spec_is_refused(wire, a_session):
    """An update without spec would erase it: INVALID_ARGUMENT at ``spec``, and nothing changes."""
    stored = await wire.create(a_session(id="x"))
    refusal = await wire.refused(wire.update(a_session("New", id="x", spec=False)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["spec"])
    assert await wire.get("x") == stored


@both
async def test_spec_is_replaced_whole(wire, a_session, method):
    """What the new spec leaves out is gone: subject, thread_id, sandbox_id and every entry of its metadata."""
    spec = SessionSpec(agent_instance_id="a", subject="s", thread_id="t", sandbox_id="b", metadata={"k": "v", "l": "w"})
    await wire.create(a_session(id="x", spec=spec))
    bare = SessionSpec(agent_instance_id="a", metadata={"m": "n"})
    answer = await wire.call(method, a_session(id="x", spec=bare))
    assert answer.spec == bare
    assert (await wire.get("x")).spec == bare


@both
async def test_runner_handles_are_replaced(wire, a_session, method):
    """thread_id and sandbox_id are replaced with the spec that they are part of."""
    await wire.create(a_session(id="x", spec=SessionSpec(agent_instance_id="a", thread_id="t1", sandbox_id="b1")))
    spec = (await wire.call(method, a_session(id="x", spec=SessionSpec(agent_instance_id="a", thread_id="t2")))).spec
    assert (spec.thread_id, spec.sandbox_id) == ("t2", "")


@both
async def test_metadata_is_replaced_when_given(wire, a_session, method):
    """Given name, labels, annotations and tags take the place of the stored ones, whole."""
    await wire.create(a_session(id="x", **RICH))
    given = {"labels": {"c": "3"}, "annotations": {"o": "2"}, "tags": ["z"]}
    answer = (await wire.call(method, a_session("Renamed", id="x", **given))).metadata
    assert (answer.name, answer.labels, answer.annotations, list(answer.tags)) == ("Renamed", {"c": "3"}, {"o": "2"}, ["z"])


@both
async def test_metadata_is_kept_when_empty(wire, a_session, method):
    """Name, labels, annotations and tags that are left out stay."""
    await wire.create(a_session(id="x", **RICH))
    changed = SessionSpec(agent_instance_id="ain-9")
    answer = (await wire.call(method, a_session("", id="x", spec=changed))).metadata
    assert (answer.name, answer.labels, answer.annotations) == ("Deploy", RICH["labels"], RICH["annotations"])
    assert list(answer.tags) == RICH["tags"]


@both
async def test_unknown_id(wire, a_session, method):
    """An id that is nowhere is NOT_FOUND, though the name would be found, and nothing is written."""
    await wire.create(a_session())
    refusal = await wire.refused(wire.call(method, a_session(id="nobody")))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", "Session not found: nobody")
    assert refusal.reason == "SESSION_NOT_FOUND"
    assert await wire.count() == 1


async def test_unknown_slug(wire, a_session):
    """A slug that is nowhere is NOT_FOUND; an update never creates."""
    refusal = await wire.refused(wire.update(a_session("No Such")))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", "Session not found: no-such")
    assert await wire.count() == 0


async def test_deleted_session(wire, a_session):
    """A deleted session cannot be updated, by id nor by slug."""
    await wire.create(a_session(id="x"))
    await wire.delete("x")
    assert (await wire.refused(wire.update(a_session(id="x")))).code == "NOT_FOUND"
    assert (await wire.refused(wire.update(a_session()))).code == "NOT_FOUND"
    assert await wire.count() == 0


@both
async def test_unknown_fields_are_kept_or_replaced(wire, method):
    """Fields of a newer schema are kept when an update says nothing of them, and replaced when it does."""
    metadata = b"\x0a\x06Deploy\x1a\x01x\x22\x04acme\x28\x02"
    newer = metadata + b"\xfa\x3f\x05in-md"
    spec = b"\x22\x07\x0a\x05ain-2"
    first = b"\x1a" + bytes([len(newer)]) + newer + b"\x22\x07\x0a\x05ain-1" + b"\xfa\x3f\x06at-top"
    await wire.create(first)
    kept = await wire.call(method, b"\x1a" + bytes([len(metadata)]) + metadata + spec)
    assert b"at-top" in kept.to_binary()
    assert b"in-md" in kept.metadata.to_binary()
    newest = metadata + b"\xfa\x3f\x05MD-v2"
    both_new = b"\x1a" + bytes([len(newest)]) + newest + b"\x22\x11\x0a\x05ain-2\xfa\x3f\x07in-spec" + b"\xfa\x3f\x06top-v2"
    replaced = await wire.call(method, both_new)
    assert b"at-top" not in replaced.to_binary()
    assert b"in-md" not in replaced.to_binary()
    assert b"top-v2" in replaced.to_binary()
    assert b"MD-v2" in replaced.metadata.to_binary()
    assert b"in-spec" in replaced.spec.to_binary()
    assert await wire.get("x") == replaced


async def test_update_without_change_is_a_write(wire, a_session):
    """An update that changes nothing is still an update: the audit says so."""
    await wire.create(a_session(id="x"))
    assert (await wire.update(a_session(id="x"))).status.audit.spec_audit.event == "updated"


@both
async def test_updates_keep_other_sessions(wire, a_session, method):
    """No other session is touched."""
    other = await wire.create(a_session("Other", id="y"))
    await wire.create(a_session(id="x"))
    await wire.call(method, a_session("New", id="x"))
    assert await wire.get("y") == other


async def test_updating_somebody_elses_session_keeps_its_owner(users, a_session):
    """Without authorization anybody may update by id; the session stays its creator's."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    mine = await ann.create(a_session(owner_scope=Scope.identity_account))
    await bob.update(a_session("Changed", id=mine.metadata.id, owner_scope=Scope.identity_account))
    assert (await ann.get_by_reference("deploy")).metadata.name == "Changed"
    assert (await bob.refused(bob.get_by_reference("deploy"))).code == "NOT_FOUND"
    assert (await bob.create(a_session(owner_scope=Scope.identity_account))).metadata.slug == "deploy"
