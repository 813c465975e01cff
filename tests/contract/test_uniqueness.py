"""The row "uniqueness" of the contract: a slug within its kind and owner."""

import pytest

from stigmer import before, hookimpl
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope

MINE = ApiResourceOwnerScope.identity_account


async def test_slug_is_unique_in_an_organization(wire, a_session):
    """A second session of the same slug and organization is ALREADY_EXISTS; the first stays as it is."""
    first = await wire.create(a_session("My Deploy"))
    refusal = await wire.refused(wire.create(a_session("my deploy!")))
    assert (refusal.code, refusal.text) == ("ALREADY_EXISTS", "Session already exists: my-deploy")
    assert refusal.reason == "SESSION_ALREADY_EXISTS"
    assert await wire.get(first.metadata.id) == first
    assert await wire.count() == 1


class Elsewhere:
    """A plugin and its step, which does something outside the store before the commit."""

    name = "Elsewhere"

    def __init__(self):
        self.done = 0

    async def __call__(self, ctx):
        self.done += 1

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "create":
            yield before("Persist", self)


@pytest.mark.parametrize("plugin", [None, Elsewhere()], ids=["alone", "with a plugin before the commit"])
async def test_what_is_taken_is_refused_before_anything_is_done_elsewhere(served, store_url, a_session, plugin):
    """A taken slug, and an id that is or was in use, are refused before a plugin has done anything for them."""
    wire = await served(*([plugin] if plugin else []), store=store_url)
    await wire.create(a_session("One", id="one"))
    await wire.create(a_session("Gone", id="gone"))
    await wire.delete("gone")
    done = plugin.done if plugin else None
    texts = [
        (await wire.refused(wire.create(session))).text
        for session in (
            a_session("One"),
            a_session("Two", id="one"),
            a_session("Three", id="gone"),
            a_session("One", id="gone"),
        )
    ]
    assert texts == [f"Session already exists: {what}" for what in ("one", "one", "gone", "gone")]
    assert await wire.names() == ["One"]
    assert plugin is None or plugin.done == done


async def test_own_slug_counts_too(wire, a_session):
    """A slug that was chosen and one that was made from a name are the same slug."""
    await wire.create(a_session("Anything", slug="deploy"))
    assert (await wire.refused(wire.create(a_session("Deploy")))).code == "ALREADY_EXISTS"


async def test_organizations_do_not_share_slugs(wire, a_session):
    """Two organizations may each have a session of one slug."""
    one = await wire.create(a_session(org="one"))
    two = await wire.create(a_session(org="two"))
    assert one.metadata.slug == two.metadata.slug
    assert one.metadata.id != two.metadata.id


async def test_organizations_are_compared_by_case(wire, a_session):
    """``acme`` and ``Acme`` are two organizations."""
    await wire.create(a_session(org="acme"))
    assert (await wire.create(a_session(org="Acme"))).metadata.org == "Acme"


async def test_slug_is_unique_for_a_caller(users, a_session):
    """A caller has at most one identity_account session of a slug; another caller may have the same."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    await ann.create(a_session(owner_scope=MINE))
    assert (await ann.refused(ann.create(a_session(owner_scope=MINE)))).code == "ALREADY_EXISTS"
    assert (await bob.create(a_session(owner_scope=MINE))).metadata.slug == "deploy"


async def test_organization_and_caller_of_one_name_are_two_owners(users, a_session):
    """The organization ``ann`` and the caller ``ann`` do not share slugs."""
    ann = users.as_user("ann")
    await ann.create(a_session(owner_scope=MINE))
    assert (await ann.create(a_session(org="ann"))).metadata.slug == "deploy"


async def test_org_does_not_part_a_callers_own(wire, a_session):
    """The owner of an identity_account session is the caller, whatever org stands in it."""
    await wire.create(a_session(owner_scope=MINE, org="one"))
    assert (await wire.refused(wire.create(a_session(owner_scope=MINE, org="two")))).code == "ALREADY_EXISTS"


@pytest.mark.parametrize("org", ["acme", ""])
async def test_slug_is_free_after_a_delete(wire, a_session, org):
    """Deleting a session frees its slug for a new one, with a new id."""
    metadata = {"org": org} if org else {"owner_scope": MINE}
    first = await wire.create(a_session(**metadata))
    await wire.delete(first.metadata.id)
    second = await wire.create(a_session(**metadata))
    assert second.metadata.slug == first.metadata.slug
    assert second.metadata.id != first.metadata.id


async def test_rename_keeps_the_slug_taken(wire, a_session):
    """A session that got another name keeps its slug, so that slug stays taken and the new name's is free."""
    stored = await wire.create(a_session("Old"))
    await wire.update(a_session("New", id=stored.metadata.id))
    assert (await wire.refused(wire.create(a_session("Old")))).code == "ALREADY_EXISTS"
    assert (await wire.create(a_session("New"))).metadata.slug == "new"
