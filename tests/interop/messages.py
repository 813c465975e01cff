"""Message classes and methods of ``grpc_testing.proto``, made when this module is imported."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles
from grpc_tools import protoc
from grpclib.const import Cardinality

FILE = Path(__file__).with_name("grpc_testing.proto")
_CARDINALITIES = {tuple(cardinality.value): cardinality for cardinality in Cardinality}


class Method(NamedTuple):
    """An rpc: where it is called, how many messages go each way, and of which classes."""

    path: str
    cardinality: Cardinality
    request: Any
    answer: Any


def _compile() -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.binpb"
        failed = protoc.main(["protoc", f"-I{FILE.parent}", f"--descriptor_set_out={path}", FILE.name])
        assert not failed, f"{FILE.name} cannot be compiled"
        return FileDescriptorSet.FromString(path.read_bytes())


def _pool(files: FileDescriptorSet) -> DescriptorPool:
    # Not google's default pool, in which a second definition of the same names would be refused.
    pool = DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _methods(service: Any) -> dict[str, Method]:
    return {
        method.name: Method(
            f"/{service.full_name}/{method.name}",
            _CARDINALITIES[method.client_streaming, method.server_streaming],
            MESSAGES[method.input_type.name],
            MESSAGES[method.output_type.name],
        )
        for method in service.methods
    }


_POOL = _pool(_compile())
MESSAGES = {name.rpartition(".")[2]: made for name, made in GetMessageClassesForFiles([FILE.name], _POOL).items()}
"""Message classes by their names, such as ``SimpleRequest``."""

SERVICES = {name: _methods(service) for name, service in _POOL.FindFileByName(FILE.name).services_by_name.items()}
"""Methods by the names of their services and their own."""

METHODS = SERVICES["TestService"]
