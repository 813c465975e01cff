"""Which version a write makes, and which ones are compared."""

import pytest

from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata, ApiResourceMetadataVersion
from stigmer.errors import NotCurrent
from stigmer.testing import make_context
from stigmer.versions import check_current, current_id, next_version

ONE, OTHER = "ver-01kdvdna043f61n8678vna7x01", "ver-01kdvdna043f61n8678vna7x02"


def metadata(id_):
    return ApiResourceMetadata(version=ApiResourceMetadataVersion(id=id_) if id_ is not None else None)


@pytest.mark.parametrize(
    ("given", "stored", "current"),
    [(ONE, OTHER, OTHER), (ONE, "v1", ""), (ONE, "", ""), (ONE, None, ""), (ONE, ONE + "x", "")],
)
def test_not_current(given, stored, current):
    """A version of the server's own form must be the current one; one that the server has not issued is none."""
    with pytest.raises(NotCurrent) as refused:
        check_current(metadata(given), metadata(stored))
    assert refused.value.metadata == {"currentVersionId": current}
    with pytest.raises(NotCurrent):
        check_current(metadata(given), None)


@pytest.mark.parametrize("given", [None, "", "v1", "ver-1", "VER" + ONE[3:], ONE.replace("0", "u"), ONE + "\n"])
def test_nothing_to_compare(given):
    """Whatever else a request says is compared with nothing."""
    check_current(metadata(given), metadata(OTHER))
    check_current(metadata(given), None)
    check_current(metadata(ONE), metadata(ONE))


def test_next(session):
    """A new id; the message that is given, unknown fields with it; the one before if the server has issued it."""
    ctx = make_context("session.create", session)
    given = ApiResourceMetadataVersion.from_binary(b"\x12\x03why\x1a\x01x\xfa\x01\x03abc")
    version = next_version(ctx, given, metadata(ONE))
    assert (version.message, version.previous_version_id) == ("why", ONE)
    assert version.to_binary().endswith(b"\xfa\x01\x03abc")
    assert (given.id, given.previous_version_id) == ("", "x")
    other = next_version(ctx, None, metadata("v1"))
    assert other.id > version.id
    assert (other.message, other.previous_version_id) == ("", "")


@pytest.mark.parametrize(("id_", "told"), [(None, ""), ("", ""), ("v1", "v1"), (ONE, ONE)])
def test_current(id_, told):
    """The id of what is stored, whoever made it."""
    assert current_id(metadata(id_)) == told


@pytest.fixture
def session():
    """A request."""
    return make_context("session.create", None).operation.request(metadata=metadata(None))
