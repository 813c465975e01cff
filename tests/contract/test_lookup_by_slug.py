"""The row "look-up by slug without id" of the contract: which owner an update or apply without id means."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope as Scope

UNSET, ORGANIZATION, MINE = Scope.api_resource_owner_scope_unspecified, Scope.organization, Scope.identity_account
CHANGED = SessionSpec(agent_instance_id="changed")
pytestmark = pytest.mark.parametrize("method", ["update", "apply"])


@pytest.fixture
async def ann(users, a_session):
    """Ann, who has a session ``deploy`` of her own that names an org, as have Bob and two organizations."""
    await users.as_user("ann").create(a_session(id="ann-own", owner_scope=MINE, org="acme"))
    await users.as_user("bob").create(a_session(id="bob-own", owner_scope=MINE, org="acme"))
    await users.as_user("bob").create(a_session(id="in-acme", org="acme"))
    await users.as_user("bob").create(a_session(id="in-other", org="other"))
    return users.as_user("ann")


async def test_unset_scope_with_org(ann, a_session, method):
    """An org alone means the organization's session."""
    answer = await ann.call(method, a_session(owner_scope=UNSET, org="acme", spec=CHANGED))
    assert (answer.metadata.id, answer.spec.agent_instance_id) == ("in-acme", "changed")


async def test_unset_scope_without_org(ann, a_session, method):
    """Neither scope nor org means the caller's own session."""
    answer = await ann.call(method, a_session(owner_scope=UNSET, spec=CHANGED))
    assert (answer.metadata.id, answer.metadata.owner_scope) == ("ann-own", MINE)


async def test_organization_scope(ann, a_session, method):
    """Scope and org together mean that organization's session."""
    answer = await ann.call(method, a_session(owner_scope=ORGANIZATION, org="other", spec=CHANGED))
    assert answer.metadata.id == "in-other"


async def test_identity_account_scope(ann, a_session, method):
    """The scope identity_account means the caller's own session, whatever org is named."""
    answer = await ann.call(method, a_session(owner_scope=MINE, org="other", spec=CHANGED))
    assert (answer.metadata.id, answer.metadata.org) == ("ann-own", "acme")


async def test_id_wins(ann, a_session, method):
    """With an id, slug and owner of the request do not count."""
    answer = await ann.call(method, a_session(id="bob-own", owner_scope=UNSET, org="acme", spec=CHANGED))
    assert answer.metadata.id == "bob-own"


async def test_nobody_elses(users, a_session, method):
    """A caller without such a session never reaches another's: update finds none, apply creates the caller's."""
    await users.as_user("ann").create(a_session(id="ann-own", owner_scope=MINE))
    bob = users.as_user("bob")
    call = bob.call(method, a_session(owner_scope=MINE, spec=CHANGED))
    if method == "update":
        assert (await bob.refused(call)).code == "NOT_FOUND"
    else:
        assert (await call).metadata.id != "ann-own"
    assert (await users.as_user("ann").get("ann-own")).spec.agent_instance_id == "ain-1"
