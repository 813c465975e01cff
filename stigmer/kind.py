"""What a kind of resource is: its names, its message class, and which of its fields the store indexes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, Self, TypeVar

from protobuf import Message

from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import (
    ApiResourceGroup,
    ApiResourceKind,
    ext_group_meta,
    ext_kind_meta,
)
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import ApiResourceAuditStatus
from stigmer.errors import ConfigurationError


class Resource(Protocol):
    """The fields that the message of every kind has."""

    api_version: str
    kind: str
    metadata: ApiResourceMetadata | None
    spec: Any
    status: ApiResourceAuditStatus | None

    def to_binary(self) -> bytes:
        """The message as protobuf bytes."""

    def to_json(self) -> str:
        """The message as ProtoJSON."""


R = TypeVar("R", bound=Message[Any])


@dataclasses.dataclass(frozen=True)
class Kind(Generic[R]):
    """A kind of resource.

    Attributes:
        number: its value in ``ApiResourceKind``; the value's name, ``key``, begins operation names.
        name: the value of the ``kind`` field in documents, such as ``Session``.
        api_version: the value of the ``api_version`` field, such as ``agentic.stigmer.ai/v1``.
        id_prefix: generated ids begin with it and a dash.
        message: the message class.
        indexed: column name → the text that the store indexes, beside id, owner, slug, org, tags and labels.
        searched: names of the texts that a text search looks through: ``name``, and any in ``indexed``.
    """

    number: ApiResourceKind
    name: str
    api_version: str
    id_prefix: str
    message: type[R]
    indexed: Mapping[str, Callable[[R], str]]
    searched: tuple[str, ...] = ("name",)

    @classmethod
    def of(
        cls,
        number: ApiResourceKind,
        message: type[R],
        indexed: Mapping[str, Callable[[R], str]],
        searched: tuple[str, ...] = ("name",),
    ) -> Self:
        """The kind that the proto describes in the option ``kind_meta`` of ``number``.

        Raises:
            ConfigurationError: the value carries no ``kind_meta``, or its group no ``group_meta``.
        """
        meta = _option(number, ext_kind_meta)
        domain = _option(meta.group, ext_group_meta).domain
        return cls(
            number=number,
            name=meta.name,
            api_version=f"{domain}/{meta.version.name}",
            id_prefix=meta.id_prefix,
            message=message,
            indexed=dict(indexed),
            searched=searched,
        )

    @functools.cached_property
    def key(self) -> str:
        """The kind in names of operations, tables and metrics, such as ``session``."""
        return self.number.name


def id_prefix(number: ApiResourceKind) -> str:
    """What generated ids of a kind begin with, also of one that nobody serves.

    Raises:
        ConfigurationError: the value carries no ``kind_meta``.
    """
    prefix: str = _option(number, ext_kind_meta).id_prefix
    return prefix


def _option(value: ApiResourceKind | ApiResourceGroup, extension: Any) -> Any:
    """The message in the option ``extension`` of an enum value."""
    described = next(v for v in type(value).desc().values if v.number == value)
    if described.proto.options is None or extension not in described.proto.options:
        raise ConfigurationError(f"{type(value).__name__}.{value.name} carries no option {extension.desc().name}")
    return described.proto.options[extension]
