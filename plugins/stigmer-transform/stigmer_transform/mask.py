"""What one operation hides from whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from protobuf import DescField, DescFieldValueList, DescMessage

from stigmer import Caller, Operation, Payload
from stigmer_transform.path import FieldPath
from stigmer_transform.rules import Rule
from stigmer_transform.versions import paths_in_version, versions_in


@dataclasses.dataclass(frozen=True, slots=True)
class Mask:
    """The rules of one operation, resolved.

    Attributes:
        fields: role that may see it, or None → field; in the order of the rules.
        lists: the response's fields that hold resources, or versions of one; empty when the response is the resource.
    """

    fields: tuple[tuple[str | None, FieldPath], ...]
    lists: tuple[DescField, ...]

    @classmethod
    def of(cls, operation: Operation, rules: Iterable[Rule]) -> Self | None:
        """The mask of ``operation``; None when it answers neither resources nor versions or no rule is about it.

        Raises:
            ConfigurationError: a rule names a field that the resource does not have.
        """
        resource, response = operation.kind.message.desc(), operation.method.output
        lists = tuple(field for field in response.fields if _holds(field, resource))
        covering = [rule for rule in rules if rule.covers(operation)]
        versions = versions_in(response)
        if versions is not None:
            hidden = [(rule.unless_role, path) for rule in covering for path in paths_in_version(rule, resource, versions)]
            return cls(tuple(hidden), (versions.field,)) if hidden else None
        if not covering or (response.type_name != resource.type_name and not lists):
            return None
        fields = tuple((rule.unless_role, FieldPath.of(rule, resource)) for rule in covering)
        return cls(fields, () if response.type_name == resource.type_name else lists)

    def hidden_from(self, caller: Caller) -> Sequence[FieldPath]:
        """The fields that ``caller`` may not see."""
        return [path for role, path in self.fields if role is None or role not in caller.roles]

    def hide(self, payload: Payload[Any], caller: Caller) -> Payload[Any]:
        """``payload`` without what ``caller`` may not see; as it is, and not even decoded, when that is nothing."""
        hidden = self.hidden_from(caller)
        if not hidden:
            return payload
        answer = Payload(payload.type, wire=payload.wire).message  # decoded anew: the payload's own message is shared
        for resource in self._resources(answer):
            for path in hidden:
                path.hide(resource)
        return Payload.of(answer)

    def _resources(self, answer: Any) -> Iterator[Any]:
        if not self.lists:
            yield answer
        for field in self.lists:
            if field in answer:
                yield from answer[field] if isinstance(field.value, DescFieldValueList) else [answer[field]]


def _holds(field: DescField, resource: DescMessage) -> bool:
    value = field.value
    held = value.element if isinstance(value, DescFieldValueList) else getattr(value, "message", None)
    return isinstance(held, DescMessage) and held.type_name == resource.type_name
