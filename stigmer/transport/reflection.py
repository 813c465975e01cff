"""Server reflection over file descriptors that are given as bytes, in both published versions of the service."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import DescriptorPool
from grpclib.reflection._deprecated import ServerReflection as ReflectionV1Alpha
from grpclib.reflection.service import ServerReflection as ReflectionV1

if TYPE_CHECKING:
    from grpclib._typing import IServable


def reflection(files: Iterable[bytes], services: Collection[str]) -> list[IServable]:
    """The handlers that tell clients about ``services``.

    Args:
        files: serialized FileDescriptorProtos, each after those it imports.
        services: full names.
    """
    # A pool of its own: google's default pool is the process', and refuses a second definition of a file.
    pool = DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file)
    return [_make(ReflectionV1, services, pool), _make(ReflectionV1Alpha, services, pool)]


def _make(reflection_class: Any, services: Collection[str], pool: DescriptorPool) -> Any:
    return reflection_class(_service_names=tuple(sorted(services)), _pool=pool)
