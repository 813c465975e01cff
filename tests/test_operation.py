"""Operations read their types, permission and kind from the rpc's descriptor."""

import dataclasses

import pytest
from protobuf import DescFile

from stigmer import ConfigurationError, Operation, method
from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb, query_pb
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.session.get_by_reference import GET_BY_REFERENCE
from stigmer.session.kind import SESSION
from stigmer.session.list import LIST
from stigmer.session.update import UPDATE


def test_names_come_from_kind_and_rpc():
    """Name, verb and path are those of kind and rpc."""
    assert (GET_BY_REFERENCE.name, GET_BY_REFERENCE.verb) == ("session.get_by_reference", "get_by_reference")
    assert GET_BY_REFERENCE.path == "/ai.stigmer.agentic.session.v1.SessionQueryController/getByReference"


def test_types_come_from_the_rpc():
    """Request and response are the rpc's message classes."""
    assert (LIST.request.__name__, LIST.response.__name__) == ("ListSessionsRequest", "SessionList")


def test_an_operation_writes_if_one_of_its_steps_does():
    """That is read from the steps."""
    assert (UPDATE.writes, LIST.writes, GET_BY_REFERENCE.writes) == (True, False, False)


def test_the_permission_comes_from_the_method_option():
    """What a caller needs is read from the rpc; an rpc that declares nothing gives None."""
    declared = UPDATE.authorization
    assert declared is not None
    assert (declared.permission.name, declared.resource_kind.name, declared.field_path) == (
        "can_edit",
        "session",
        "metadata.id",
    )
    assert LIST.authorization is None


def test_an_unknown_rpc_is_refused():
    """A misspelt rpc names file, service and rpc."""
    with pytest.raises(ConfigurationError, match="has no rpc SessionQueryController/fetch"):
        method(query_pb.desc(), "SessionQueryController", "fetch")


def without_kind(file: DescFile):
    """The service of ``file`` as it would be without its option."""
    service = file.services[0]
    proto = type(service.proto).from_binary(service.proto.to_binary())
    proto.clear_field("options")
    return dataclasses.replace(service.methods[0], parent=dataclasses.replace(service, proto=proto))


def test_a_service_without_a_kind_is_refused():
    """A service that does not say which kind it is about is refused, and named."""
    operation = Operation(without_kind(command_pb.desc()), SESSION, steps=())
    with pytest.raises(ConfigurationError, match=r"service .*SessionCommandController declares no api_resource_kind"):
        operation.check_kind()


def test_a_service_of_another_kind_is_refused():
    """An operation cannot be about another kind than its service."""
    skill = dataclasses.replace(SESSION, number=ApiResourceKind.skill)
    operation = Operation(UPDATE.method, skill, steps=())
    with pytest.raises(ConfigurationError, match="declares the kind session, not skill"):
        operation.check_kind()
