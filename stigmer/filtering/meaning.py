"""What a comparison in a filter means for a kind of resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer.filtering.bad import Bad, did_you_mean, echo
from stigmer.filtering.times import compared
from stigmer.filtering.tokens import Token
from stigmer.kind import Kind
from stigmer.store.selection import (
    AllOf,
    Compare,
    Condition,
    Label,
    LabelLike,
    Like,
    NotSo,
    Operator,
    Tag,
    TagLike,
    Type,
    fields_of,
)

_HAS = ":"
_ANY = ("", "")
_SCOPES = {scope.name: int(scope) for scope in (ApiResourceOwnerScope.organization, ApiResourceOwnerScope.identity_account)}


def restriction(kind: Kind[Any], path: Sequence[Token], operator: Token, value: Token) -> Condition:
    """The condition that a field, an operator and a value state.

    Raises:
        Bad: there is no such field, or the operator or the value does not fit it.
    """
    first, *others = path
    match first.text:
        case "labels":
            return _on_labels(others, operator, value)
        case "tags":
            return _on_tags(others, operator, value)
    fields = fields_of(kind)
    if first.text not in fields:
        hint = did_you_mean(first.text, [*fields, "labels", "tags"])
        raise Bad(f"there is no field {echo(first.text)}{hint}", first.at)
    if others:
        raise Bad(f"{first.text} has no fields", others[0].at)
    match fields[first.text]:
        case Type.TIME:
            return _on_time(first.text, operator, value)
        case Type.SCOPE:
            return _on_scope(first.text, operator, value)
        case Type.TEXT:
            return _on_text(first.text, operator, value)


def _on_text(field: str, operator: Token, value: Token) -> Condition:
    if operator.text == _HAS and value.pieces == _ANY:
        return Compare(field, Operator.UNEQUAL, "")
    how = _operator(operator)
    if len(value.pieces) == 1 or how not in {Operator.EQUAL, Operator.UNEQUAL}:
        return Compare(field, how, value.text)
    like = Like(field, value.pieces)
    return like if how is Operator.EQUAL else NotSo(like)


def _on_labels(path: Sequence[Token], operator: Token, value: Token) -> Condition:
    if not path:
        if operator.text != _HAS or len(value.pieces) > 1:
            raise Bad(
                "labels are compared one by one, such as labels.team = x; labels:team asks whether there is one", operator.at
            )
        return LabelLike(value.text, _ANY)
    name = ".".join(token.text for token in path)
    how = _operator(operator)
    if len(value.pieces) == 1 or how not in {Operator.EQUAL, Operator.UNEQUAL}:
        return Label(name, how, value.text)
    like = LabelLike(name, value.pieces)
    return like if how is Operator.EQUAL else _present_but_not(name, like)


def _present_but_not(name: str, like: LabelLike) -> Condition:
    return AllOf((LabelLike(name, _ANY), NotSo(like)))


def _on_tags(path: Sequence[Token], operator: Token, value: Token) -> Condition:
    if path:
        raise Bad("tags have no fields", path[0].at)
    if operator.text != _HAS:
        raise Bad('tags are asked for with a colon, such as tags:"urgent"', operator.at)
    return Tag(value.text) if len(value.pieces) == 1 else TagLike(value.pieces)


def _on_time(field: str, operator: Token, value: Token) -> Condition:
    if operator.text == _HAS and value.pieces == _ANY:
        return Compare(field, Operator.UNEQUAL, 0)
    return compared(field, _operator(operator), value)


def _on_scope(field: str, operator: Token, value: Token) -> Condition:
    how = _operator(operator)
    if how not in {Operator.EQUAL, Operator.UNEQUAL}:
        raise Bad(f"{field} has no order", operator.at)
    if value.text not in _SCOPES:
        raise Bad(f"{field} is one of {', '.join(_SCOPES)}{did_you_mean(value.text, _SCOPES)}", value.at)
    return Compare(field, how, _SCOPES[value.text])


def _operator(token: Token) -> Operator:
    return Operator.EQUAL if token.text == _HAS else Operator(token.text)
