"""Versions: the server makes one with each write, and a write may ask for the one that it replaces."""

import asyncio
import re

import grpc
import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadataVersion as Version

ISSUED = re.compile("ver-[0-9a-hjkmnp-tv-z]{26}").fullmatch
UNKNOWN = "ver-01kdvdna043f61n8678vna7x01"
CLIENTS = 12
TIMES = 10


def of(subject: str) -> SessionSpec:
    return SessionSpec(agent_instance_id="ain-1", subject=subject)


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_made_on_create(wire, a_session, method):
    """A new session has a version of the server's own with the client's message, whatever id the client gives."""
    answer = await wire.call(method, a_session(version=Version(id="v1", message="first", previous_version_id="v0")))
    version = answer.metadata.version
    assert ISSUED(version.id)
    assert (version.message, version.previous_version_id) == ("first", "")
    assert await wire.get(answer.metadata.id) == answer


async def test_id_is_ignored_on_create(wire, a_session):
    """A create replaces nothing: it takes no notice of the id of a version that exists."""
    one = await wire.create(a_session())
    other = await wire.create(a_session("Other", version=one.metadata.version))
    assert other.metadata.version.id != one.metadata.version.id
    assert other.metadata.version.previous_version_id == ""


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_made_on_update(wire, a_session, method):
    """Each change makes a new version that names the one before, with a message of its own or none."""
    first = await wire.create(a_session(id="x", version=Version(message="first")))
    second = await wire.call(method, a_session(id="x", spec=of("2"), version=Version(message="second")))
    third = await wire.call(method, a_session(id="x", spec=of("3")))
    ids = [each.metadata.version.id for each in (first, second, third)]
    assert len(set(ids)) == 3
    assert sorted(ids) == ids
    assert [each.metadata.version.previous_version_id for each in (first, second, third)] == ["", *ids[:2]]
    assert [each.metadata.version.message for each in (first, second, third)] == ["first", "second", ""]


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_current_version_is_replaced(wire, a_session, method):
    """A session that is written back as it was read, but for a change, replaces what it was read as."""
    read = await wire.create(a_session(id="x"))
    read.spec.subject = "changed"
    answer = await wire.call(method, read)
    assert (answer.spec.subject, answer.metadata.version.previous_version_id) == ("changed", read.metadata.version.id)


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_another_version_is_aborted(wire, a_session, method):
    """Who would replace a version that is not the current one is told which one is, and nothing is written."""
    old = await wire.create(a_session(id="x"))
    current = await wire.update(a_session(id="x", spec=of("changed")))
    for version in (old.metadata.version, Version(id=UNKNOWN)):
        refusal = await wire.refused(wire.call(method, a_session(id="x", spec=of("lost"), version=version)))
        assert (refusal.code, refusal.reason) == ("ABORTED", "VERSION_NOT_CURRENT")
        assert dict(refusal.metadata) == {"currentVersionId": current.metadata.version.id}
        assert current.metadata.version.id in refusal.text
    assert await wire.get("x") == current


async def test_unchanged_apply_of_the_current_version(wire, a_session):
    """An apply that names the current version and changes nothing but the message writes nothing."""
    stored = await wire.create(a_session(id="x"))
    version = Version(id=stored.metadata.version.id, message="again")
    assert await wire.apply(a_session(id="x", version=version)) == stored
    assert await wire.apply(stored) == stored


async def test_unchanged_apply_of_another_version(wire, a_session):
    """An apply that names another version is ABORTED even if nothing would change."""
    old = await wire.create(a_session(id="x"))
    current = await wire.update(a_session(id="x"))
    refusal = await wire.refused(wire.apply(a_session(id="x", version=old.metadata.version)))
    assert (refusal.code, dict(refusal.metadata)) == ("ABORTED", {"currentVersionId": current.metadata.version.id})


async def test_apply_of_a_version_of_nothing(wire, a_session):
    """An apply that would replace a version, but finds no session, creates none: there is no current version."""
    refusal = await wire.refused(wire.apply(a_session(version=Version(id=UNKNOWN))))
    assert (refusal.code, refusal.reason, dict(refusal.metadata)) == (
        "ABORTED",
        "VERSION_NOT_CURRENT",
        {"currentVersionId": ""},
    )
    assert await wire.count() == 0


@pytest.mark.parametrize("method", ["update", "apply"])
@pytest.mark.parametrize("id_", ["", "v1", "ver-", UNKNOWN.upper(), UNKNOWN + "0", " " + UNKNOWN, "ver-" + "u" * 26, "\0"])
async def test_client_versions_are_not_compared(wire, a_session, method, id_):
    """Ids that the server cannot have issued are never stale, and are not stored: the last writer wins."""
    stored = await wire.create(a_session(id="x"))
    version = Version(id=id_, previous_version_id="nonsense")
    answer = await wire.call(method, a_session("New", id="x", version=version))
    assert ISSUED(answer.metadata.version.id)
    assert answer.metadata.version.previous_version_id == stored.metadata.version.id


async def test_unknown_session(wire, a_session):
    """An update of a session that is not there is NOT_FOUND, whatever version it names."""
    refusal = await wire.refused(wire.update(a_session(id="x", version=Version(id=UNKNOWN))))
    assert refusal.code == "NOT_FOUND"


async def test_one_of_many_replaces_a_version(wire, a_session):
    """Of many updates of one version at once exactly one is written; all others are ABORTED and name what it wrote."""
    read = await wire.create(a_session(id="x"))
    calls = [wire.update(a_session(id="x", spec=of(f"{n}"), version=read.metadata.version)) for n in range(32)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    (winner,) = [result for result in results if not isinstance(result, Exception)]
    assert {result.code().name for result in results if isinstance(result, Exception)} == {"ABORTED"}
    assert await wire.get("x") == winner


async def test_read_modify_write(wire, a_session):
    """Clients that increment a number, again whenever they are ABORTED, lose no increment and make none twice."""
    await wire.create(a_session(id="x", spec=of("0")))

    async def client():
        done = 0
        while done < TIMES:
            session = await wire.get("x")
            session.spec.subject = str(int(session.spec.subject) + 1)
            try:
                await wire.update(session)
                done += 1
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ABORTED:
                    raise

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    assert (await wire.get("x")).spec.subject == str(CLIENTS * TIMES)
