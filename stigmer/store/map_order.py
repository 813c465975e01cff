"""Puts the maps in a message in order of their keys, at any depth: the same content then gives the same text and bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

from protobuf import DescField, DescFieldValueList, DescFieldValueMap, DescFieldValueMessage, DescMessage, Message, Oneof


class _Ways(NamedTuple):
    """The fields of a message that are maps, or can hold one further down; the plain ones by name."""

    maps: tuple[str, ...]
    messages: tuple[str, ...]
    others: tuple[DescField, ...]


def put_in_order(message: Message[Any]) -> None:
    """Orders all maps in ``message``. What is packed into an ``Any`` stays as it is."""
    maps, messages, others = _ways_to_maps(message.desc())
    for name in maps:
        _order(getattr(message, name))
    for name in messages:
        inner = getattr(message, name)
        if inner is not None:
            put_in_order(inner)
    for field in others:
        value = _value(message, field)
        if isinstance(field.value, DescFieldValueMap):
            _order(value)
        for inner in _messages(field, value):
            put_in_order(inner)


def _order(entries: dict[Any, Any]) -> None:
    if len(entries) > 1:
        keys = list(entries)
        ordered = sorted(keys)
        if keys != ordered:
            pairs = [(key, entries[key]) for key in ordered]
            entries.clear()
            entries.update(pairs)


def _value(message: Message[Any], field: DescField) -> Any:
    oneof = field.value.oneof if isinstance(field.value, DescFieldValueMessage) else None
    if oneof is None:
        return getattr(message, field.local_name)
    chosen = getattr(message, oneof.local_name)
    return chosen.value if isinstance(chosen, Oneof) and chosen.field == field.local_name else None


def _messages(field: DescField, value: Any) -> Iterable[Message[Any]]:
    """The messages that are directly in a field."""
    match field.value:
        case DescFieldValueMap(value=DescMessage()):
            return list(value.values())
        case DescFieldValueList(element=DescMessage()):
            return list(value)
        case DescFieldValueMessage() if value is not None:
            return [value]
        case _:
            return []


@functools.cache
def _ways_to_maps(message: DescMessage) -> _Ways:
    maps, messages, others = [], [], []
    for field in message.fields:
        if _leads_to_map(field, frozenset()):
            match field.value:
                case DescFieldValueMap(value=DescMessage()):
                    others.append(field)
                case DescFieldValueMap():
                    maps.append(field.local_name)
                case DescFieldValueMessage(oneof=None):
                    messages.append(field.local_name)
                case _:
                    others.append(field)
    return _Ways(tuple(maps), tuple(messages), tuple(others))


def _leads_to_map(field: DescField, seen: frozenset[str]) -> bool:
    match field.value:
        case DescFieldValueMap():
            return True
        case DescFieldValueList(element=DescMessage() as inner) | DescFieldValueMessage(message=inner):
            deeper = seen | {inner.type_name}
            return inner.type_name not in seen and any(_leads_to_map(each, deeper) for each in inner.fields)
        case _:
            return False
