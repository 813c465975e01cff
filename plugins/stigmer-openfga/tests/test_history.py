"""Who may see what was, and bring it back; and what becomes of permissions when a write is repeated or only tried."""

import json

import pytest

from stigmer import AlreadyExists, NotFound, PermissionDenied, StigmerError

VIEW = (PermissionDenied, "unauthorized to get session")
EDIT = (PermissionDenied, "unauthorized to update session")


def session(id_, **metadata):
    return json.dumps({"metadata": {"id": id_, **metadata}, "spec": {"agentInstanceId": "ain-1", "subject": "changed"}})


def about(id_, **fields):
    return json.dumps({"sessionId": id_, **fields})


async def first_version(call, id_):
    """The id of the oldest version of a session."""
    return (await call("ann", "session.list_versions", about(id_))).entries[-1].version.id


async def test_who_may_see_versions(server, world):
    """Whoever may see the session; strangers are told the same of one that is not there."""
    async with server() as call:
        id_ = await call.create()
        await world.grant("eve", "viewer", f"session:{id_}")
        assert len((await call("eve", "session.list_versions", about(id_))).entries) == 1
        for who, which in (("bob", id_), ("bob", "nobody"), ("ann", "nobody")):
            assert await call.failure(who, "session.list_versions", about(which)) == VIEW


async def test_who_may_see_a_version(server, world):
    """An earlier version is for those who may see the session; which versions there are is told to nobody else."""
    async with server() as call:
        id_ = await call.create()
        version = await first_version(call, id_)
        await call("ann", "session.update", session(id_))
        reference = json.dumps({"slug": "one", "org": "acme", "version": version})
        unknown = reference.replace(version, "ver-nothing")
        assert (await call("ann", "session.get_by_reference", reference)).spec.subject == "the secret subject"
        for who, which in (("bob", reference), ("bob", unknown), ("ann", unknown)):
            assert await call.failure(who, "session.get_by_reference", which) == VIEW


async def test_who_may_restore(server, world):
    """Whoever may change the session. A version that is not there is told to them, and to nobody else."""
    async with server() as call:
        id_ = await call.create()
        version = await first_version(call, id_)
        await world.grant("eve", "viewer", f"session:{id_}")
        for who in ("eve", "bob"):
            for which in (version, "ver-nothing"):
                assert await call.failure(who, "session.restore", about(id_, versionId=which)) == EDIT
        assert await call.failure("ann", "session.restore", about("nobody", versionId=version)) == EDIT
        failure, text = await call.failure("ann", "session.restore", about(id_, versionId="ver-nothing"))
        assert (failure.code, text) == (NotFound.code, "Session version not found: ver-nothing")
        await call("ann", "session.update", session(id_))
        assert (await call("ann", "session.restore", about(id_, versionId=version))).spec.subject == "the secret subject"


async def test_current_versions_are_no_news_for_strangers(server):
    """Which version is the current one is told only to those who may change the session."""
    async with server() as call:
        id_ = await call.create()
        stale = session(id_, version={"id": "ver-01kdvdna043f61n8678vna7x01"})
        for method in ("update", "apply"):
            assert await call.failure("bob", f"session.{method}", stale) == EDIT
            assert (await call.failure("ann", f"session.{method}", stale))[0].reason == "VERSION_NOT_CURRENT"


@pytest.mark.parametrize("own_id", ["", "mine"])
async def test_trying_leaves_no_tuples(server, world, session_json, own_id):
    """A create that is only tried writes no tuple and takes no id; a delete removes none."""
    request = session_json.replace('"name"', f'"id": "{own_id}", "name"') if own_id else session_json
    tuples = await world.tuples()
    async with server() as call:
        tried = await call("ann", "session.create", request, validate_only="true")
        assert tried.metadata.slug == "one"
        assert await world.tuples() == tuples
        id_ = (await call("ann", "session.create", request)).metadata.id
        created = await world.tuples()
        await call("ann", "session.delete", f'{{"value": "{id_}"}}', validate_only="true")
        assert await world.tuples() == created


async def test_trying_tells_of_taken_ids(server, world, session_json):
    """An id about which something is left is as taken when it is only tried."""
    await world.grant("eve", "viewer", "session:mine")
    request = session_json.replace('"name"', '"id": "mine", "name"')
    async with server() as call:
        tried = await call.failure("ann", "session.create", request, validate_only="true")
        assert tried == await call.failure("ann", "session.create", request)
        assert tried[0] is AlreadyExists


async def test_trying_is_authorized(server, session_json):
    """Who may not do it may not try it."""
    async with server() as call:
        id_ = await call.create()
        assert await call.failure("eve", "session.update", session(id_), validate_only="true") == EDIT
        assert (await call.failure("eve", "session.create", session_json, validate_only="true"))[0] is PermissionDenied


async def test_a_repeated_delete(server):
    """It is answered again, though nobody holds anything on what is gone; others with the same key are refused."""
    async with server() as call:
        id_ = await call.create()
        request = f'{{"value": "{id_}"}}'
        first = await call("ann", "session.delete", request, idempotency_key="k")
        assert await call("ann", "session.delete", request, idempotency_key="k") == first
        with pytest.raises(StigmerError, match="unauthorized to delete session"):
            await call("eve", "session.delete", request, idempotency_key="k")


async def test_a_repeated_create(server, world):
    """It writes no tuples again."""
    async with server() as call:
        request = json.dumps({"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a"}})
        first = await call("ann", "session.create", request, idempotency_key="k")
        tuples = await world.tuples()
        assert await call("ann", "session.create", request, idempotency_key="k") == first
        assert await world.tuples() == tuples
