"""What is hidden stays hidden in versions, in repeated answers and in what is only tried."""

import json

import pytest

OPERATOR = "operator"


def session(**metadata):
    return json.dumps({"metadata": metadata, "spec": {"agentInstanceId": "ain-1", "subject": "changed"}})


@pytest.fixture
async def call(server):
    """Calls to a server that hides ``spec.sandbox_id`` from all but operators."""
    async with server() as calls:
        yield calls


async def test_earlier_versions(call):
    """A version that is read by reference hides what the current one hides."""
    id_ = await call.create()
    (first,) = (await call("session.list_versions", f'{{"sessionId": "{id_}"}}')).entries
    await call("session.update", session(id=id_))
    reference = json.dumps({"slug": "one", "version": first.version.id})
    assert (await call("session.get_by_reference", reference)).spec.sandbox_id == ""
    assert (await call("session.get_by_reference", reference, OPERATOR)).spec.sandbox_id == "box"


async def test_restore(call):
    """Who restores a version brings back what was hidden from them in it, and does not see it."""
    id_ = await call.create()
    (first,) = (await call("session.list_versions", f'{{"sessionId": "{id_}"}}')).entries
    other = json.dumps({"metadata": {"id": id_}, "spec": {"agentInstanceId": "ain-1", "sandboxId": "other"}})
    await call("session.update", other, OPERATOR)
    restore = json.dumps({"sessionId": id_, "versionId": first.version.id})
    assert (await call("session.restore", restore)).spec.sandbox_id == ""
    assert (await call("session.get", f'{{"value": "{id_}"}}', OPERATOR)).spec.sandbox_id == "box"


async def test_repeated_answers(call):
    """A repeated call hides what the caller may not see now, whatever they might when they called first."""
    key = {"idempotency-key": "k"}
    create = json.dumps(
        {"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a", "sandboxId": "box"}}
    )
    assert (await call("session.create", create, OPERATOR, metadata=key)).spec.sandbox_id == "box"
    assert (await call("session.create", create, metadata=key)).spec.sandbox_id == ""


async def test_what_is_only_tried(call):
    """The answer of a call that only validates hides what is stored in what is hidden."""
    id_ = await call.create()
    tried = {"validate-only": "true"}
    for name, request in (
        ("session.update", session(id=id_)),
        ("session.apply", session(id=id_)),
        ("session.delete", f'{{"value": "{id_}"}}'),
    ):
        assert (await call(name, request, metadata=tried)).spec.sandbox_id == ""
        assert (await call(name, request, OPERATOR, metadata=tried)).metadata.id == id_


async def test_an_apply_that_changes_nothing_visible(call):
    """An apply of what a caller sees, version and all, writes nothing."""
    id_ = await call.create()
    seen = await call("session.get", f'{{"value": "{id_}"}}')
    assert await call("session.apply", seen.to_json()) == seen
    assert len((await call("session.list_versions", f'{{"sessionId": "{id_}"}}')).entries) == 1


@pytest.mark.parametrize(
    ("hide", "left"),
    [
        ("metadata.version", {"event", "time", "actor"}),
        ("metadata", {"event", "time", "actor"}),
        ("status.audit.spec_audit.updated_by", {"version", "event", "time"}),
        ("status.audit.spec_audit", {"version"}),
        ("status", {"version"}),
        ("metadata.version.message", {"version", "event", "time", "actor"}),
        ("metadata.name", {"version", "event", "time", "actor"}),
        ("spec.subject", {"version", "event", "time", "actor"}),
    ],
)
async def test_lists_of_versions(server, rules, hide, left):
    """What a list of versions shows of a resource is hidden there too."""
    rules(json.dumps([{"hide": hide}]))
    async with server() as call:
        metadata = {"id": "x", "name": "x", "ownerScope": "identity_account", "version": {"message": "secret"}}
        await call("session.create", json.dumps({"metadata": metadata, "spec": {"agentInstanceId": "a"}}))
        (entry,) = (await call("session.list_versions", '{"sessionId": "x"}')).entries
        assert {field.name for field in entry} == left
        if hide == "metadata.version.message":
            assert (entry.version.message, bool(entry.version.id)) == ("", True)


async def test_versions_keep_nothing(server, rules):
    """A message that is hidden from a caller does not become that of the version which the caller makes."""
    rules('[{"hide": "metadata.version.message", "unless_role": "operator"}]')
    async with server() as call:
        id_ = await call.create()
        request = json.dumps({"metadata": {"id": id_, "version": {"message": "secret"}}, "spec": {"agentInstanceId": "a"}})
        await call("session.update", request, OPERATOR)
        await call("session.update", session(id=id_))
        seen = await call("session.get", f'{{"value": "{id_}"}}', OPERATOR)
        assert seen.metadata.version.message == ""
