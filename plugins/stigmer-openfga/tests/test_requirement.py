"""What is read from an rpc's method option."""

from types import SimpleNamespace

import pytest
from stigmer_openfga.requirement import Requirement, sibling

from stigmer import ConfigurationError
from stigmer.app import assembled
from stigmer.settings import Settings


@pytest.fixture
def declaring():
    """``session.update`` as if it declared something else."""
    real = assembled(Settings(plugins=())).pipelines["session.update"].operation

    def declare(**fields):
        values = {"permission": real.authorization.permission, "resource_kind": real.authorization.resource_kind, **fields}
        return SimpleNamespace(name=real.name, method=real.method, authorization=type(real.authorization)(**values))

    declare.real = real
    return declare


def test_where_the_request_names_the_resource(declaring):
    """The id is found along the path; a request without it names nothing."""
    found = Requirement.of(declaring(field_path="metadata.id"))
    request = declaring.real.request
    assert found.object_in(request.from_json('{"metadata": {"id": "ses-1"}}')) == "session:ses-1"
    assert found.object_in(request()) is None


def test_the_resource_may_be_the_same_for_all(declaring):
    """A fixed id needs no path."""
    assert Requirement.of(declaring(resource_id="the-one")).object_in(declaring.real.request()) == "session:the-one"


def test_the_refusal_has_a_text(declaring):
    """An rpc that brings no text of its own still refuses in words."""
    assert Requirement.of(declaring(resource_id="x")).refusal == "permission denied"


@pytest.mark.parametrize(
    "fields",
    [{}, {"field_path": "metadata.nothing"}, {"field_path": "spec.agent_instance_id.x"}, {"resource_id": "x", "permission": 0}],
)
def test_what_is_not_whole_is_refused(declaring, fields):
    """A path that the request does not have, no resource or no permission keep the server from starting."""
    if fields.get("permission") == 0:
        fields = {**fields, "permission": type(declaring.real.authorization.permission)(0)}
    with pytest.raises(ConfigurationError, match=r"session\.update"):
        Requirement.of(declaring(**fields))


def test_a_sibling_must_be_there(declaring):
    """An rpc that stands for another must be in the same service."""
    assert sibling(declaring.real, "create").permission == "can_create_session"
    with pytest.raises(ConfigurationError, match="no rpc 'peek'"):
        sibling(declaring.real, "peek")
