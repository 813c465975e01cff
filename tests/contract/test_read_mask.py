"""Read masks: a get or a list answers only the fields that are asked for."""

import pytest
from protobuf.wkt import FieldMask

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata

LABELS = {"team": "search", "a.b": "1", "c`d": "2"}


@pytest.fixture
async def stored(wire, a_session):
    """A session with something in most fields."""
    return await wire.create(a_session(name="One", id="one", labels=LABELS, tags=["x"]))


async def test_only_what_is_named_is_answered(wire, stored):
    """Fields at any depth, whole messages, and single entries of maps."""
    assert await wire.masked("one", "metadata.name", "spec.subject") == Session(
        metadata=ApiResourceMetadata(name="One"), spec=SessionSpec(subject=stored.spec.subject)
    )
    assert await wire.masked("one", "spec", "spec.subject") == Session(spec=stored.spec)
    assert await wire.masked("one", "status.audit.spec_audit.event") != await wire.masked("one", "status")
    some = await wire.masked("one", "metadata.labels.team", "metadata.labels.`a.b`", "metadata.labels.`c``d`", "metadata.tags")
    assert some == Session(metadata=ApiResourceMetadata(labels=LABELS, tags=["x"]))


@pytest.mark.parametrize("paths", [(), ("*",), ("metadata.name", "*")])
async def test_everything(wire, stored, paths):
    """A mask without paths and a star stand for the whole session."""
    assert await wire.masked("one", *paths) == stored


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("metadata.nam", "; did you mean name?"),
        ("subject", ""),
        ("spec.subject.x", ""),
        ("metadata.labels.a.b", ""),
        ("metadata..name", ""),
        ("", ""),
        (".", ""),
        ("metadata.`name", ""),
        ("x" * 300, ""),
    ],
)
async def test_unknown_fields_are_refused(wire, stored, path, hint):
    """A path that names no field is INVALID_ARGUMENT, and told."""
    refusal = await wire.refused(wire.masked("one", path))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["read_mask"])
    assert refusal.violations[0][1] == f"value must name fields: there is no {path[:128]}{hint}"


async def test_too_many_paths_are_refused(wire, stored):
    """More than a hundred paths are INVALID_ARGUMENT."""
    refusal = await wire.refused(wire.masked("one", *["kind"] * 101))
    assert refusal.violations == (("read_mask", "value must name at most 100 fields"),)


async def test_lists_are_narrowed(wire, stored):
    """Both lists answer narrowed sessions; totals and tokens stay, and a token serves any mask."""
    await wire.create(Session(metadata=ApiResourceMetadata(name="Two", owner_scope=3), spec=stored.spec))
    mask = FieldMask(paths=["metadata.name"])
    page = await wire.list(read_mask=mask, page_size=1)
    assert (page.entries, page.total_count) == ([Session(metadata=ApiResourceMetadata(name="One"))], 2)
    page = await wire.list(page_size=1, page_token=page.next_page_token)
    assert (page.entries[0].metadata.name, page.entries[0].spec) == ("Two", stored.spec)
    page = await wire.list_by_agent(stored.spec.agent_instance_id, read_mask=mask)
    assert [entry.metadata.name for entry in page.entries] == ["One", "Two"]
    refusal = await wire.refused(wire.list(read_mask=FieldMask(paths=["nothing"])))
    assert refusal.fields == ["read_mask"]


async def test_delete_answers_everything(wire, stored):
    """A delete is no read: it says all that was deleted."""
    assert await wire.call("delete", SessionId(value="one", read_mask=FieldMask(paths=["kind"]))) == stored
