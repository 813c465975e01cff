"""Who may do what, against a real OpenFGA."""

import json

import pytest

from stigmer import AlreadyExists, InvalidArgument, PermissionDenied
from stigmer.errors import SlugTaken

TEXTS = {verb: (PermissionDenied, f"unauthorized to {verb} session") for verb in ("get", "update", "delete")}
CREATE = (PermissionDenied, "unauthorized to create session in this organization")
OWN = '{"metadata": {"name": "Mine", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "ain-1"}}'


def session(id_, subject="changed"):
    """An update of a session."""
    return f'{{"metadata": {{"id": "{id_}"}}, "spec": {{"agentInstanceId": "ain-1", "subject": "{subject}"}}}}'


async def test_the_owner_may_do_everything(server):
    """Whoever created a session in their organization reads, changes, lists and deletes it."""
    async with server() as call:
        id_ = await call.create()
        assert (await call("ann", "session.get", f'{{"value": "{id_}"}}')).metadata.id == id_
        assert (await call("ann", "session.get_by_reference", '{"slug": "one", "org": "acme"}')).metadata.id == id_
        assert (await call("ann", "session.update", session(id_, "a"))).spec.subject == "a"
        assert (await call("ann", "session.apply", session(id_, "b"))).spec.subject == "b"
        assert (await call.total("ann"), await call.total("ann", "session.list_by_agent", '{"agentId": "ain-1"}')) == (1, 1)
        assert (await call("ann", "session.delete", f'{{"value": "{id_}"}}')).metadata.id == id_


async def test_strangers_cannot_tell_what_exists(server, session_json):
    """To a stranger each rpc answers the same about a session that exists and one that does not, by id and by slug."""
    async with server() as call:
        id_ = await call.create()
        by_slug = '{"metadata": {"slug": "SLUG", "org": "acme"}, "spec": {"agentInstanceId": "ain-1"}}'
        full = session_json.replace("One", "NAME")
        for there, absent in ((id_, "ses-none"), (id_, "odd:id#*")):
            for verb in ("get", "delete"):
                for each in (there, absent):
                    assert await call.failure("eve", f"session.{verb}", f'{{"value": "{each}"}}') == TEXTS[verb]
            for verb in ("update", "apply"):
                for each in (there, absent):
                    assert await call.failure("eve", f"session.{verb}", session(each)) == TEXTS["update"]
        for slug in ("one", "none"):
            assert await call.failure("eve", "session.get_by_reference", f'{{"slug": "{slug}", "org": "acme"}}') == TEXTS["get"]
            assert await call.failure("eve", "session.update", by_slug.replace("SLUG", slug)) == TEXTS["update"]
            assert await call.failure("eve", "session.apply", by_slug.replace("SLUG", slug)) == TEXTS["update"]
            assert await call.failure("eve", "session.apply", full.replace("NAME", slug)) == TEXTS["update"]
            assert await call.failure("eve", "session.create", full.replace("NAME", slug)) == CREATE
        assert (await call.total("eve"), await call.total("eve", "session.list_by_agent", '{"agentId": "ain-1"}')) == (0, 0)
        assert (await call("ann", "session.get", f'{{"value": "{id_}"}}')).spec.subject == "the secret subject"


async def test_a_batch_is_allowed_as_a_whole(server):
    """Who may see all of several sessions gets them; one that is foreign, gone or unknown among them refuses all alike."""
    async with server() as call:
        mine = [await call.create(), (await call("ann", "session.create", OWN)).metadata.id]
        foreign = (await call("bob", "session.create", OWN)).metadata.id
        found = await call("ann", "session.batch_get", json.dumps({"ids": [*mine, mine[0]]}))
        assert [each.metadata.id for each in found.sessions] == [*mine, mine[0]]
        for other in (foreign, "ses-none", "odd:id#*"):
            assert await call.failure("ann", "session.batch_get", json.dumps({"ids": [mine[0], other]})) == TEXTS["get"]
        await call("ann", "session.delete", json.dumps({"value": mine[1]}))
        assert await call.failure("ann", "session.batch_get", json.dumps({"ids": mine})) == TEXTS["get"]


async def test_what_is_gone_is_forbidden(server, world):
    """Of a session that is gone its owner hears what everybody hears, whether its tuples are gone or not."""
    async with server() as call:
        id_ = await call.create()
        tuples = await world.tuples()
        await call("ann", "session.delete", f'{{"value": "{id_}"}}')
        for _ in range(2):
            for verb in ("get", "delete"):
                assert await call.failure("ann", f"session.{verb}", f'{{"value": "{id_}"}}') == TEXTS[verb]
            await world.grant("ann", "owner", f"session:{id_}")
            await world.grant("organization:acme", "organization", f"session:{id_}")
        assert len(tuples) == len(await world.tuples())


async def test_create_needs_the_permission_in_the_organization(server, session_json):
    """Members may create, others may not; an organization must be named; what is one's own takes nothing but a name."""
    async with server() as call:
        assert await call.failure("eve", "session.create", session_json) == CREATE
        kind, text = await call.failure("ann", "session.create", session_json.replace('"acme"', '""'))
        assert (kind, "metadata.org" in text) == (InvalidArgument, True)
        kind, text = await call.failure("ann", "session.apply", session_json.replace('"acme"', '""'))
        assert (kind, "metadata.org" in text) == (InvalidArgument, True)
        assert (await call.total("eve"), await call.total("ann")) == (0, 0)
        assert await call.create("nobody", OWN)
        assert (await call("nobody2", "session.apply", OWN)).metadata.id
        assert (await call.total("nobody"), await call.total("ann")) == (1, 0)


