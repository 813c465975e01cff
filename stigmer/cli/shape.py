"""Makes a message of a document, and says exactly which field does not fit."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Message,
    ScalarType,
)

from stigmer.cli.document import Refused, kind_of

M = TypeVar("M", bound=Message[Any])

Shape = DescMessage | DescEnum | ScalarType


def message_of(type_: type[M], document: Mapping[str, Any]) -> M:
    """The message that ``document`` spells in ProtoJSON's names or in those of the proto.

    Raises:
        Refused: something in it does not fit; the text begins with the path of the field.
    """
    _check_message(type_.desc(), document, "")
    try:
        message = type_.from_json(json.dumps(document, allow_nan=False))
        message.to_binary()
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Refused(str(error)) from error
    return message


def _check_message(shape: DescMessage, value: Any, path: str) -> None:
    if shape.type_name.startswith("google.protobuf."):
        _check_well_known(shape, value, path)
        return
    _expect(value, Mapping, "a mapping", path)
    spelt: dict[str, str] = {}
    for key, item in value.items():
        field = _field(shape, key, path)
        if field.name in spelt:
            raise Refused(f"{_join(path, key)}: is there twice, also as {spelt[field.name]}")
        spelt[field.name] = key
        if item is not None:  # in ProtoJSON null stands for a field that is not there
            _check_field(field, item, _join(path, key))


def _check_well_known(shape: DescMessage, value: Any, path: str) -> None:
    """Timestamps and their like have a form of their own, which their reader judges."""
    try:
        shape.type.from_json(json.dumps(value))
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(f"{path}: {value!r} is no {shape.name.lower()}") from error


def _check_field(field: DescField, value: Any, path: str) -> None:
    how = field.value
    if isinstance(how, DescFieldValueList):
        _expect(value, list, "a list", path)
        for index, item in enumerate(value):
            _check_value(how.element, item, f"{path}[{index}]")
    elif isinstance(how, DescFieldValueMap):
        _expect(value, Mapping, "a mapping", path)
        for key, item in value.items():
            _check_characters(key, path)
            _check_value(how.value, item, _join(path, key))
    elif isinstance(how, DescFieldValueMessage):
        _check_message(how.message, value, path)
    else:
        _check_value(how.scalar if isinstance(how, DescFieldValueScalar) else how.enum, value, path)


def _check_value(shape: Shape, value: Any, path: str) -> None:
    if isinstance(shape, DescMessage):
        _check_message(shape, value, path)
    elif isinstance(shape, DescEnum):
        _check_enum(shape, value, path)
    elif shape is ScalarType.STRING:
        _expect(value, str, "text", path)
        _check_characters(value, path)


def _check_characters(text: str, path: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(f"{path}: holds half a character (a lone surrogate)")


def _check_enum(shape: DescEnum, value: Any, path: str) -> None:
    names = [each.name for each in shape.values]
    if value in names or (isinstance(value, int) and value in {each.number for each in shape.values} and value is not True):
        return
    raise Refused(f"{path}: {value!r} is none of {', '.join(names)}{_guess(value, names)}")


def _expect(value: Any, type_: type[Any], name: str, path: str) -> None:
    if not isinstance(value, type_):
        hint = "; quote it" if name == "text" and isinstance(value, bool | int | float) else ""
        raise Refused(f"{path or 'the document'}: {kind_of(value)} where {name} is expected{hint}")


def _field(shape: DescMessage, key: str, path: str) -> DescField:
    for field in shape.fields:
        if key in {field.name, field.json_name}:
            return field
    names = [field.name for field in shape.fields] + [field.json_name for field in shape.fields]
    raise Refused(f"{_join(path, key)}: no such field{_guess(key, names)}")


def _guess(value: Any, names: list[str]) -> str:
    close = difflib.get_close_matches(value, names, n=1) if isinstance(value, str) else []
    return f"; did you mean {close[0]}?" if close else ""


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
