"""The row "get_by_reference" of the contract."""

import pytest

from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind as Kinds
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope as Scope


@pytest.fixture
async def ann(users, a_session):
    """Ann, who has a session ``deploy``, as have Bob and two organizations."""
    await users.as_user("ann").create(a_session(id="ann-own", owner_scope=Scope.identity_account, org="acme"))
    await users.as_user("bob").create(a_session(id="bob-own", owner_scope=Scope.identity_account))
    await users.as_user("bob").create(a_session(id="in-acme"))
    await users.as_user("bob").create(a_session(id="in-other", org="other"))
    return users.as_user("ann")


async def test_in_an_organization(ann):
    """An org means the session of organization scope in it."""
    assert (await ann.get_by_reference("deploy", org="acme")).metadata.id == "in-acme"
    assert (await ann.get_by_reference("deploy", org="other")).metadata.id == "in-other"


async def test_without_org(ann, users):
    """No org means the caller's own identity_account session."""
    assert (await ann.get_by_reference("deploy")).metadata.id == "ann-own"
    assert (await users.as_user("bob").get_by_reference("deploy")).metadata.id == "bob-own"


async def test_agreeing_scope(ann):
    """A scope that agrees with the org, or its absence, passes."""
    assert (await ann.get_by_reference("deploy", org="acme", scope=Scope.organization)).metadata.id == "in-acme"
    assert (await ann.get_by_reference("deploy", scope=Scope.identity_account)).metadata.id == "ann-own"


@pytest.mark.parametrize(
    ("org", "scope"),
    [("acme", Scope.identity_account), ("", Scope.organization), ("acme", Scope.platform), ("", Scope.platform)],
)
async def test_disagreeing_scope(ann, org, scope):
    """A scope that does not agree is INVALID_ARGUMENT at ``scope``."""
    refusal = await ann.refused(ann.get_by_reference("deploy", org=org, scope=scope))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["scope"])


async def test_scope_that_is_none(ann):
    """A number that is no scope is INVALID_ARGUMENT."""
    refusal = await ann.refused(ann.call("get_by_reference", b"\x08\x63\x22\x06deploy"))
    assert refusal.code == "INVALID_ARGUMENT"
    assert "scope" in refusal.fields


async def test_slug_is_required(ann):
    """A reference without slug is INVALID_ARGUMENT at ``slug``."""
    refusal = await ann.refused(ann.get_by_reference("", org="acme"))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("slug", "value is required"),))


async def test_right_kind(ann):
    """The kind session passes."""
    assert (await ann.get_by_reference("deploy", org="acme", kind=Kinds.session)).metadata.id == "in-acme"


@pytest.mark.parametrize("kind", [Kinds.agent, Kinds.agent_instance, Kinds.organization])
async def test_wrong_kind(ann, kind):
    """Another kind is INVALID_ARGUMENT at ``kind``."""
    refusal = await ann.refused(ann.get_by_reference("deploy", org="acme", kind=kind))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["kind"])


async def test_kind_that_is_none(ann):
    """A number that is no kind is INVALID_ARGUMENT."""
    refusal = await ann.refused(ann.call("get_by_reference", b"\x12\x04acme\x18\xe7\x07\x22\x06deploy"))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["kind"])


@pytest.mark.parametrize("version", ["", "latest"])
async def test_current_version(ann, version):
    """No version, and ``latest``, mean the current state."""
    assert (await ann.get_by_reference("deploy", org="acme", version=version)).metadata.id == "in-acme"


@pytest.mark.parametrize("version", ["v1", "Latest", "LATEST", "1.0.0", "a" * 64, "stable_2"])
async def test_other_versions(ann, version):
    """Any other version is NOT_FOUND, as there is no history."""
    refusal = await ann.refused(ann.get_by_reference("deploy", org="acme", version=version))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", "Session not found: deploy")


@pytest.mark.parametrize("version", ["a b", "é", "v1/2", " ", "latest ", "v1\n"])
async def test_malformed_version(ann, version):
    """A version that is no version is INVALID_ARGUMENT at ``version``."""
    refusal = await ann.refused(ann.get_by_reference("deploy", org="acme", version=version))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["version"])


@pytest.mark.parametrize("slug", ["nobody", "Deploy", "DEPLOY", "deploy ", "dep%", "ann-own", "\0", "x" * 20_000])
async def test_unknown_slug(ann, slug):
    """Anything but the slug itself is NOT_FOUND: a name, an id, a pattern."""
    refusal = await ann.refused(ann.get_by_reference(slug, org="acme"))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", f"Session not found: {slug[:128]}")


@pytest.mark.parametrize("org", ["nobody", "ACME", "acme ", "ann", "\0"])
async def test_unknown_org(ann, org):
    """An org without such a session is NOT_FOUND; a caller's name is no org."""
    assert (await ann.refused(ann.get_by_reference("deploy", org=org))).code == "NOT_FOUND"