async def test_own_sessions_are_private(server):
    """A session of one's own is seen by nobody else, not by an admin of any organization either."""
    async with server() as call:
        id_ = await call.create("ann", OWN)
        assert (await call("ann", "session.get_by_reference", '{"slug": "mine"}')).metadata.id == id_
        for who in ("adam", "eve"):
            assert await call.failure(who, "session.get", f'{{"value": "{id_}"}}') == TEXTS["get"]
            assert await call.failure(who, "session.get_by_reference", '{"slug": "mine"}') == TEXTS["get"]
            assert await call.total(who) == 0


async def test_admins_see_all_of_their_organization(server, session_json):
    """An admin reads, lists, changes and deletes all sessions of the organization, a member those of others not."""
    async with server() as call:
        id_ = await call.create("ann")
        assert await call.total("adam") == 1
        await call("adam", "session.update", session(id_))
        await call.create("adam", session_json.replace("One", "Two"))
        assert (await call.total("adam"), await call.total("ann")) == (2, 1)
        await call("adam", "session.delete", f'{{"value": "{id_}"}}')
        assert await call.total("adam") == 1


@pytest.mark.parametrize(
    ("relation", "changes", "deletes"), [("viewer", False, False), ("editor", True, False), ("owner", False, False)]
)
async def test_grants_of_their_own(server, world, relation, changes, deletes):
    """A viewer reads, an editor also changes, neither deletes; an owner who is not in the organization does nothing."""
    async with server() as call:
        id_ = await call.create()
        await world.grant("eve", relation, f"session:{id_}")
        assert await call.total("eve") == (relation != "owner")
        if relation == "owner":
            assert await call.failure("eve", "session.get", f'{{"value": "{id_}"}}') == TEXTS["get"]
        if changes:
            await call("eve", "session.update", session(id_))
        else:
            assert await call.failure("eve", "session.update", session(id_)) == TEXTS["update"]
        assert await call.failure("eve", "session.delete", f'{{"value": "{id_}"}}') == TEXTS["delete"]


async def test_grants_to_all_members(server, world):
    """What is granted to the members of an organization each member has, on one session or on all of another organization."""
    async with server() as call:
        id_ = await call.create()
        await world.grant("organization:other#member", "viewer", f"session:{id_}")
        assert (await call.total("eve"), await call.total("ann2")) == (1, 0)
        await world.grant("organization:acme#member", "session_viewer", "organization:acme")
        await world.grant("ann2", "member", "organization:acme")
        assert await call.total("ann2") == 1
        assert (await call("ann2", "session.get", f'{{"value": "{id_}"}}')).metadata.id == id_


async def test_a_revocation_bites_at_once(server, world):
    """The first call after a revocation is refused: of a grant, and of membership for what one made oneself."""
    async with server() as call:
        id_ = await call.create()
        get = ("session.get", f'{{"value": "{id_}"}}')
        for _ in range(20):
            await world.grant("eve", "viewer", f"session:{id_}")
            assert await call.total("eve") == 1
            await call("eve", *get)
            await world.revoke("eve", "viewer", f"session:{id_}")
            assert await call.failure("eve", *get) == TEXTS["get"]
            assert await call.total("eve") == 0
        await world.revoke("ann", "member", "organization:acme")
        assert await call.failure("ann", *get) == TEXTS["get"]
        assert await call.failure("ann", "session.update", session(id_)) == TEXTS["update"]
        assert await call.total("ann") == 0


async def test_taken_names_are_told_only_to_those_who_may_create(server, session_json):
    """A slug that is taken in a foreign organization, or an id, is nothing that a stranger to it hears of."""
    async with server() as call:
        await call.create()
        assert await call.failure("ann", "session.create", session_json) == (SlugTaken, "Session already exists: one")
        assert await call.failure("eve", "session.create", session_json) == CREATE
        taken = session_json.replace('"name"', '"id": "mine", "name"')
        await call.create("ann", taken.replace("One", "Two"))
        kind, text = await call.failure("eve", "session.create", taken.replace("acme", "other"))
        assert issubclass(kind, AlreadyExists)
        assert text == "Session already exists: mine"
        assert await call.failure("eve", "session.create", taken) == CREATE


async def test_page_tokens_open_nothing(server, session_json):
    """A page token is good for its caller only, and what was revoked between two pages is not on the second."""
    async with server() as call:
        for number in range(5):
            await call.create("ann", session_json.replace("One", f"No {number}"))
        first = await call("ann", "session.list", '{"pageSize": 2}')
        assert (len(first.entries), first.total_count, first.total_pages) == (2, 5, 3)
        again = f'{{"pageSize": 2, "pageToken": "{first.next_page_token}"}}'
        assert (await call.failure("adam", "session.list", again))[0] is InvalidArgument
        assert (await call("ann", "session.list", again)).total_count == 5


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_revocation_in_spite_of_caches(new_world, serve, caching_openfga, fresh):
    """With OpenFGA's caches on a revocation still bites at once, unless reads may be old; writes never may."""
    world = await new_world(caching_openfga.address)
    await world.grant("ann", "member", "organization:acme")
    async with serve(world, fresh_reads=fresh) as call:
        id_ = await call.create()
        await world.grant("eve", "editor", f"session:{id_}")
        get = ("session.get", f'{{"value": "{id_}"}}')
        for _ in range(3):
            await call("eve", *get)
            await call("eve", "session.update", session(id_))
        await world.revoke("eve", "editor", f"session:{id_}")
        assert await call.failure("eve", "session.update", session(id_)) == TEXTS["update"]
        if fresh:
            assert await call.failure("eve", *get) == TEXTS["get"]
            assert await call.total("eve") == 0
        else:
            assert (await call("eve", *get)).metadata.id == id_
    world.client.close()
