"""ValidateProto: the request keeps the rules of its proto and of its operation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from protobuf import DescFieldValueMessage, DescMessage, Message
from protovalidate import Validator

from stigmer.context import RequestContext
from stigmer.errors import InvalidArgument, Violation
from stigmer.quick_check import Check, quick_check
from stigmer.rules import Rule

# Building a validator compiles its rules; one serves all calls.
_VALIDATOR = Validator()
_CHECKS: dict[tuple[type[Any], str], Check] = {}
_SCOPE_RULE = "session.owner_scope.org_or_identity_only"


class ValidateProto:
    """Refuses a request that breaks a rule, naming all the rules it breaks, in field order.

    Args:
        rules: of the operation, beside those of the proto.
        unset_scope_passes: the rule on the owner scope waits until the stored resource is known.
    """

    name = "ValidateProto"

    def __init__(self, *rules: Rule, unset_scope_passes: bool = False) -> None:
        self._rules = rules
        self._unset_scope_passes = unset_scope_passes
        self._waived = _SCOPE_RULE if unset_scope_passes else ""

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises InvalidArgument for a bad request, Undecodable for one that is no message."""
        request = ctx.request
        violations = [violation for rule in self._rules for violation in rule(ctx)]
        if violations or not _is_fine(request, self._waived):
            self._look_closely(request, violations)

    def _look_closely(self, request: Any, violations: list[Violation]) -> None:
        for rule_id, violation in _broken(request):
            if not (self._unset_scope_passes and rule_id == _SCOPE_RULE and not request.metadata.owner_scope):
                violations.append(violation)
        if violations:
            raise _invalid(type(request).desc(), violations)


def validate_strictly(message: Message[Any]) -> None:
    """Checks all rules of the proto.

    Raises:
        InvalidArgument: one is broken.
    """
    violations = [] if _is_fine(message) else [violation for _, violation in _broken(message)]
    if violations:
        raise _invalid(type(message).desc(), violations)


def warm(types: Iterable[type[Message[Any]]]) -> None:
    """Compiles the rules of these messages now rather than in the first call (5-8 ms)."""
    for type_ in types:
        _VALIDATOR.collect_violations(type_())


def _is_fine(message: Any, waived: str = "") -> bool:
    check = _CHECKS.get((type(message), waived))
    if check is None:
        check = _CHECKS[type(message), waived] = quick_check(message.desc(), waived)
    return check(message)


def _broken(message: Message[Any]) -> Iterator[tuple[str, Violation]]:
    """(rule id, violation) of each rule of the proto that is broken."""
    for found in _VALIDATOR.collect_violations(message):
        text = found.proto.message
        # protovalidate leaves the subject out of some of its own rules.
        worded = f"value {text}" if text.startswith(("must ", "does ")) else text
        yield found.proto.rule_id, Violation(_path(found.proto.field), worded)


def _path(path: Any) -> str:
    """A ``buf.validate.FieldPath`` as text, such as ``metadata.labels["a"]``."""
    return ".".join(_element(element) for element in path.elements) if path is not None else ""


def _element(element: Any) -> str:
    subscript = element.subscript
    if subscript is None:
        return str(element.field_name)
    key = f'"{subscript.value}"' if isinstance(subscript.value, str) else subscript.value
    return f"{element.field_name}[{key}]"


def _invalid(desc: DescMessage, violations: list[Violation]) -> InvalidArgument:
    first, *others = sorted(violations, key=lambda violation: _position(desc, violation.field))
    return InvalidArgument(first.field, first.text, *others)


def _position(desc: DescMessage, path: str) -> list[int]:
    """The numbers of the fields on a path: what "in field order" means."""
    numbers: list[int] = []
    for name in re.sub(r"\[[^]]*]", "", path).split("."):
        field = next((field for field in desc.fields if field.name == name), None)
        if field is None:
            break
        numbers.append(field.number)
        if not isinstance(field.value, DescFieldValueMessage):
            break
        desc = field.value.message
    return numbers
