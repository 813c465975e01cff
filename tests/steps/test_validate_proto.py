"""ValidateProto names every rule that is broken, in field order."""

import pytest

from stigmer import InvalidArgument, Violation
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.rules import name_or_slug, name_or_slug_without_id, own_id, spec_given
from stigmer.steps import ValidateProto
from stigmer.testing import make_context

SCOPE_RULE = "Session resources can only have organization or identity_account scope"


async def broken(step, request, operation="session.create"):
    with pytest.raises(InvalidArgument) as caught:
        await step(make_context(operation, request))
    return [tuple(violation) for violation in caught.value.violations]


async def test_all_rules_are_checked_and_told_in_field_order():
    """Rules of the proto and of the operation come together, ordered by field number at every depth."""
    request = Session(api_version="v0", kind="X", metadata=ApiResourceMetadata(id="!", owner_scope=9), spec=SessionSpec())
    assert await broken(ValidateProto(spec_given, own_id, name_or_slug), request) == [
        ("api_version", "value must equal `agentic.stigmer.ai/v1`"),
        ("kind", "value must equal `Session`"),
        ("metadata", SCOPE_RULE),
        ("metadata.name", "value is required"),
        ("metadata.id", "value does not match regex pattern `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`"),
        ("metadata.owner_scope", "value must be one of the defined enum values"),
        ("spec.agent_instance_id", "value is required"),
    ]


async def test_an_unset_scope_may_wait():
    """Where the stored session decides, an unset scope passes; a wrong one does not."""
    step = ValidateProto(unset_scope_passes=True)
    await step(make_context("session.update", Session(metadata=ApiResourceMetadata())))
    wrong = Session(metadata=ApiResourceMetadata(owner_scope=1))
    assert await broken(step, wrong) == [("metadata", SCOPE_RULE)]


async def test_without_metadata_the_other_rules_still_count():
    """A request without metadata is told so, and rules about what is in it stay silent."""
    step = ValidateProto(own_id, name_or_slug, name_or_slug_without_id, spec_given)
    assert await broken(step, Session()) == [("metadata", "value is required"), ("spec", "value is required")]


async def test_an_id_makes_up_for_name_and_slug():
    """With an id neither name nor slug is looked at, where the operation says so."""
    by_id = Session(metadata=ApiResourceMetadata(id="x", slug="NO SLUG", owner_scope=2))
    await ValidateProto(name_or_slug_without_id)(make_context("session.update", by_id))
    assert (await broken(ValidateProto(name_or_slug), by_id))[0][0] == "metadata.slug"


async def test_field_paths_show_keys():
    """A rule on an entry of a map or list names the entry."""

    def on_entries(ctx):
        yield Violation('metadata.labels["b"]', "value is odd")
        yield Violation("metadata.tags[2]", "value is odd")
        yield Violation("kind", "value is odd")

    request = Session(metadata=ApiResourceMetadata(owner_scope=2))
    fields = [field for field, _ in await broken(ValidateProto(on_entries), request)]
    assert fields == ["kind", 'metadata.labels["b"]', "metadata.tags[2]"]


async def test_other_messages_have_rules_too():
    """An empty id is refused."""
    assert await broken(ValidateProto(), SessionId(), "session.get") == [("value", "value is required")]
