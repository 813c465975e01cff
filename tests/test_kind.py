"""Kinds are described by the proto."""

import pytest

from stigmer import ConfigurationError, Kind
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.session.kind import SESSION


def test_names_come_from_the_kinds_option():
    """Name, api_version, prefix and key are what ``kind_meta`` and ``group_meta`` say."""
    assert (SESSION.name, SESSION.api_version, SESSION.id_prefix, SESSION.key) == (
        "Session",
        "agentic.stigmer.ai/v1",
        "ses",
        "session",
    )


def test_a_value_without_description_is_refused():
    """A number that the proto does not describe is no kind."""
    with pytest.raises(ConfigurationError, match="api_resource_kind_unknown carries no option"):
        Kind.of(ApiResourceKind.api_resource_kind_unknown, Session, {})


def test_the_indexed_text_of_a_session_without_spec_is_empty():
    """A session without a spec belongs to no agent instance."""
    assert SESSION.indexed["agent_instance_id"](Session()) == ""
