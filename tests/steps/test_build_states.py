"""The Build steps decide what is stored: pure functions of what came and what is there."""

import copy

import pytest

from stigmer import RESPONSE, Caller, InvalidArgument, Owner
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import ApiResourceAudit, ApiResourceAuditStatus
from stigmer.session.kind import SESSION
from stigmer.steps import EXISTING, SLUG, STATE, BuildApplyState, BuildNewState, BuildUpdateState, Existing, Persist
from stigmer.testing import make_context, run_steps

ALICE = Caller("alice")


async def existing(services):
    return Existing.of(SESSION, await services.store.find(SESSION, Owner(2, "acme"), "hello-world"))


async def test_a_new_state_is_what_came_plus_what_the_server_knows(session):
    """The client's fields are kept; id, slug, constants and audit are the server's, a client's status is wiped."""
    session.status = ApiResourceAuditStatus(audit=ApiResourceAudit())
    ctx = make_context("session.create", session, caller=ALICE, slots={SLUG: "hello-world"})
    await run_steps(ctx, BuildNewState())
    state = ctx[STATE]
    assert (state.api_version, state.kind, state.metadata.slug) == ("agentic.stigmer.ai/v1", "Session", "hello-world")
    assert state.metadata.id.startswith("ses-")
    assert (state.spec, state.metadata.labels) == (session.spec, {"a": "1"})
    audit = state.status.audit
    assert audit.spec_audit == audit.status_audit
    assert (audit.spec_audit.created_by.id, audit.spec_audit.event) == ("alice", "created")
    assert audit.spec_audit.created_at == audit.spec_audit.updated_at


async def test_an_update_keeps_identity_owner_and_status(stored, services):
    """Whatever an update says of id, slug, org, scope and status, what is stored stays."""
    request = Session(
        metadata=ApiResourceMetadata(id="other", slug="other", org="other", owner_scope=3, name="New name"),
        spec=SessionSpec(agent_instance_id="ain-2"),
        status=ApiResourceAuditStatus(),
    )
    ctx = make_context("session.update", request, caller=ALICE, services=services, slots={EXISTING: await existing(services)})
    await run_steps(ctx, BuildUpdateState())
    state = ctx[STATE]
    old = stored.metadata
    assert (state.metadata.id, state.metadata.slug, state.metadata.org, state.metadata.owner_scope) == (
        old.id,
        old.slug,
        old.org,
        old.owner_scope,
    )
    assert (state.metadata.name, state.metadata.labels, state.metadata.tags) == ("New name", {"a": "1"}, ["x"])
    assert state.spec == SessionSpec(agent_instance_id="ain-2")
    assert state.status.audit.status_audit == stored.status.audit.status_audit
    spec_audit = state.status.audit.spec_audit
    assert (spec_audit.created_by.id, spec_audit.updated_by.id, spec_audit.event) == ("system", "alice", "updated")
    assert spec_audit.updated_at.nanos > spec_audit.created_at.nanos


async def test_what_is_given_in_metadata_replaces_what_is_stored(stored, services):
    """Name, labels, annotations and tags are replaced as a whole when they are given."""
    given = ApiResourceMetadata(labels={"b": "2"}, annotations={"n": "m"}, tags=["y", "z"])
    request = Session(metadata=given, spec=stored.spec)
    ctx = make_context("session.update", request, services=services, slots={EXISTING: await existing(services)})
    await run_steps(ctx, BuildUpdateState())
    metadata = ctx[STATE].metadata
    assert (metadata.name, metadata.labels, metadata.annotations, metadata.tags) == (
        "Hello World",
        {"b": "2"},
        {"n": "m"},
        ["y", "z"],
    )


async def test_an_update_of_a_session_without_audit_gives_it_one(services, stored):
    """A stored session whose status was lost is updated all the same."""
    found = await existing(services)
    bare = copy.deepcopy(found.message)
    bare.status = None
    ctx = make_context("session.update", stored, services=services, slots={EXISTING: Existing(found.stored, bare)})
    await run_steps(ctx, BuildUpdateState())
    assert ctx[STATE].status.audit.spec_audit.event == "updated"


async def apply(request, services, existing):
    ctx = make_context("session.apply", request, services=services, slots={SLUG: "hello-world", EXISTING: existing})
    return await run_steps(ctx, BuildApplyState())


async def test_an_apply_without_a_session_creates(session, services):
    """When none was found, the state is that of a create, also without a spec."""
    session.spec = None
    ctx = await apply(session, services, None)
    assert ctx[STATE].status.audit.spec_audit.event == "created"


async def test_an_apply_that_creates_answers_the_scope_rule(session, services):
    """An unset scope, which passed while it was open whether the apply updates, is refused now."""
    session.metadata.owner_scope = 0
    with pytest.raises(InvalidArgument, match="organization or identity_account scope"):
        await apply(session, services, None)


async def test_an_apply_that_changes_nothing_stores_nothing(session, stored, services):
    """The stored bytes are the answer, unchanged, also when maps come in another order."""
    found = await existing(services)
    ctx = await apply(session, services, found)
    assert ctx[STATE] is None
    await run_steps(ctx, Persist())
    assert (ctx[RESPONSE].wire, ctx.committed) == (found.stored.wire, False)


async def test_an_apply_that_changes_something_updates(session, stored, services):
    """Any difference, also only in an unknown field, is an update."""
    changed = copy.deepcopy(session)
    changed.spec.subject = "farewell"
    newer = type(session).from_binary(session.to_binary() + b"\xfa\x01\x03abc")
    for request in (changed, newer):
        ctx = await apply(request, services, await existing(services))
        assert ctx[STATE].status.audit.spec_audit.event == "updated"


async def test_an_apply_without_spec_cannot_update(session, stored, services):
    """It would erase the spec."""
    session.spec = None
    with pytest.raises(InvalidArgument, match="spec: value is required"):
        await apply(session, services, await existing(services))
