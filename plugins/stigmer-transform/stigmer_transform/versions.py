"""What a list of versions shows of the resource itself: what a rule hides there is hidden here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from protobuf import DescField, DescFieldValueList, DescMessage

from stigmer_transform.path import FieldPath
from stigmer_transform.rules import Rule

_SHOWN = {
    "version": "metadata.version",
    "event": "status.audit.spec_audit.event",
    "time": "status.audit.spec_audit.updated_at",
    "actor": "status.audit.spec_audit.updated_by",
}
"""Field of an entry → where the resource has it."""


class Versions(NamedTuple):
    """The field of an answer that lists versions, and the message of each."""

    field: DescField
    entry: DescMessage


def versions_in(response: DescMessage) -> Versions | None:
    """Where ``response`` lists versions, if it does."""
    for field in response.fields:
        element = field.value.element if isinstance(field.value, DescFieldValueList) else None
        if isinstance(element, DescMessage) and {each.name for each in element.fields} == set(_SHOWN):
            return Versions(field, element)
    return None


def paths_in_version(rule: Rule, resource: DescMessage, versions: Versions) -> Iterator[FieldPath]:
    """The fields of an entry that show what ``rule`` hides in the resource.

    Raises:
        ConfigurationError: the resource has no such field.
    """
    FieldPath.of(rule, resource)
    for name, source in _SHOWN.items():
        if f"{source}.".startswith(f"{rule.hide}."):
            yield FieldPath.of(rule.model_copy(update={"hide": name}), versions.entry)
        elif rule.hide.startswith(f"{source}."):
            yield FieldPath.of(rule.model_copy(update={"hide": name + rule.hide.removeprefix(source)}), versions.entry)
