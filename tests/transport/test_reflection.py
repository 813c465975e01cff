"""Reflection tells about the services that are served, options included."""

import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

# grpcio's own copy of these messages cannot be loaded beside grpclib's: the wire is the same.
from grpclib.reflection.v1 import reflection_pb2

from stigmer.testing import serving


@pytest.fixture(params=["v1", "v1alpha"])
def ask(request):
    """Asks a server one question, in either version of the service."""

    async def ask(address, **question):
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.stream_stream(
                f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )
            answers = [answer async for answer in call(iter([reflection_pb2.ServerReflectionRequest(**question)]))]
            return answers[0]

    return ask


async def test_all_services_are_listed(ask):
    """Both session services and health are listed."""
    async with serving() as app:
        answer = await ask(app.address, list_services="")
    assert [service.name for service in answer.list_services_response.service] == [
        "ai.stigmer.agentic.session.v1.SessionCommandController",
        "ai.stigmer.agentic.session.v1.SessionHistoryController",
        "ai.stigmer.agentic.session.v1.SessionQueryController",
        "ai.stigmer.agentic.session.v1.SessionWatchController",
        "grpc.health.v1.Health",
    ]


async def test_a_symbol_gives_its_file_with_its_options(ask):
    """The file of a service comes with the service's own options."""
    async with serving() as app:
        symbol = "ai.stigmer.agentic.session.v1.SessionCommandController"
        answer = await ask(app.address, file_containing_symbol=symbol)
    file = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
    assert file.name == "ai/stigmer/agentic/session/v1/command.proto"
    assert file.service[0].options.ByteSize() > 0


async def test_the_details_of_errors_are_described(ask):
    """Clients such as grpcurl can show the details that come with a status."""
    async with serving() as app:
        answer = await ask(app.address, file_containing_symbol="google.rpc.BadRequest")
    file = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
    assert file.name == "google/rpc/error_details.proto"


async def test_what_is_not_there_is_not_found(ask):
    """An unknown file and an unknown symbol are answered as such."""
    async with serving() as app:
        for request in ({"file_by_filename": "no.proto"}, {"file_containing_symbol": "no.Such"}):
            assert (await ask(app.address, **request)).error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
