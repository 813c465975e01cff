"""Says at once that a message keeps the rules of its proto, where those are plain; of what it is not sure, others decide.

protovalidate looks at each field of a message, which takes longer than all else that is done with most requests. The rules
that requests have are few: here they become a handful of comparisons, made once for each message class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from protobuf import (
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    Message,
)
from protovalidate._gen.buf.validate.validate_pb import Ignore, ext_field, ext_message, ext_oneof

Check: TypeAlias = Callable[[Any], bool]
"""True: the value keeps all its rules. False: it may not."""

_ONE_OF_NUMBERS = re.compile(r"this\.(\w+) == \d+(?: \|\| this\.\1 == \d+)*")
_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9_^$|\[\]{}*+,.-]*")
"""Regular expressions that mean to Python what they mean to RE2, the dollar sign aside."""


class _Unsure(Exception):
    """A rule is not among the plain ones."""


def quick_check(message: DescMessage, waived: str = "") -> Check:
    """Tells of a message of this type whether it surely keeps its rules; it never does where a rule is not plain.

    Args:
        message: the type.
        waived: id of a rule on a number, which an unset one need not keep.
    """
    try:
        return _of_message(message, waived, ()) or _always
    except _Unsure:
        return _never


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


def _of_message(message: DescMessage, waived: str, around: tuple[str, ...]) -> Check | None:
    """What checks such a message; None when there are no rules for it."""
    if message.type_name in around or _option(message.proto, ext_message) is not None:
        raise _Unsure
    if any(_option(oneof.proto, ext_oneof) is not None for oneof in message.oneofs):
        raise _Unsure
    around = (*around, message.type_name)
    checks = [(field.local_name, check) for field in message.fields for check in _of_field(field, waived, around)]
    return _of_fields(checks) if checks else None


def _of_fields(checks: Sequence[tuple[str, Check]]) -> Check:
    # Written out: `all` and a generator take twice as long, and here nearly all there is are calls.
    def check(message: Any) -> bool:
        for name, good in checks:  # noqa: SIM110 - see above
            if not good(getattr(message, name)):
                return False
        return True

    return check


def _all_of(checks: Sequence[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> bool:
        for good in checks:  # noqa: SIM110 - as above
            if not good(value):
                return False
        return True

    return check


def _option(proto: Any, extension: Any) -> Any:
    return proto.options[extension] if proto.options is not None and extension in proto.options else None


def _of_field(field: DescField, waived: str, around: tuple[str, ...]) -> Iterator[Check]:
    rules = _option(field.proto, ext_field)
    inner = _message_in(field)
    within = None if inner is None else _of_message(inner, waived, around)
    if rules is None and within is None:
        return
    if getattr(field.value, "oneof", None) is not None:
        raise _Unsure
    if isinstance(field.value, DescFieldValueMessage):
        yield _of_single(rules, within, waived)
    elif within is not None or rules is None:
        raise _Unsure
    else:
        yield _of_values(field, rules)


def _message_in(field: DescField) -> DescMessage | None:
    match field.value:
        case DescFieldValueMessage(message=inner):
            return inner
        case DescFieldValueList(element=DescMessage() as inner) | DescFieldValueMap(value=DescMessage() as inner):
            return inner
        case _:
            return None


def _of_single(rules: Any, within: Check | None, waived: str) -> Check:
    """Checks a field that is a message: it is there if it must be, and keeps its rules if it is."""
    _only(rules, "required", "cel")
    required = rules is not None and rules.required
    checks = [_of_expression(each, waived) for each in (rules.cel if rules is not None else ())]
    if within is not None:
        checks.append(within)
    good = _all_of(checks)
    return lambda value: not required if value is None else good(value)


def _of_expression(rule: Any, waived: str) -> Check:
    """Checks the one form of expression that is plain: a number is one of several."""
    found = _ONE_OF_NUMBERS.fullmatch(rule.expression)
    if found is None:
        raise _Unsure
    name = found[1]
    numbers = {int(number) for number in re.findall(r"== (\d+)", rule.expression)}
    if rule.id == waived:
        numbers.add(0)
    return lambda value: getattr(value, name) in numbers


def _of_values(field: DescField, rules: Any) -> Check:
    """Checks a field that holds no messages."""
    typed = _typed(field, rules.type) if rules.type is not None else _always
    if rules.ignore == Ignore.IF_ZERO_VALUE and not rules.required:
        _only(rules, "ignore", rules.type.field if rules.type is not None else "")
        return lambda value: not value or typed(value)
    _only(rules, "required", rules.type.field if rules.type is not None else "")
    if rules.required:
        return lambda value: bool(value) and typed(value)
    return typed


def _typed(field: DescField, type_: Any) -> Check:
    """Checks what a rule says that is for values of one type."""
    rule = type_.value
    match type_.field:
        case "string":
            return _of_string(rule)
        case "int32":
            return _at_least(rule)
        case "enum" if isinstance(field.value, DescFieldValueEnum):
            _only(rule, "defined_only")
            return {value.number for value in field.value.enum.values}.__contains__ if rule.defined_only else _always
        case "repeated" if isinstance(field.value, DescFieldValueList):
            return _of_list(field, rule)
    raise _Unsure


def _of_string(rule: Any) -> Check:
    _only(rule, "const", "pattern", "min_len")
    given = {field.name for field in rule}
    checks: list[Check] = []
    if "const" in given:
        checks.append(rule.const.__eq__)
    if "pattern" in given:
        if not _PLAIN_PATTERN.fullmatch(rule.pattern):
            raise _Unsure
        checks.append(lambda value: found(value) is not None)
        found = re.compile(rule.pattern.replace("$", r"\Z")).search
    if "min_len" in given:
        checks.append(lambda value: len(value) >= rule.min_len)
    return _all_of(checks)


def _at_least(rule: Any) -> Check:
    if [field.name for field in rule] != ["gte"]:
        raise _Unsure
    least = rule.greater_than.value
    return lambda value: value >= least


def _of_list(field: DescField, rule: Any) -> Check:
    _only(rule, "min_items", "max_items", "items")
    least, most = rule.min_items or 0, rule.max_items or float("inf")
    if rule.items is None:
        return lambda value: least <= len(value) <= most
    item = _of_values(field, rule.items)
    return lambda value: least <= len(value) <= most and all(map(item, value))


def _only(rules: Message[Any] | None, *known: str) -> None:
    """Makes sure that ``rules`` says nothing else."""
    if rules is not None and not {field.name for field in rules} <= set(known):
        raise _Unsure
