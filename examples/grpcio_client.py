"""Talks to stigmer as any gRPC client would. Usage: ``python examples/grpcio_client.py HOST:PORT``; needs grpcio-tools.

``protos/published.binpb`` holds the descriptors of the whole API: protoc makes classes of them for every language, without
a look at the .proto files and what they import.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

IMAGE = Path(__file__).resolve().parent.parent / "protos" / "published.binpb"
SESSION = "ai/stigmer/agentic/session/v1"
COMMONS = "ai/stigmer/commons/apiresource"
FILES = [
    *(f"{SESSION}/{name}.proto" for name in ("api", "command", "history", "io", "query", "spec", "watch")),
    *(f"{COMMONS}/{name}.proto" for name in ("enum", "field_options", "io", "metadata", "service_options", "status")),
    f"{COMMONS}/apiresourcekind/kind.proto",
    "ai/stigmer/iam/iampolicy/v1/rpcauthorization/method_options.proto",
    "buf/validate/validate.proto",
]


def generate(out: str) -> None:
    """Writes the classes that grpcio uses below ``out``."""
    arguments = ["protoc", f"--descriptor_set_in={IMAGE}", f"--python_out={out}", f"--grpc_python_out={out}", *FILES]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def generated(path: str) -> Any:
    """The module that was generated for a file, such as ``ai/stigmer/agentic/session/v1/api_pb2``."""
    return importlib.import_module(path.replace("/", "."))


def main(address: str) -> None:
    """Creates a session, reads it by id, and deletes it."""
    api, io = generated(f"{SESSION}/api_pb2"), generated(f"{SESSION}/io_pb2")
    scopes = generated(f"{COMMONS}/enum_pb2")
    with grpc.insecure_channel(address) as channel:
        commands = generated(f"{SESSION}/command_pb2_grpc").SessionCommandControllerStub(channel)
        queries = generated(f"{SESSION}/query_pb2_grpc").SessionQueryControllerStub(channel)

        session = api.Session(spec={"agent_instance_id": "ain-writer"})
        session.metadata.name, session.metadata.org = "Draft the report", "acme"
        session.metadata.owner_scope = scopes.organization
        created = commands.create(session, timeout=10)
        print(queries.get(io.SessionId(value=created.metadata.id), timeout=10).metadata.slug)
        commands.delete(io.SessionId(value=created.metadata.id), timeout=10)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        sys.path.insert(0, folder)
        main(sys.argv[1])
