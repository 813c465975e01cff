"""A change in the form of CloudEvents 1.0 (https://github.com/cloudevents/spec)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from stigmer.kind import Kind
from stigmer.payload import decode
from stigmer.store.feed import Change, Event

SPEC_VERSION = "1.0"
JSON = "application/json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERBS = {Event.CREATED: "created", Event.UPDATED: "updated", Event.DELETED: "deleted"}


@dataclasses.dataclass(frozen=True, slots=True)
class CloudEvent:
    """What others are told of a change.

    Attributes:
        id: the same whenever the change is told again, and of no other change.
        kind: key of the kind of resource.
        subject: id of the resource; events of the same subject have an order.
        attributes: all attributes but ``data``, by name, those of the specification and extensions.
        data: ProtoJSON of the resource as it is since; of a deletion as it was.
    """

    id: str
    kind: str
    subject: str
    attributes: Mapping[str, str]
    data: bytes

    @classmethod
    def of(cls, kind: Kind[Any], change: Change, source: str) -> Self:
        """The event of a change.

        Raises:
            Undecodable: what is stored is no message of the kind.
        """
        id_ = _identity(kind, change)
        attributes = {
            "specversion": SPEC_VERSION,
            "id": id_,
            "source": source,
            "type": f"ai.stigmer.{kind.key}.{_VERBS[change.event]}",
            "subject": change.id,
            "time": _rfc3339(change.time),
            "datacontenttype": JSON,
            "sequence": f"{change.number:020}",
            "actor": change.actor,
            "versionid": change.version,
            "traceparent": change.trace,
        }
        given = {name: value for name, value in attributes.items() if value}
        return cls(id_, kind.key, change.id, given, decode(kind.message, change.wire).to_json().encode())


def _identity(kind: Kind[Any], change: Change) -> str:
    """By the version, which no other state has, also not in a copy of the store that others have gone on writing to."""
    verb = _VERBS[change.event]
    if change.version:
        return change.version if change.event is not Event.DELETED else f"{change.version}.{verb}"
    return f"{kind.key}.{change.id}.{change.revision}.{verb}.{change.number}"


def _rfc3339(microseconds: int) -> str:
    """Empty when the time is not known."""
    if not microseconds:
        return ""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
