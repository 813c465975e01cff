"""Server reflection over file descriptors that are given as bytes, in both published versions of the service."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import DescriptorPool
from grpclib.health.v1.health_pb2 import DESCRIPTOR as HEALTH
from grpclib.reflection._deprecated import ServerReflection as ReflectionV1Alpha
from grpclib.reflection.service import ServerReflection as ReflectionV1

if TYPE_CHECKING:
    from grpclib._typing import IServable


class _Symbols:
    """A descriptor pool that takes the full name of an rpc for a symbol too, as the protocol wants; google's does not.

    It holds the pool rather than inheriting from it, since what google's class makes is no instance of it.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802 - the name is google's
        """The file that defines ``symbol``.

        Raises:
            KeyError: there is none.
        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def reflection(files: Iterable[bytes], services: Collection[str]) -> list[IServable]:
    """The handlers that tell clients about ``services``, which may include health.

    Args:
        files: serialized FileDescriptorProtos, each after those it imports.
        services: full names.
    """
    # A pool of its own: google's default pool is the process', and refuses a second definition of a file.
    pool = DescriptorPool()
    for file in (*files, HEALTH.serialized_pb):
        pool.AddSerializedFile(file)
    return [_make(ReflectionV1, services, pool), _make(ReflectionV1Alpha, services, pool)]


def _make(reflection_class: Any, services: Collection[str], pool: DescriptorPool) -> Any:
    return reflection_class(_service_names=tuple(sorted(services)), _pool=_Symbols(pool))
