"""The rows "ValidateProto", "api_version, kind" and "owner_scope" of the contract."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope as Scope

WRITES = ["create", "update", "apply"]
SCOPE_RULE = "Session resources can only have organization or identity_account scope"


@pytest.fixture
async def wire(served):
    """A server without plugins; rules do not depend on the store."""
    return await served()


@pytest.mark.parametrize("method", WRITES)
async def test_metadata_is_required(wire, method):
    """A session without metadata is refused."""
    refusal = await wire.refused(wire.call(method, Session(spec=SessionSpec(agent_instance_id="a"))))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("metadata", "value is required"),))


@pytest.mark.parametrize("method", WRITES)
async def test_spec_needs_an_agent_instance(wire, a_session, method):
    """A spec without agent_instance_id is refused."""
    refusal = await wire.refused(wire.call(method, a_session(spec=SessionSpec(subject="x"))))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("spec.agent_instance_id", "value is required"),))


@pytest.mark.parametrize(("field", "right"), [("api_version", "agentic.stigmer.ai/v1"), ("kind", "Session")])
@pytest.mark.parametrize("method", WRITES)
async def test_constants(wire, a_session, method, field, right):
    """Another api_version or kind is refused with the right one in the text; the right one and none at all pass."""
    stored = await wire.create(a_session())
    assert getattr(stored, field) == right
    for wrong in ("agentic.stigmer.ai/v2", "session", "Agent", " "):
        request = a_session("Other", id=stored.metadata.id if method == "update" else "")
        setattr(request, field, wrong)
        refusal = await wire.refused(wire.call(method, request))
        assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", ((field, f"value must equal `{right}`"),))
    request = a_session("Other", id=stored.metadata.id if method == "update" else "")
    setattr(request, field, right)
    assert getattr(await wire.call(method, request), field) == right


async def test_the_stored_session_has_its_constants(wire, a_session):
    """What is read back says its api_version and kind, also when the client left them out."""
    stored = await wire.get((await wire.create(a_session())).metadata.id)
    assert (stored.api_version, stored.kind) == ("agentic.stigmer.ai/v1", "Session")


@pytest.mark.parametrize("scope", [Scope.platform, Scope.api_resource_owner_scope_unspecified])
@pytest.mark.parametrize("method", ["create", "apply"])
async def test_scope_is_required_to_create(wire, a_session, method, scope):
    """A create, and an apply that creates, with scope platform or none is refused with the rule's message."""
    refusal = await wire.refused(wire.call(method, a_session(owner_scope=scope, org="acme")))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("metadata", SCOPE_RULE),))
    assert refusal.text == f"validation error: metadata: {SCOPE_RULE}"
    assert await wire.count() == 0


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_platform_scope_is_refused_on_update(wire, a_session, method):
    """The scope platform is refused wherever it stands."""
    stored = await wire.create(a_session())
    refusal = await wire.refused(wire.call(method, a_session(id=stored.metadata.id, owner_scope=Scope.platform)))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("metadata", SCOPE_RULE),))


@pytest.mark.parametrize("method", ["update", "apply"])
@pytest.mark.parametrize("by_id", [True, False])
async def test_unset_scope_means_unchanged(wire, a_session, method, by_id):
    """An update, and an apply that updates, needs no scope and keeps the stored one."""
    stored = await wire.create(a_session())
    request = a_session(owner_scope=Scope.api_resource_owner_scope_unspecified, org="acme")
    request.metadata.id = stored.metadata.id if by_id else ""
    answer = await wire.call(method, request)
    assert answer.metadata.id == stored.metadata.id
    assert answer.metadata.owner_scope == Scope.organization


@pytest.mark.parametrize("method", WRITES)
async def test_unknown_scope_is_refused(wire, a_session, method):
    """A number that is no scope is refused at ``metadata.owner_scope``."""
    request = a_session().to_binary()
    metadata = b"\x0a\x06Deploy\x22\x04acme\x28\x63"  # name, org, owner_scope = 99
    request = b"\x1a" + bytes([len(metadata)]) + metadata + b"\x22\x03\x0a\x01a"
    refusal = await wire.refused(wire.call(method, request))
    assert refusal.code == "INVALID_ARGUMENT"
    assert "metadata.owner_scope" in refusal.fields


async def test_identity_account_scope_needs_no_org(wire, a_session):
    """A session of the caller's own has an empty org."""
    metadata = (await wire.create(a_session(owner_scope=Scope.identity_account))).metadata
    assert (metadata.owner_scope, metadata.org) == (Scope.identity_account, "")


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_name_rule_does_not_apply_with_an_id(wire, a_session, method):
    """With an id neither name nor slug is asked for, nor looked at."""
    id_ = (await wire.create(a_session())).metadata.id
    for names in ({"name": ""}, {"name": "!!!"}, {"name": "", "slug": "No Slug!"}):
        assert (await wire.call(method, a_session(id=id_, **names))).metadata.slug == "deploy"


@pytest.mark.parametrize("method", WRITES)
async def test_name_rule_applies_without_an_id(wire, a_session, method):
    """Without an id a name or a slug is needed."""
    refusal = await wire.refused(wire.call(method, a_session("")))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("metadata.name", "value is required"),))


async def test_create_needs_a_name_also_with_an_own_id(wire, a_session):
    """On create an id does not stand for a slug."""
    refusal = await wire.refused(wire.create(a_session("", id="mine")))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["metadata.name"])


@pytest.mark.parametrize("method", ["get", "delete"])
async def test_id_is_required(wire, method):
    """Get and delete need an id."""
    refusal = await wire.refused(wire.call(method, b""))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("value", "value is required"),))


async def test_agent_id_is_required(wire):
    """list_by_agent needs an agent_id."""
    refusal = await wire.refused(wire.list_by_agent())
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("agent_id", "value is required"),))


async def test_several_violations(wire):
    """All broken rules are told at once, in field order, a line each."""
    metadata = b"\x28\x63"
    request = b"\x0a\x01v\x12\x01k\x1a" + bytes([len(metadata)]) + metadata + b"\x22\x00"
    refusal = await wire.refused(wire.create(request))
    assert refusal.code == "INVALID_ARGUMENT"
    order = ["api_version", "kind", "metadata", "metadata.name", "metadata.owner_scope", "spec.agent_instance_id"]
    assert [field for field in order if field in refusal.fields] == refusal.fields
    assert set(refusal.fields) == set(order)
    assert refusal.text == "\n".join(["validation errors:", *(f" - {field}: {text}" for field, text in refusal.violations)])


async def test_validation_comes_before_the_store(wire, a_session):
    """A bad request for a session that does not exist is a bad request."""
    assert (await wire.refused(wire.update(a_session(id="nobody", spec=False)))).code == "INVALID_ARGUMENT"
    request = a_session(id="nobody")
    request.kind = "Agent"
    assert (await wire.refused(wire.apply(request))).code == "INVALID_ARGUMENT"
