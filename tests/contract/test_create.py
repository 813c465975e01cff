"""The row "create" of the contract."""

import pytest
from protobuf.wkt import Timestamp

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import (
    ApiResourceAudit,
    ApiResourceAuditActor,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
)

FULL_SPEC = {
    "agent_instance_id": "ain-1",
    "subject": "Über 🚀 שלום\n\t\x00\x7f",
    "thread_id": "thread-1",
    "sandbox_id": "sandbox-1",
    "metadata": {"k": "v", "": "empty key", "ключ": "", "a\0b": "\x01"},
}


def forged_status() -> ApiResourceAuditStatus:
    """A status as only the server may write it, with times that have no JSON form."""
    info = ApiResourceAuditInfo(
        created_by=ApiResourceAuditActor(id="mallory", avatar="m.png"),
        created_at=Timestamp(seconds=10**17, nanos=7),
        updated_at=Timestamp(seconds=-(10**17)),
        event="forged",
    )
    return ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=info))


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_everything_the_client_may_say_is_kept(wire, a_session, as_json, method):
    """Name, org, labels, annotations, tags and the whole spec are stored and given back as they were sent."""
    request = a_session(
        "Ä name\twith \0 everything 🚀",
        labels={"team": "a", "": "x", "emoji🚀": "שלום", "nul\0": "\0"},
        annotations={"note": "line\nline", "big": "x" * 10_000},
        tags=["b", "a", "b", "", "🚀", "\0", "RTL שלום"],
        spec=SessionSpec(**FULL_SPEC),
    )
    answer = await wire.call(method, request)
    assert as_json(answer)["spec"] == as_json(request)["spec"]
    sent, got = as_json(request)["metadata"], as_json(answer)["metadata"]
    assert {key: got[key] for key in sent} == sent
    assert set(got) - set(sent) == {"id", "slug", "version"}
    assert list(answer.metadata.tags) == ["b", "a", "b", "", "🚀", "\0", "RTL שלום"]
    assert await wire.get(answer.metadata.id) == answer


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_client_status_is_wiped(wire, a_session, method):
    """A status that the client sends leaves no trace, even with times that no calendar has."""
    request = a_session()
    request.status = forged_status()
    answer = await wire.call(method, request)
    assert "mallory" not in answer.to_json()
    assert "forged" not in answer.to_json()
    assert answer.status.audit.spec_audit.created_by.id == "system"
    assert answer.status.audit.spec_audit.created_by.avatar == ""


async def test_unknown_fields_in_a_client_status_are_wiped(wire, a_session):
    """Of the client's status not even the unknown fields stay."""
    answer = await wire.create(a_session().to_binary() + b"\x2a\x07\xfa\x3f\x04evil")
    assert b"evil" not in answer.to_binary()


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_unknown_fields_are_kept(wire, method):
    """Fields of a newer schema come back, from the answer and from every read: of the session, its metadata and its spec."""
    metadata = b"\x0a\x06Deploy\x22\x04acme\x28\x02" + b"\xfa\x3f\x05in-md"
    spec = b"\x0a\x05ain-1" + b"\xfa\x3f\x07in-spec"
    wire_bytes = b"\x1a" + bytes([len(metadata)]) + metadata + b"\x22" + bytes([len(spec)]) + spec + b"\xfa\x3f\x06at-top"
    answer = await wire.call(method, wire_bytes)
    listed = (await wire.list()).entries[0]
    referred = await wire.get_by_reference("deploy", org="acme")
    for session in (answer, await wire.get(answer.metadata.id), listed, referred, await wire.delete(answer.metadata.id)):
        assert b"\xfa\x3f\x06at-top" in session.to_binary()
        assert b"\xfa\x3f\x05in-md" in session.metadata.to_binary()
        assert b"\xfa\x3f\x07in-spec" in session.spec.to_binary()


async def test_spec_may_be_left_out(wire, a_session):
    """A create without spec stores a session without one."""
    answer = await wire.create(a_session(spec=False))
    assert answer.spec is None
    assert (await wire.get(answer.metadata.id)).spec is None


async def test_nothing_is_invented(wire, a_session, as_json):
    """Beside id, slug, version, constants and audit the server adds nothing."""
    answer = as_json(await wire.create(a_session()))
    assert set(answer) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert set(answer["metadata"]) == {"name", "slug", "id", "org", "ownerScope", "version"}
    assert set(answer["metadata"]["version"]) == {"id"}
    assert set(answer["status"]) == {"audit"}


async def test_maps_of_a_mebibyte_are_kept(wire, a_session):
    """A label of one MiB, and thousands of labels, are kept whole."""
    labels = {"big": "x" * 1024 * 1024, **{f"k{number}": str(number) for number in range(5000)}}
    answer = await wire.create(a_session(labels=labels))
    assert (await wire.get(answer.metadata.id)).metadata.labels == labels


async def test_agent_instance_is_not_checked(wire, a_session):
    """A session may name an agent instance that nobody has heard of, and nothing is created beside it."""
    await wire.create(a_session(spec=SessionSpec(agent_instance_id="no such thing")))
    assert await wire.count() == 1


async def test_create_answers_what_is_stored(wire, a_session):
    """The answer of a create is byte for byte what a get gives."""
    answer = await wire.raw("/ai.stigmer.agentic.session.v1.SessionCommandController/create", a_session(id="x").to_binary())
    assert await wire.get_bytes("x") == answer
