"""Makes a ``Document`` from a message: its canonical JSON, its wire bytes and whatever is indexed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from protobuf import Message

from stigmer.errors import InvalidArgument, ResourceExhausted, Undecodable
from stigmer.kind import Kind
from stigmer.payload import decode
from stigmer.store import Document, Owner
from stigmer.store.map_order import put_in_order

ANSWER_BYTES = 64 * 1024
"""A stored resource is smaller than the largest message by this much, so that every answer has room for it."""

MAX_WIRE_BYTES = 10 * 1024 * 1024 - ANSWER_BYTES
"""A resource is never larger than this."""

M = TypeVar("M", bound=Message[Any])


def make_document(kind: Kind[M], message: M, owner: Owner, *, max_wire_bytes: int = MAX_WIRE_BYTES) -> Document:
    """What is stored for ``message``, whose maps are put in order.

    Raises:
        ResourceExhausted: the wire bytes are more than ``max_wire_bytes``.
        InvalidArgument: the message has no JSON form, such as a timestamp after the year 9999.
    """
    put_in_order(message)
    wire = message.to_binary()
    if len(wire) > max_wire_bytes:
        text = f"{kind.name} is too large: {len(wire)} bytes, at most {max_wire_bytes} are kept"
        raise ResourceExhausted(text, reason="RESOURCE_TOO_LARGE")
    try:
        json = message.to_json()
    except (ValueError, OverflowError):
        raise InvalidArgument(kind.key, "value must have a JSON form") from None
    return described(kind, message, owner, json, wire)


def described(kind: Kind[M], message: M, owner: Owner, json: str = "", wire: bytes = b"") -> Document:
    """What a resource is selected by; without its two forms it is nothing to be stored."""
    # The message class is generic here; that every kind's message has metadata is what ``Resource`` says.
    metadata: Any = getattr(message, "metadata", None)
    return Document(
        id=metadata.id if metadata else "",
        owner=owner,
        slug=metadata.slug if metadata else "",
        version=metadata.version.id if metadata and metadata.version else "",
        org=metadata.org if metadata else "",
        tags=tuple(dict.fromkeys(metadata.tags)) if metadata else (),
        labels=dict(metadata.labels) if metadata else {},
        indexed=values_of(kind, message),
        json=json,
        wire=wire,
    )


def values_of(kind: Kind[M], message: M) -> dict[str, str | int]:
    """What is indexed of ``message``: the common columns, and those of the kind."""
    values: dict[str, str | int] = {column: value(message) for column, value in COMMON_COLUMNS.items()}
    for column, text in kind.indexed.items():
        values[column] = text(message)
    return values


def _name(message: Any) -> str:
    return message.metadata.name if message.metadata else ""


def _created_at(message: Any) -> int:
    info = _spec_audit(message)
    return _microseconds(info.created_at) if info else 0


def _updated_at(message: Any) -> int:
    info = _spec_audit(message)
    return _microseconds(info.updated_at) if info else 0


def _spec_audit(message: Any) -> Any:
    audit = message.status.audit if message.status else None
    return audit.spec_audit if audit else None


def _microseconds(time: Any) -> int:
    return time.seconds * 1_000_000 + time.nanos // 1000 if time else 0


COMMON_COLUMNS: Mapping[str, Callable[[Any], str | int]] = {
    "name": _name,
    "created_at": _created_at,
    "updated_at": _updated_at,
}
"""What is indexed of resources of every kind."""


def agrees(kind: Kind[Any], json: str, wire: bytes) -> bool:
    """Whether both say the same, in all that the schema knows."""
    try:
        canonical = _canonical_json(decode(kind.message, wire))
        return canonical == json or canonical == _reread(kind, json)
    except (Undecodable, ValueError, TypeError, OverflowError, RecursionError):
        return False


def _reread(kind: Kind[Any], json: str) -> str:
    """``json`` as it would be written today: libraries may come to word the same value differently."""
    return _canonical_json(kind.message.from_json(json))


def _canonical_json(message: Message[Any]) -> str:
    """ProtoJSON whose maps are in order."""
    put_in_order(message)
    return message.to_json()
