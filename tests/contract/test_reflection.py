"""Server reflection, in both versions of the service: what generic clients learn of the server."""

import asyncio
import importlib.util
import json
import sys

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpclib.reflection.v1 import reflection_pb2 as v1
from grpclib.reflection.v1alpha import reflection_pb2 as v1alpha

from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer._proto.ai.stigmer.iam.iampolicy.v1.rpcauthorization.method_options_pb import RpcAuthorizationConfig

PACKAGE = "ai.stigmer.agentic.session.v1"
COMMAND, QUERY = f"{PACKAGE}.SessionCommandController", f"{PACKAGE}.SessionQueryController"
METHODS = {
    COMMAND: ["apply", "create", "update", "delete"],
    QUERY: ["get", "batchGet", "getByReference", "list", "listByAgent"],
}
CLIENT = """
import json, sys
import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

with grpc.insecure_channel(sys.argv[1]) as channel:
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    found = {}
    for name in database.get_services():
        if name.startswith("ai.stigmer"):
            methods = pool.FindServiceByName(name).methods
            found[name] = [[m.name, m.input_type.full_name, m.output_type.full_name] for m in methods]
    session = pool.FindMessageTypeByName("ai.stigmer.agentic.session.v1.Session")
    found["Session"] = [[field.name, field.number] for field in session.fields]
    json.dump(found, sys.stdout)
"""


@pytest.fixture(params=[v1, v1alpha], ids=["v1", "v1alpha"])
async def ask(request, served):
    """Asks one question in one version of the service and gives the answer."""
    wire, module = await served(), request.param
    service = module.DESCRIPTOR.services_by_name["ServerReflection"].full_name

    async def ask(**question):
        call = wire.channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=module.ServerReflectionRequest.SerializeToString,
            response_deserializer=module.ServerReflectionResponse.FromString,
        )([module.ServerReflectionRequest(**question)], timeout=10)
        (answer,) = [answer async for answer in call]
        return answer

    return ask


async def files(ask, **question) -> dict[str, FileDescriptorProto]:
    """The files that answer a question, and all that they import."""
    found: dict[str, FileDescriptorProto] = {}
    questions = [question]
    while questions:
        answer = (await ask(**questions.pop())).file_descriptor_response
        for file in map(FileDescriptorProto.FromString, answer.file_descriptor_proto):
            found[file.name] = file
            questions += [{"file_by_filename": name} for name in file.dependency if name not in found]
    return found


async def test_services(ask):
    """Both services and health are listed."""
    answer = await ask(list_services="")
    assert {service.name for service in answer.list_services_response.service} >= {COMMAND, QUERY, "grpc.health.v1.Health"}


@pytest.mark.parametrize("service", METHODS)
async def test_files_of_a_service(ask, service):
    """The files of a service and their imports are whole: a pool can be built of them alone."""
    pool, found = DescriptorPool(), await files(ask, file_containing_symbol=service)

    def add(name):
        file = found.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            pool.Add(file)

    for name in list(found):
        add(name)
    assert sorted(pool.FindServiceByName(service).methods_by_name) == sorted(METHODS[service])


SYMBOLS = ["ai.stigmer.commons.apiresource.ApiResourceMetadata", "grpc.health.v1.Health", "grpc.health.v1.Health.Check"]


@pytest.mark.parametrize("symbol", [f"{PACKAGE}.Session", f"{PACKAGE}.Session.spec", f"{QUERY}.listByAgent", *SYMBOLS])
async def test_symbols(ask, symbol):
    """Messages, fields, services and rpcs are found by their full names, those of health too."""
    answer = await ask(file_containing_symbol=symbol)
    assert len(answer.file_descriptor_response.file_descriptor_proto) >= 1


async def test_options(ask):
    """Descriptors carry our options: the service's kind, and what each rpc asks of its caller."""
    found = await files(ask, file_containing_symbol=QUERY)
    (service,) = found[f"{PACKAGE.replace('.', '/')}/query.proto"].service
    kind = service.options.SerializeToString()
    assert kind == b"\xa0\xff\x2b" + bytes([ApiResourceKind.session])  # field 90100, varint
    options = {method.name: method.options.SerializeToString() for method in service.method}
    assert options["list"] == options["getByReference"] == b""
    assert options["get"][:3] == b"\xc2\xb8\x18"  # field 50056, a message
    config = RpcAuthorizationConfig.from_binary(options["get"][4:])
    assert (config.permission.name, config.field_path) == ("can_view", "value")
    assert config.error_msg == "unauthorized to get session"


async def test_names_for_json(ask):
    """Fields carry their names in JSON, else generic clients print snake_case."""
    found = await files(ask, file_containing_symbol=f"{PACKAGE}.Session")
    (session,) = found[f"{PACKAGE.replace('.', '/')}/api.proto"].message_type
    assert [field.json_name for field in session.field if field.name == "api_version"] == ["apiVersion"]


UNKNOWN = [{"file_containing_symbol": "no.Such"}, {"file_containing_symbol": f"{QUERY}.no"}, {"file_by_filename": "no.proto"}]


@pytest.mark.parametrize("question", UNKNOWN)
async def test_unknown(ask, question):
    """What is not there is answered NOT_FOUND inside the stream."""
    assert (await ask(**question)).error_response.error_code == 5


@pytest.mark.skipif(importlib.util.find_spec("grpc_reflection") is None, reason="grpcio-reflection is not installed")
async def test_grpcio_reflection_client(served):
    """The reflection client of grpcio finds services, rpcs and messages."""
    # A process of its own: its messages and grpclib's of the same names cannot be in one.
    wire = await served()
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, wire.address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(client.communicate(), 30)
    assert client.returncode == 0, err.decode()
    found = json.loads(out)
    assert {service: [name for name, _, _ in found[service]] for service in METHODS} == METHODS
    assert ["getByReference", "ai.stigmer.commons.apiresource.ApiResourceReference", f"{PACKAGE}.Session"] in found[QUERY]
    assert found["Session"] == [["api_version", 1], ["kind", 2], ["metadata", 3], ["spec", 4], ["status", 5]]
