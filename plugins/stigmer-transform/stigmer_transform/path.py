"""A field within a resource: checked once against the descriptors, then hidden and kept."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any, Self

from protobuf import DescField, DescFieldValueMap, DescFieldValueMessage, DescMessage, ScalarType

from stigmer import ConfigurationError
from stigmer_transform.rules import Rule, require


@dataclasses.dataclass(frozen=True, slots=True)
class FieldPath:
    """Where a field is.

    Attributes:
        parents: the message fields that lead to it.
        field: the field itself.
        key: of a map the one entry that is meant; None means all of the field.
    """

    parents: tuple[DescField, ...]
    field: DescField
    key: str | None

    @classmethod
    def of(cls, rule: Rule, message: DescMessage) -> Self:
        """The path that ``rule`` names, from ``message`` on. What follows a map's name is a key, dots included.

        Raises:
            ConfigurationError: there is no such field, or a field on the way to it has nothing in it that has a name.
        """
        parents: list[DescField] = []
        name, _, rest = rule.hide.partition(".")
        field = _field(rule, message, name)
        while rest and isinstance(field.value, DescFieldValueMessage):
            parents.append(field)
            name, _, rest = rest.partition(".")
            field = _field(rule, field.value.message, name)
        if rest and not (isinstance(field.value, DescFieldValueMap) and field.value.key is ScalarType.STRING):
            raise ConfigurationError(f"plugin 'transform': rule hide={rule.hide!r}: nothing in {name} can be named")
        return cls(tuple(parents), field, rest or None)

    def hide(self, resource: Any) -> None:
        """Takes the field out of ``resource``."""
        for holder in self._holder(resource):
            if self.key is None:
                del holder[self.field]
            else:
                holder[self.field].pop(self.key, None)

    def keep(self, state: Any, stored: Any) -> None:
        """Puts what ``stored`` has in the field into ``state``, unless there is something new in it.

        Of a map that is hidden as a whole each entry counts by itself.
        """
        for holder in self._holder(stored):
            if self.field in holder:
                self._fill(self._made(state), holder[self.field])

    def _fill(self, target: Any, kept: Any) -> None:
        if isinstance(self.field.value, DescFieldValueMap):
            entries = kept if self.key is None else {self.key: kept[self.key]} if self.key in kept else {}
            target[self.field] = {**entries, **target[self.field]}
        elif self.field not in target:
            target[self.field] = copy.deepcopy(kept)

    def _holder(self, resource: Any) -> Iterator[Any]:
        """The message that has the field, if ``resource`` has one."""
        for parent in self.parents:
            if parent not in resource:
                return
            resource = resource[parent]
        yield resource

    def _made(self, resource: Any) -> Any:
        """The message that has the field, made where it is missing."""
        for parent in self.parents:
            if parent not in resource:
                resource[parent] = parent.value.message.type()  # type: ignore[union-attr]  # `of` lets only messages be parents
            resource = resource[parent]
        return resource


def _field(rule: Rule, message: DescMessage, name: str) -> DescField:
    fields = {field.name: field for field in message.fields}
    require(rule, f"field in {message.name}", name, fields)
    return fields[name]
