"""What a caller needs to hold for an rpc, read from the rpc's method option."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from protobuf import DescFieldValueMessage, DescMessage

from stigmer import ConfigurationError, InvalidArgument, Operation, RequestContext
from stigmer_openfga.names import entity


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """A permission on one object.

    Attributes:
        permission: name of the relation.
        type: of the object, unless ``type_path`` says where the request names it.
        path: where the request names the object's id.
        id: the object's id when it is the same for all calls.
        type_path: where the request names the object's kind.
        refusal: what a refused caller reads.
    """

    permission: str
    type: str
    path: Sequence[str]
    id: str
    type_path: Sequence[str]
    refusal: str

    @classmethod
    def of(cls, operation: Operation) -> Requirement:
        """What the rpc of ``operation`` declares.

        Raises:
            ConfigurationError: it declares nothing, or names fields that its request does not have.
        """
        config = operation.authorization
        if config is None:
            raise ConfigurationError(f"{operation.name}: the rpc declares no permission")
        found = cls(
            permission=config.permission.name,
            type=config.resource_kind.name,
            path=_path(operation, config.field_path),
            id=config.resource_id,
            type_path=_path(operation, config.resource_kind_path),
            refusal=config.error_msg or "permission denied",
        )
        if not (found.path or found.id) or not (config.resource_kind or found.type_path) or not config.permission:
            raise ConfigurationError(f"{operation.name}: the rpc declares a permission, but not which one on what")
        return found

    def object_in(self, request: Any) -> str | None:
        """The name of the object that a request is about; None when nothing can have that name."""
        return entity(self._type_in(request), self.id or _value(request, self.path))

    def objects_in(self, request: Any) -> Sequence[str | None]:
        """The names of all objects that a request is about, each once: of several where it names them in a list."""
        ids = self.id or _value(request, self.path)
        type_ = self._type_in(request)
        return [entity(type_, id_) for id_ in ([ids] if isinstance(ids, str) else dict.fromkeys(ids))]

    def _type_in(self, request: Any) -> str:
        name: str = _value(request, self.type_path).name if self.type_path else self.type
        return name


def sibling(operation: Operation, name: str) -> Requirement:
    """What the rpc ``name`` of the same service declares: for rpcs that turn out to be another one.

    Raises:
        ConfigurationError: the service has no such rpc, or it declares nothing.
    """
    for method in operation.method.parent.methods:
        if method.name == name:
            return Requirement.of(dataclasses.replace(operation, method=method))
    text = f"the rpc declares no permission, and its service has no rpc {name!r} whose permission could stand for it"
    raise ConfigurationError(f"{operation.name}: {text}")


def needs_nothing_more(ctx: RequestContext, requirement: Requirement) -> bool:
    """Whether a resource about to be created is the caller's own, for which it is enough to be somebody.

    Raises:
        InvalidArgument: it is an organization's, but the request names none.
    """
    metadata = ctx.request.metadata
    if requirement.type != "organization" or metadata is None:
        return False
    if metadata.owner_scope.name == "identity_account" or (not metadata.owner_scope and not metadata.org):
        return True
    if not metadata.org:
        raise InvalidArgument("metadata.org", "value is required")
    return False


def _path(operation: Operation, text: str) -> Sequence[str]:
    """A dotted path through the request, taken apart."""
    names = text.split(".") if text else []
    message: DescMessage | None = operation.method.input
    for name in names:
        field = next((field for field in message.fields if field.name == name), None) if message is not None else None
        if field is None:
            raise ConfigurationError(f"{operation.name}: its permission is about {text!r}, which the request does not have")
        message = field.value.message if isinstance(field.value, DescFieldValueMessage) else None
    return tuple(names)


def _value(request: Any, path: Sequence[str]) -> Any:
    for name in path:
        request = getattr(request, name) if request is not None else None
    return request or ""
