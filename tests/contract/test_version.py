"""The row "metadata.version" of the contract."""

import pytest

from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadataVersion as Version

FIRST = Version(id="v1", message="first", previous_version_id="v0")


@pytest.mark.parametrize("method", ["create", "apply"])
async def test_kept_on_create(wire, a_session, method):
    """A new session has the version that the client gave."""
    answer = await wire.call(method, a_session(version=FIRST))
    assert (await wire.get(answer.metadata.id)).metadata.version == FIRST


async def test_absent_on_create(wire, a_session):
    """The server makes no version of its own."""
    assert (await wire.create(a_session())).metadata.version is None


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_replaced_on_update(wire, a_session, method):
    """An update takes the version that the client gives, whole."""
    await wire.create(a_session(id="x", version=FIRST))
    answer = await wire.call(method, a_session(id="x", version=Version(id="v2")))
    assert answer.metadata.version == Version(id="v2")


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_absent_on_update(wire, a_session, method):
    """An update without version keeps the stored one."""
    await wire.create(a_session(id="x", version=FIRST))
    assert (await wire.call(method, a_session("New", id="x"))).metadata.version == FIRST


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_client_versions_are_not_compared(wire, a_session, method):
    """Ids that the server did not issue are never stale: any follows any."""
    await wire.create(a_session(id="x", version=FIRST))
    for number in (9, 3, 3, 1):
        version = Version(id=f"v{number}", previous_version_id="nonsense")
        assert (await wire.call(method, a_session(f"n{number}", id="x", version=version))).metadata.version == version
